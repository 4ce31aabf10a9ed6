#include "ldap/root_dse.h"

#include <string.h>

#include "ldap/entry.h"

#define NOTIFICATION "1.2.840.113556.1.4.528"

static int ask(struct ldap_session *session, char **attributes)
{
    int id = 0;
    return ldap_search_ext(session->handle, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 0, NULL, NULL,
                           NULL, 1, &id) == LDAP_SUCCESS
               ? id
               : 0;
}

static void read_controls(LDAP *handle, LDAPMessage *entry, struct ldap_root_dse *root)
{
    static const char sync[] = LDAP_CONTROL_SYNC, dirsync[] = LDAP_CONTROL_X_DIRSYNC;
    struct berval **values = ldap_get_values_len(handle, entry, "supportedControl");
    for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
        const char *oid = values[i]->bv_val;
        root->has_sync |= strcmp(oid, sync) == 0;
        root->has_dirsync |= strcmp(oid, dirsync) == 0;
        root->has_notification |= strcmp(oid, NOTIFICATION) == 0;
    }
    ldap_value_free_len(values);
}

enum code ldap_root_dse_read(struct ldap_session *session, struct arena *arena, struct problem *problem,
                             struct ldap_root_dse *ret_root)
{
    char *attributes[] = {"supportedControl", "defaultNamingContext", "dsServiceName", "highestCommittedUSN",
                          NULL};
    struct ldap_root_dse root = {0};
    LDAPMessage *entry = NULL;
    const char *words = "";
    int id = ask(session, attributes), type = -1;
    if (id != 0)
        type = ldap_session_next(session, id, session->deadline_us, &entry);
    if (type == LDAP_RES_SEARCH_ENTRY) {
        read_controls(session->handle, entry, &root);
        root.naming_context = ldap_entry_text(session->handle, entry, "defaultNamingContext", arena);
        root.server = ldap_entry_text(session->handle, entry, "dsServiceName", arena);
        root.highest_usn = ldap_entry_text(session->handle, entry, "highestCommittedUSN", arena);
    }
    ldap_msgfree(entry);
    if (type <= 0)
        return ldap_session_fault(session, type == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN,
                                  "what it is (root DSE)", "", problem);
    /* A server may hide it: then it is asked again and again. */
    if (type == LDAP_RES_SEARCH_ENTRY)
        ldap_session_result(session, id, problem->arena, &words, NULL);
    *ret_root = root;
    return CODE_OK;
}

int ldap_root_dse_ping(struct ldap_session *session)
{
    char *attributes[] = {LDAP_NO_ATTRS, NULL};
    return ask(session, attributes);
}
