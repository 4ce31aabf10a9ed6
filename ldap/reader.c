#include "ldap/reader.h"

#include <stdlib.h>
#include <string.h>

void ldap_reader_begin(struct ldap_reader *reader, struct ldap_session *session, const char *base,
                       const char *filter, char **attributes)
{
    *reader = (struct ldap_reader){.session = session,
                                   .base = base,
                                   .filter = filter,
                                   .attributes = attributes,
                                   .most = LDAP_ENTRIES_MAX};
}

void ldap_reader_end(struct ldap_reader *reader)
{
    ber_memfree(reader->page.bv_val);
    reader->page = (struct berval){0};
    reader->is_ended = true;
}

static enum code fault(struct ldap_reader *reader, int result, const char *words, struct problem *problem)
{
    return ldap_session_fault(reader->session, result,
                              arena_printf(problem->arena, "search below %s", reader->base), words, problem);
}

static enum code ask(struct ldap_reader *reader, struct problem *problem)
{
    LDAPControl *page = NULL;
    int result = ldap_create_page_control(reader->session->handle, LDAP_PAGE,
                                          reader->page.bv_val != NULL ? &reader->page : NULL, 0, &page);
    LDAPControl *controls[] = {page, NULL};
    if (result == LDAP_SUCCESS)
        result = ldap_search_ext(reader->session->handle, reader->base, LDAP_SCOPE_SUBTREE, reader->filter,
                                 reader->attributes, 0, controls, NULL, NULL, 0, &reader->message_id);
    ldap_control_free(page);
    return result == LDAP_SUCCESS ? CODE_OK : fault(reader, result, "", problem);
}

/* Where the next page begins; is_ended when there is none. */
static void keep_place(struct ldap_reader *reader, LDAPControl **controls)
{
    LDAPControl *control = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
    struct berval next = {0};
    ber_int_t estimate;
    ber_memfree(reader->page.bv_val);
    reader->page = (struct berval){0};
    reader->message_id = 0;
    if (control == NULL ||
        ldap_parse_pageresponse_control(reader->session->handle, control, &estimate, &next) != LDAP_SUCCESS ||
        next.bv_len == 0) {
        ber_memfree(next.bv_val);
        reader->is_ended = true;
        return;
    }
    reader->page = next;
}

static enum code end_page(struct ldap_reader *reader, LDAPMessage *message, struct problem *problem)
{
    int result = LDAP_OTHER;
    char *words = NULL;
    LDAPControl **controls = NULL;
    if (ldap_parse_result(reader->session->handle, message, &result, NULL, &words, NULL, &controls, 1) !=
        LDAP_SUCCESS)
        result = LDAP_DECODING_ERROR;
    enum code code =
        result == LDAP_SUCCESS ? CODE_OK : fault(reader, result, words != NULL ? words : "", problem);
    if (code == CODE_OK)
        keep_place(reader, controls);
    ldap_memfree(words);
    ldap_controls_free(controls);
    return code;
}

enum code ldap_reader_next(struct ldap_reader *reader, int64_t until_us, struct problem *problem,
                           LDAPMessage **ret_entry)
{
    struct ldap_session *session = reader->session;
    *ret_entry = NULL;
    while (!reader->is_ended) {
        LDAPMessage *message;
        enum code code = reader->message_id == 0 ? ask(reader, problem) : CODE_OK;
        if (code != CODE_OK)
            return code;
        int64_t soonest_us = until_us < session->deadline_us ? until_us : session->deadline_us;
        int type = ldap_session_next(session, reader->message_id, soonest_us, &message);
        if (type == LDAP_RES_SEARCH_ENTRY) {
            if (++reader->count > reader->most) {
                ldap_msgfree(message);
                return ldap_fault_add(
                    problem, LDAP_FAULT_LIMIT_EXCEEDED,
                    "%s sends more than the %zu entries below %s that are taken: narrow the "
                    "filter.",
                    session->uri, reader->most, reader->base);
            }
            *ret_entry = message;
            return CODE_OK;
        }
        if (type == LDAP_RES_SEARCH_RESULT)
            code = end_page(reader, message, problem);
        else if (type > 0)
            ldap_msgfree(message); /* a referral: what is elsewhere is not read */
        else if (type < 0)
            return fault(reader, LDAP_SERVER_DOWN, "", problem);
        if (code != CODE_OK)
            return code;
        int64_t now_us = ldap_now_us();
        if (type == 0 && now_us >= session->deadline_us)
            return fault(reader, LDAP_TIMEOUT, "", problem);
        if (now_us >= until_us)
            return CODE_OK;
    }
    return CODE_OK;
}
