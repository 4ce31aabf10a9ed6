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
