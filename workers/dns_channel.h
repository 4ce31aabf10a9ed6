/* A channel of c-ares to one name server, or to the resolvers, as workers/dns_net.c uses it; and what is sent over it. */
#pragma once

#include <ares.h>
#include <stdbool.h>
#include <stddef.h>

struct dns_channel_options {
    const char *address;   /* of an authoritative server; NULL: the resolvers */
    int port;              /* of the server, or of the resolvers that do not say another one; 0: 53 */
    const char *resolvers; /* addresses by comma, each perhaps with :port; NULL: those of a file … */
    const char *resolv_conf;
    /* What c-ares wants to hear of a socket. */
    void (*watch)(void *argument, ares_socket_t descriptor, int readable, int writable);
    /* Each datagram, before c-ares sees it: of those that it drops it tells nothing. */
    void (*received)(void *argument, const unsigned char *data, size_t length);
    void *argument;
};

/* NULL when c-ares, or the list of resolvers, does not work. The options live as long as the channel. */
ares_channel dns_channel_open(const struct dns_channel_options *options);

/* A query with an id that nobody can guess, to be freed by ares_free_string. False for a name that is none. */
bool dns_channel_make_query(const char *name, int type, bool is_recursive, unsigned char **ret_data,
                            int *ret_length);
