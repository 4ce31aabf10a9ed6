#include "model/network.h"

#include <arpa/inet.h>
#include <string.h>

#include "model/text.h"

static bool read_address(const char *text, struct network *ret_network, unsigned *ret_first_bit)
{
    static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    if (strchr(text, ':') != NULL) {
        *ret_first_bit = 0;
        return inet_pton(AF_INET6, text, ret_network->address) == 1;
    }
    memcpy(ret_network->address, mapped, sizeof(mapped));
    *ret_first_bit = 96;
    return inet_pton(AF_INET, text, ret_network->address + sizeof(mapped)) == 1;
}

static bool has_no_more_bits(const struct network *network)
{
    for (unsigned bit = network->bits; bit < 128; bit++)
        if ((network->address[bit / 8] & (0x80U >> bit % 8)) != 0)
            return false;
    return true;
}

bool network_read(const char *text, struct network *ret_network)
{
    struct network network = {.bits = 128};
    char address[INET6_ADDRSTRLEN];
    unsigned first_bit;
    long long bits;
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (!read_address(address, &network, &first_bit))
        return false;
    if (slash != NULL) {
        if (!text_to_integer(slash + 1, &bits) || bits < 0 || bits > 128 - (long long)first_bit)
            return false;
        network.bits = first_bit + (unsigned)bits;
    }
    if (!has_no_more_bits(&network))
        return false;
    *ret_network = network;
    return true;
}

bool network_contains(const struct network *outer, const struct network *inner)
{
    unsigned bytes = outer->bits / 8;
    unsigned char mask = (unsigned char)(0xFF00U >> outer->bits % 8);
    if (inner->bits < outer->bits || memcmp(outer->address, inner->address, bytes) != 0)
        return false;
    return outer->bits % 8 == 0 || ((outer->address[bytes] ^ inner->address[bytes]) & mask) == 0;
}

/* --- the Internet --- */

static bool is_in(const struct network *address, const char *const *networks)
{
    struct network network;
    for (; *networks != NULL; networks++)
        if (network_read(*networks, &network) && network_contains(&network, address))
            return true;
    return false;
}

/* The IPv4 address in four bytes of another. */
static bool embedded_is_public(const unsigned char *bytes)
{
    struct network address = {.address = {[10] = 0xFF, [11] = 0xFF}, .bits = 128};
    memcpy(address.address + 12, bytes, 4);
    return network_is_public(&address);
}

bool network_is_public(const struct network *address)
{
    static const char *const v4[] = {"0.0.0.0/0", NULL};
    static const char *const special_v4[] = {"0.0.0.0/8",
                                             "10.0.0.0/8",
                                             "100.64.0.0/10",
                                             "127.0.0.0/8",
                                             "169.254.0.0/16",
                                             "172.16.0.0/12",
                                             "192.0.0.0/24",
                                             "192.0.2.0/24",
                                             "192.31.196.0/24",
                                             "192.52.193.0/24",
                                             "192.88.99.0/24",
                                             "192.168.0.0/16",
                                             "198.18.0.0/15",
                                             "192.175.48.0/24",
                                             "198.51.100.0/24",
                                             "203.0.113.0/24",
                                             "224.0.0.0/4",
                                             "240.0.0.0/4",
                                             NULL};
    static const char *const nat64[] = {"64:ff9b::/96", NULL};
    static const char *const sixto4[] = {"2002::/16", NULL};
    static const char *const unicast[] = {"2000::/3", NULL};
    static const char *const special_v6[] = {"2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20",
                                             NULL};

    if (is_in(address, v4))
        return !is_in(address, special_v4);
    if (is_in(address, nat64))
        return embedded_is_public(address->address + 12);
    if (is_in(address, sixto4))
        return embedded_is_public(address->address + 2);
    return is_in(address, unicast) && !is_in(address, special_v6);
}

/* --- lists --- */

struct network_list {
    struct network network;
    const struct network_list *next;
};

bool network_list_read(struct arena *arena, const char *text, const struct network_list **ret_list,
                       const char **ret_detail)
{
    const struct network_list *list = NULL;
    for (;;) {
        text += strspn(text, " \t");
        size_t length = strcspn(text, ",");
        struct network_list *entry = arena_alloc(arena, sizeof(*entry));
        char *part = arena_copy(arena, text, length);
        size_t used = strcspn(part, " \t");
        bool is_one = part[used + strspn(part + used, " \t")] == '\0';
        part[used] = '\0';
        if (!is_one || !network_read(part, &entry->network)) {
            *ret_detail =
                arena_printf(arena, "\"%s\" is no address or network such as 10.0.0.0/8 or ::1", part);
            return false;
        }
        entry->next = list;
        list = entry;
        text += length;
        if (*text++ == '\0')
            break;
    }
    *ret_list = list;
    return true;
}

bool network_list_contains(const struct network_list *list, const struct network *address)
{
    for (; list != NULL; list = list->next)
        if (network_contains(&list->network, address))
            return true;
    return false;
}
