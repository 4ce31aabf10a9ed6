/* Password hashes that come from elsewhere, in the forms in which mail servers keep them. */
#pragma once

#include "model/arena.h"

#include <stdbool.h>

#define PASSWORD_FORMAT_MAX 512

/* A field_check: Argon2id, bcrypt or SHA512-CRYPT, whole and well-formed, with costs that verifying it can bear. A scheme in
 * braces may stand before it ({ARGON2ID}, {BLF-CRYPT}, {SHA512-CRYPT}) when it fits. */
bool password_format_check(const char *hash, const char **ret_detail);

/* A hash that was checked, without the scheme in braces: it is told by what comes after. */
const char *password_format_bare(const char *hash);

/* Whether the password has this hash, without scheme; false also for what is none, or too costly. */
bool password_format_verify(const char *hash, const char *password);
