/* Connections to LDAP servers, for the files of ldap/ alone. */
#pragma once

#include <ldap.h>

#include "ldap/fault.h"
#include "ldap/library.h"
#include "model/directory_connection.h"

/* The largest message that is taken: a group of DIRECTORY_MEMBERS_MAX members. */
#define LDAP_MESSAGE_MAX (16 << 20)

/* One connection. */
struct ldap_session {
    LDAP *handle;    /* NULL: there is none */
    const char *uri; /* of the server that it is to */
    bool is_tls;
    bool has_tls_failed;
    bool is_broken; /* a part of an answer did not come: nothing more is taken from it, as if it was lost */
    int64_t deadline_us; /* of what is asked next; who goes on asking moves it */
};

/* Connects to the first of the URIs that answers, and binds. The fault is that of the last one. */
enum code ldap_session_open(const struct directory_connection *connection, int64_t deadline_us,
                            struct problem *problem, struct ldap_session *ret_session);

/* The same without the bind. */
enum code ldap_session_connect(const struct directory_connection *connection, int64_t deadline_us,
                               struct problem *problem, struct ldap_session *ret_session);

/* A simple bind: an LDAP result code, and what the server says with it. An empty password is refused as LDAP_INVALID_CREDENTIALS
 * without asking, since servers take it for no password at all. */
int ldap_session_bind(struct ldap_session *session, const char *dn, const char *password, struct arena *arena,
                      const char **ret_words);

/* The next message of a request (or of any: LDAP_RES_ANY): its type. 0: none until then. -1: the connection is lost. */
int ldap_session_next(struct ldap_session *session, int message_id, int64_t until_us,
                      LDAPMessage **ret_message);

/* The end of a request, until the deadline: an LDAP result code, and what the server says with it. Entries before it are passed
 * over. `ret_controls` may be NULL; who gives it frees it. */
int ldap_session_result(struct ldap_session *session, int message_id, struct arena *arena,
                        const char **ret_words, LDAPControl ***ret_controls);

/* Adds the fault that a result code means; `what` was asked, as in "search below OU=x". */
enum code ldap_session_fault(const struct ldap_session *session, int result, const char *what,
                             const char *words, struct problem *problem);

void ldap_session_close(struct ldap_session *session);
