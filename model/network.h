/* IP addresses and networks. */
#pragma once

#include <stdbool.h>

/* An IPv4 one is held as it is mapped into IPv6. */
struct network {
    unsigned char address[16];
    unsigned bits; /* how many of the address count */
};

/* `10.0.0.0/8`, or an address alone, which is a network of one. False also when bits are set that do not count. */
bool network_read(const char *text, struct network *ret_network);

/* Whether `inner` (an address, or a network) lies within `outer`. */
bool network_contains(const struct network *outer, const struct network *inner);
