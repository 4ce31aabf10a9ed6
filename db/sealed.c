#include "db/sealed.h"

#include <libpq-fe.h>
#include <string.h>

const char *sealed_parameter(struct arena *arena, const struct secret_key *key, const char *row,
                             const char *plain, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t sealed_size = secret_sealed_size(size);
    unsigned char *sealed = arena_alloc(arena, sealed_size);
    if (!secret_seal(key->bytes, row, strlen(row), plain, size, sealed, sealed_size))
        return NULL;
    char *hex = arena_alloc(arena, 2 + 2 * sealed_size + 1);
    hex[0] = '\\';
    hex[1] = 'x';
    for (size_t i = 0; i < sealed_size; i++) {
        hex[2 + 2 * i] = digits[sealed[i] >> 4];
        hex[3 + 2 * i] = digits[sealed[i] & 15];
    }
    return hex;
}

const char *sealed_open(struct arena *arena, const struct secret_key *key, const char *row,
                        const char *column, size_t *ret_size)
{
    size_t size = 0;
    unsigned char *sealed = PQunescapeBytea((const unsigned char *)column, &size);
    if (sealed == NULL)
        return NULL;
    char *plain = arena_alloc(arena, secret_opened_size(size) + 1);
    bool good = secret_open(key->bytes, row, strlen(row), sealed, size, (unsigned char *)plain,
                            secret_opened_size(size), ret_size);
    PQfreemem(sealed);
    return good ? plain : NULL;
}

bool sealed_open_key(struct arena *arena, const struct secret_key *key, const char *row, const char *column,
                     struct secret_key *ret_key)
{
    size_t size = 0;
    const char *plain = sealed_open(arena, key, row, column, &size);
    if (plain == NULL || size != sizeof(ret_key->bytes))
        return false;
    memcpy(ret_key->bytes, plain, size);
    return true;
}
