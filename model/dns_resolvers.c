#include "model/dns_resolvers.h"

#include <arpa/inet.h>
#include <string.h>

#include "model/text.h"

#define RESOLVERS_MAX 8

static bool is_port(const char *text)
{
    long long port;
    return text_to_integer(text, &port) && port >= 1 && port <= 65535;
}

static bool is_address(int family, const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(family, text, address) == 1;
}

static bool is_resolver(char *text)
{
    char *end = strchr(text, ']');
    if (text[0] == '[' && end != NULL) {
        *end = '\0';
        return is_address(AF_INET6, text + 1) && (end[1] == '\0' || (end[1] == ':' && is_port(end + 2)));
    }
    if (is_address(AF_INET6, text))
        return true;
    char *colon = strchr(text, ':');
    if (colon != NULL)
        *colon = '\0';
    return is_address(AF_INET, text) && (colon == NULL || is_port(colon + 1));
}

bool dns_resolvers_are_valid(struct arena *arena, const char *list)
{
    for (int i = 0; i < RESOLVERS_MAX; i++) {
        size_t length = strcspn(list, ",");
        if (!is_resolver(arena_copy(arena, list, length)))
            return false;
        if (list[length] == '\0')
            return true;
        list += length + 1;
    }
    return false;
}
