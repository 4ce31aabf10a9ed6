#include "api/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "model/text.h"

#define ADDRESS_SIZE 16
#define V4_PREFIX    12 /* bytes of an IPv6 address before the IPv4 address in it */

/* IPv4 addresses are kept as those IPv6 addresses that stand for them (::ffff:192.0.2.1): one kind to compare. */
struct address {
    unsigned char bytes[ADDRESS_SIZE];
};

struct network {
    struct address address;
    unsigned bits;
};

struct proxy_list {
    size_t count;
    struct network networks[];
};

/* --- addresses --- */

static bool parse_address(const char *text, size_t length, struct address *ret_address)
{
    static const unsigned char mapped[V4_PREFIX] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    char copy[INET6_ADDRSTRLEN];
    struct address address = {0};
    if (length >= sizeof(copy))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET6, copy, address.bytes) != 1) {
        if (inet_pton(AF_INET, copy, address.bytes + V4_PREFIX) != 1)
            return false;
        memcpy(address.bytes, mapped, sizeof(mapped));
    }
    *ret_address = address;
    return true;
}

static bool is_v4(const struct address *address)
{
    const struct in6_addr *in6 = (const struct in6_addr *)(const void *)address->bytes;
    return IN6_IS_ADDR_V4MAPPED(in6);
}

static const char *print_address(struct arena *arena, const struct address *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (is_v4(address))
        inet_ntop(AF_INET, address->bytes + V4_PREFIX, text, sizeof(text));
    else
        inet_ntop(AF_INET6, address->bytes, text, sizeof(text));
    return arena_string(arena, text);
}

static struct address address_of(const struct sockaddr *peer)
{
    struct address address = {.bytes = {[10] = 0xFF, [11] = 0xFF}};
    if (peer->sa_family == AF_INET6)
        memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, ADDRESS_SIZE);
    else if (peer->sa_family == AF_INET)
        memcpy(address.bytes + V4_PREFIX, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
    return address;
}

static bool is_in(const struct network *network, const struct address *address)
{
    unsigned whole = network->bits / 8;
    unsigned mask = (0xFF00U >> (network->bits % 8)) & 0xFF;
    return memcmp(network->address.bytes, address->bytes, whole) == 0 &&
           (mask == 0 || (address->bytes[whole] & mask) == (network->address.bytes[whole] & mask));
}

static bool is_trusted(const struct proxy_list *list, const struct address *address)
{
    for (size_t i = 0; list != NULL && i < list->count; i++)
        if (is_in(&list->networks[i], address))
            return true;
    return false;
}

/* --- the setting --- */

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && is_space(**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && is_space((*text)[*length - 1]))
        (*length)--;
}

static bool parse_network(struct arena *arena, const char *text, size_t length, struct network *ret_network)
{
    const char *slash = memchr(text, '/', length);
    size_t address_length = slash != NULL ? (size_t)(slash - text) : length;
    struct network network;
    if (!parse_address(text, address_length, &network.address))
        return false;
    bool v4 = memchr(text, ':', address_length) == NULL;
    long long bits = v4 ? 32 : 128;
    if (slash != NULL &&
        (!text_to_integer(arena_copy(arena, slash + 1, length - address_length - 1), &bits) || bits < 0 ||
         bits > (v4 ? 32 : 128)))
        return false;
    network.bits = (unsigned)bits + (v4 ? 8 * V4_PREFIX : 0);
    *ret_network = network;
    return true;
}

static size_t count_commas(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == ',';
    return count;
}

bool proxy_list_parse(struct arena *arena, const char *text, const struct proxy_list **ret_list,
                      const char **ret_detail)
{
    struct proxy_list *list =
        arena_alloc(arena, sizeof(*list) + (count_commas(text) + 1) * sizeof(struct network));
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        const char *part = at;
        size_t part_length = length;
        trim(&part, &part_length);
        if (!parse_network(arena, part, part_length, &list->networks[list->count++])) {
            *ret_detail = arena_printf(arena, "\"%.*s\" is no address or network such as 10.0.0.0/8 or ::1",
                                       (int)part_length, part);
            return false;
        }
        at += length;
        if (*at == '\0')
            break;
    }
    *ret_list = list;
    return true;
}

/* --- the way of a request --- */

/* What one machine said of whom it got the request from. */
struct hop {
    const char *node; /* NULL: it did not say */
    size_t node_length;
    const char *protocol;
    size_t protocol_length;
};

struct way {
    struct hop *hops; /* the last one is what our peer said */
    size_t count;
};

static bool is_port(const char *text, size_t length)
{
    if (length < 2 || length > 17 || text[0] != ':')
        return false;
    for (size_t i = 1; i < length; i++)
        if (strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-", text[i]) == NULL)
            return false;
    return true;
}

/* 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. What hides the address (`unknown`, `_secret`) is
 * none. */
static bool parse_node(const char *text, size_t length, struct address *ret_address)
{
    const char *colon = memchr(text, ':', length);
    const char *bracket = memchr(text, ']', length);
    size_t host = length;
    if (length > 0 && text[0] == '[') {
        if (bracket == NULL || memchr(text, ':', (size_t)(bracket - text)) == NULL)
            return false;
        host = (size_t)(bracket - text);
        return (host + 1 == length || is_port(bracket + 1, length - host - 1)) &&
               parse_address(text + 1, host - 1, ret_address);
    }
    if (colon != NULL && memchr(colon + 1, ':', length - (size_t)(colon - text) - 1) == NULL) {
        host = (size_t)(colon - text);
        if (!is_port(colon, length - host))
            return false;
    }
    return parse_address(text, host, ret_address);
}

/* From our peer towards the client, as long as those who speak are trusted. */
static void walk(const struct proxy_list *trusted, const struct way *way, struct address *address,
                 bool *is_secure)
{
    for (size_t i = way->count; i-- > 0 && is_trusted(trusted, address);) {
        const struct hop *hop = &way->hops[i];
        if (hop->protocol != NULL)
            *is_secure = hop->protocol_length == 5 && strncasecmp(hop->protocol, "https", 5) == 0;
        if (hop->node == NULL || !parse_node(hop->node, hop->node_length, address))
            return;
    }
}

/* --- X-Forwarded-… --- */

struct part {
    const char *text;
    size_t length;
};

/* The elements of a list; empty ones do not count (RFC 9110, 5.6.1). */
static size_t split(struct arena *arena, const char *text, struct part **ret_parts)
{
    struct part *parts = arena_alloc(arena, (count_commas(text) + 1) * sizeof(*parts));
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at += *at == ',') {
        size_t length = strcspn(at, ",");
        parts[count] = (struct part){at, length};
        trim(&parts[count].text, &parts[count].length);
        count += parts[count].length > 0;
        at += length;
    }
    *ret_parts = parts;
    return count;
}

