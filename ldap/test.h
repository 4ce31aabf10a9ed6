/* Tries a connection: TestDirectory. */
#pragma once

#include "model/directory_entry.h"

#define LDAP_TEST_SAMPLE  5
#define LDAP_TEST_COUNTED 100000 /* counting ends here */

struct ldap_test {
    const char *code; /* "ok", or that of the fault (ldap/fault.h) */
    const char *help;
    const char *uri;    /* the server that answered; NULL: none did */
    const char *method; /* how its changes would be followed: SYNCREPL, DIRSYNC, POLL; NULL: unknown */
    int64_t user_count;
    int64_t group_count;
    struct directory_entry users[LDAP_TEST_SAMPLE];
    size_t user_sample_count;
    struct directory_entry groups[LDAP_TEST_SAMPLE];
    size_t group_sample_count;
};

/* Never fails: an outcome is what it is for. */
void ldap_test(const struct directory_connection *connection, struct arena *arena, int64_t deadline_us,
               struct ldap_test *ret_test);
