/* Passwords: the policy, and the salted slow hash that is all we keep of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/arena.h"

/* Those of mail users; model/iam.h has those of IAM users. */
#define PASSWORD_MIN 8
#define PASSWORD_MAX 63

/* A field_check: characters of Latin-1, of at least three of five classes (upper case, lower case, digits,
 * special characters, Latin-1 supplement). */
bool password_check(const char *password, const char **ret_detail);

/* Argon2id as a PHC string in the arena: about 30 ms and 19 MiB, so only for threads of the HASH lane; each keeps its
 * block of memory. NULL when memory or random bytes are not to be had. */
const char *password_hash(struct arena *arena, const char *password);

/* The same for several, one after the other on a thread that gives way to all others, until that many milliseconds are over:
 * how many were done, at least one unless it fails. */
size_t password_hash_gently(struct arena *arena, const char *const *passwords, size_t count, int64_t most_ms,
                            const char **ret_hashes);

/* Whether the password has this hash: one that password_hash made, which costs as much, or that password_format_check takes,
 * which costs what it costs. Only for threads of the HASH lane. */
bool password_verify(const char *hash, const char *password);

/* A hash that no password has, for who must not show that there is none. */
const char *password_of_nobody(void);
