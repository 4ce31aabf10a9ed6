/* Who makes a request: an access key, by Bearer or Basic. */
#pragma once

#include "db/identity.h"

/* Credentials that were verified a short while ago. A change of identities anywhere empties it; while such changes
 * cannot be heard nothing is cached. */
struct auth_cache;

struct auth_cache *auth_cache_new(const struct notifier *notifier);
void auth_cache_free(struct auth_cache *cache);

/* CODE_UNAUTHENTICATED, with a detail, when the header is missing, malformed, or its secret wrong: which of the last two
 * is not told. */
enum code auth_authenticate(struct auth_cache *cache, struct db *db, const struct secret_key *key,
                            const char *authorization, struct problem *problem,
                            struct principal *ret_principal);
