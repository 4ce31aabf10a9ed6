/* Who sent a request that came through proxies: only what proxies that the operator trusts say of it counts. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "model/arena.h"

/* Networks whose machines are believed; NULL is none. */
struct proxy_list;

/* `10.0.0.0/8, ::1`: addresses and networks by comma. False: `detail` says what is wrong. */
bool proxy_list_parse(struct arena *arena, const char *text, const struct proxy_list **ret_list,
                      const char **ret_detail);

/* The headers of a request, NULL where there is none; lines of the same name are joined by comma. */
struct proxy_headers {
    const char *forwarded;       /* RFC 7239 */
    const char *x_forwarded_for; /* and the customs that it was made from */
    const char *x_forwarded_proto;
};

struct proxy_source {
    const char *address; /* without a port; an IPv4 address looks like one even in an IPv6 socket */
    bool is_secure;      /* it came by TLS, as far as we know */
};

/* The nearest address on the way that is not of a trusted proxy: the last one that a trusted machine vouches for. What
 * cannot be read ends the way. False when Forwarded and X-Forwarded-For name different ones: the proxy writes only one of
 * them, the other is the client's, and nobody knows which. */
bool proxy_find_source(struct arena *arena, const struct proxy_list *trusted, const struct sockaddr *peer,
                       bool is_secure, const struct proxy_headers *headers, struct proxy_source *ret_source);
