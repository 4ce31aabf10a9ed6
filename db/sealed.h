/* Secrets in columns: sealed under the service's key and bound to their row, so that a value copied to another row does
 * not open. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/arena.h"
#include "model/secret.h"

/* The key under which secrets at rest are sealed, derived from the service's root key. */
struct secret_key {
    unsigned char bytes[SECRET_KEY_SIZE];
};

/* A bytea parameter. `row` identifies the row. NULL when OpenSSL fails. */
const char *sealed_parameter(struct arena *arena, const struct secret_key *key, const char *row,
                             const char *plain, size_t size);

/* The same for a column that holds a key. False when it does not open, or is no key. */
bool sealed_open_key(struct arena *arena, const struct secret_key *key, const char *row, const char *column,
                     struct secret_key *ret_key);

/* Opens the text of a bytea column: NUL-terminated, in the arena. NULL when it does not open. */
const char *sealed_open(struct arena *arena, const struct secret_key *key, const char *row,
                        const char *column, size_t *ret_size);
