/* IP addresses and networks. */
#pragma once

#include <stdbool.h>

#include "model/arena.h"

/* An IPv4 one is held as it is mapped into IPv6. */
struct network {
    unsigned char address[16];
    unsigned bits; /* how many of the address count */
};

/* `10.0.0.0/8`, or an address alone, which is a network of one. False also when bits are set that do not count. */
bool network_read(const char *text, struct network *ret_network);

/* Whether `inner` (an address, or a network) lies within `outer`. */
bool network_contains(const struct network *outer, const struct network *inner);

/* Whether an address is one of the Internet's: not private, shared, loopback, link-local, multicast, documentation or
 * otherwise set apart (IANA's special-purpose registries). Of one that stands for an IPv4 address (mapped, NAT64, 6to4) that
 * counts. */
bool network_is_public(const struct network *address);

struct network_list;

/* `10.0.0.0/8, ::1`, by comma. False: ret_detail says what is wrong. */
bool network_list_read(struct arena *arena, const char *text, const struct network_list **ret_list,
                       const char **ret_detail);

/* Whether an address is in one of them; NULL is none. */
bool network_list_contains(const struct network_list *list, const struct network *address);
