/* Why a TLS connection did not come about: libldap does not say. */
#pragma once

#include "model/arena.h"

enum ldap_tls_reason {
    LDAP_TLS_OTHER,
    LDAP_TLS_TIMED_OUT,
    LDAP_TLS_NOT_TRUSTED,
    LDAP_TLS_NAME_MISMATCH,
};

/* Shakes hands on a new connection, over which nothing else is said. `ca_path` is a file of trusted certificates; ret_words is
 * what GnuTLS says. */
enum ldap_tls_reason ldap_tls_find_reason(int descriptor, const char *host, const char *ca_path,
                                          unsigned timeout_ms, struct arena *arena, const char **ret_words);