/* Proxies say one protocol, or add theirs to the list as they do with the address. */
static struct way read_x_forwarded(struct arena *arena, const char *addresses, const char *protocols)
{
    struct part *nodes;
    struct part *schemes;
    size_t count = split(arena, addresses != NULL ? addresses : "", &nodes);
    size_t scheme_count = split(arena, protocols != NULL ? protocols : "", &schemes);
    struct way way = {.count = count > 0 ? count : scheme_count > 0};
    way.hops = arena_alloc(arena, (way.count + 1) * sizeof(*way.hops));
    for (size_t i = 0; i < way.count; i++) {
        if (i < count)
            way.hops[i] = (struct hop){.node = nodes[i].text, .node_length = nodes[i].length};
        if (scheme_count == 0)
            continue;
        const struct part *scheme = &schemes[scheme_count == count ? i : scheme_count - 1];
        way.hops[i].protocol = scheme->text;
        way.hops[i].protocol_length = scheme->length;
    }
    return way;
}

/* --- Forwarded --- */

#define TOKEN_END " \t,;=\""

/* token or quoted-string; *at is moved behind it. False: neither. */
static bool read_value(struct arena *arena, const char **at, const char **ret_text, size_t *ret_length)
{
    if (**at != '"') {
        size_t length = strcspn(*at, TOKEN_END);
        *ret_text = *at;
        *ret_length = length;
        *at += length;
        return length > 0;
    }
    const char *end = *at + 1;
    for (; *end != '"'; end++)
        if (*end == '\0' || (*end == '\\' && *++end == '\0'))
            return false;
    char *text = arena_alloc(arena, (size_t)(end - *at));
    size_t length = 0;
    for (const char *from = *at + 1; from < end; from++)
        text[length++] = *from == '\\' ? *++from : *from;
    *at = end + 1;
    *ret_text = text;
    *ret_length = length;
    return true;
}

static void skip_spaces(const char **at)
{
    *at += strspn(*at, " \t");
}

/* `for=192.0.2.1;proto=https;by=…` to the comma or the end. False: it is not so formed, or says something twice. */
static bool read_element(struct arena *arena, const char **at, struct hop *ret_hop)
{
    struct hop hop = {0};
    for (;;) {
        skip_spaces(at);
        const char *name = *at;
        size_t name_length = strcspn(name, TOKEN_END);
        const char *value;
        size_t length;
        *at += name_length;
        if (name_length == 0 || *(*at)++ != '=' || !read_value(arena, at, &value, &length))
            return false;
        bool is_for = name_length == 3 && strncasecmp(name, "for", 3) == 0;
        bool is_proto = name_length == 5 && strncasecmp(name, "proto", 5) == 0;
        if ((is_for && hop.node != NULL) || (is_proto && hop.protocol != NULL))
            return false;
        if (is_for)
            hop = (struct hop){value, length, hop.protocol, hop.protocol_length};
        if (is_proto)
            hop = (struct hop){hop.node, hop.node_length, value, length};
        skip_spaces(at);
        if (**at == ',' || **at == '\0')
            break;
        if (*(*at)++ != ';')
            return false;
    }
    *ret_hop = hop;
    return true;
}

/* A value that is ill-formed anywhere says nothing: where its elements end is not sure then. */
static struct way read_forwarded(struct arena *arena, const char *text)
{
    struct way way = {.hops = arena_alloc(arena, (count_commas(text) + 1) * sizeof(struct hop))};
    for (const char *at = text; *at != '\0'; at += *at == ',') {
        skip_spaces(&at);
        if (*at == ',' || *at == '\0')
            continue;
        if (!read_element(arena, &at, &way.hops[way.count++]))
            return (struct way){0};
    }
    return way;
}

/* --- all together --- */

bool proxy_find_source(struct arena *arena, const struct proxy_list *trusted, const struct sockaddr *peer,
                       bool is_secure, const struct proxy_headers *headers, struct proxy_source *ret_source)
{
    struct address address = address_of(peer);
    struct address other = address;
    bool has_both = headers->forwarded != NULL && headers->x_forwarded_for != NULL;
    if (is_trusted(trusted, &address)) {
        struct way way = read_x_forwarded(arena, headers->x_forwarded_for, headers->x_forwarded_proto);
        walk(trusted, &way, &address, &is_secure);
        if (headers->forwarded != NULL) {
            way = read_forwarded(arena, headers->forwarded);
            walk(trusted, &way, &other, &is_secure);
        }
        if (has_both && memcmp(&address, &other, sizeof(address)) != 0)
            return false;
        if (headers->x_forwarded_for == NULL)
            address = other;
    }
    *ret_source = (struct proxy_source){print_address(arena, &address), is_secure};
    return true;
}
