#include "model/id.h"

#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "model/secret.h"

#define HEX_DIGITS "0123456789abcdef"

/* Version 4 (RFC 9562). OpenSSL's generator needs no system call for each, libuuid's half a dozen. */
static void generate(uuid_t uuid)
{
    if (!secret_random(uuid, sizeof(uuid_t)))
        abort(); /* without randomness nothing here can be trusted */
    uuid[6] = (unsigned char)((uuid[6] & 0x0F) | 0x40);
    uuid[8] = (unsigned char)((uuid[8] & 0x3F) | 0x80);
}

const char *id_new_uuid(struct arena *arena)
{
    uuid_t uuid = {0};
    generate(uuid);
    char *text = arena_alloc(arena, UUID_STR_LEN);
    uuid_unparse_lower(uuid, text);
    return text;
}

static const char *prefixed_hex(struct arena *arena, char prefix, unsigned bytes)
{
    uuid_t uuid = {0};
    generate(uuid);
    char *text = arena_alloc(arena, 2 + 2 * (size_t)bytes + 1);
    text[0] = prefix;
    text[1] = '-';
    for (unsigned i = 0; i < bytes; i++) {
        /* From the end: the front holds the version's fixed bits. A 16 byte id keeps those too. */
        unsigned char byte = uuid[sizeof(uuid) - 1 - i];
        text[2 + 2 * i] = HEX_DIGITS[byte >> 4];
        text[3 + 2 * i] = HEX_DIGITS[byte & 15];
    }
    return text;
}

const char *id_new_organization(struct arena *arena)
{
    return prefixed_hex(arena, 'm', 16);
}

const char *id_new_resource(struct arena *arena)
{
    return prefixed_hex(arena, 'r', 16);
}

const char *id_resource_of_uuid(struct arena *arena, const char *uuid)
{
    char *text = arena_alloc(arena, 2 + strlen(uuid) + 1);
    char *at = text;
    *at++ = 'r';
    *at++ = '-';
    for (; *uuid != '\0'; uuid++)
        if (*uuid != '-')
            *at++ = *uuid;
    return text;
}

const char *id_new_directory(struct arena *arena)
{
    return prefixed_hex(arena, 'd', 5);
}

bool id_is_uuid(const char *text)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (strlen(text) != sizeof(shape) - 1)
        return false;
    for (unsigned i = 0; i < sizeof(shape) - 1; i++)
        if (shape[i] == '-' ? text[i] != '-' : strchr(HEX_DIGITS, text[i]) == NULL)
            return false;
    return true;
}

static bool is_prefixed_hex(const char *text, const char *prefix)
{
    return strncmp(text, prefix, 2) == 0 && strlen(text) == 34 && strspn(text + 2, HEX_DIGITS) == 32;
}

bool id_is_organization(const char *text)
{
    return is_prefixed_hex(text, "m-");
}

bool id_is_resource(const char *text)
{
    return is_prefixed_hex(text, "r-");
}

bool id_is_directory(const char *text)
{
    return strncmp(text, "d-", 2) == 0 && strlen(text) == 12 && strspn(text + 2, HEX_DIGITS) == 10;
}

bool id_is_access_key(const char *text)
{
    return strlen(text) == 20 && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == 20;
}
