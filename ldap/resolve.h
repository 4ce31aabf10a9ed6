/* Addresses of hosts, asked of the system's resolvers, for no longer than a deadline. */
#pragma once

#include <netinet/in.h>
#include <stddef.h>

#include "model/directory_connection.h"

#define LDAP_ADDRESSES_MAX 8

union ldap_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* How many were found; 0: the name has none, or nobody said so in time. */
size_t ldap_resolve(const struct directory_uri *uri, int64_t deadline_us,
                    union ldap_address ret_addresses[static LDAP_ADDRESSES_MAX]);
