/* Reads what a search finds, page by page where the server has pages, and piece by piece in any case. */
#pragma once

#include "ldap/connect.h"

#define LDAP_PAGE        500
#define LDAP_ENTRIES_MAX 2000000 /* of one search: a server that never ends is left alone */

struct ldap_reader {
    struct ldap_session *session;
    const char *base;
    const char *filter;
    char **attributes;
    size_t count; /* entries so far */
    size_t most;  /* more are a fault */
    bool is_ended;
    /* below: its own */
    int message_id; /* 0: the next page is to be asked for */
    struct berval page;
};

/* Nothing is asked yet. What is given must live as long as it. */
void ldap_reader_begin(struct ldap_reader *reader, struct ldap_session *session, const char *base,
                       const char *filter, char **attributes);

/* The next entry, to be freed by ldap_msgfree; NULL: none came until then, or is_ended. Until session->deadline_us something must
 * come: who goes on reading moves it. */
enum code ldap_reader_next(struct ldap_reader *reader, int64_t until_us, struct problem *problem,
                           LDAPMessage **ret_entry);

/* Frees what it holds. */
void ldap_reader_end(struct ldap_reader *reader);
