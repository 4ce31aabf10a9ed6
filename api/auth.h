/* Who makes a request: an access key, by Bearer or Basic. */
#pragma once

#include "db/identity.h"

/* Credentials that were verified a short while ago. A change of identities anywhere empties it; while such changes
 * cannot be heard nothing is cached. */
struct auth_cache;

struct auth_cache *auth_cache_new(const struct notifier *notifier);
void auth_cache_free(struct auth_cache *cache);

/* Who a caller says to be, true or not, as far as it could be read; members are empty where not. */
struct auth_claim {
    char access_key_id[ACCESS_KEY_ID_LENGTH + 1];
    char account_id[13]; /* of a key that there is */
};

/* CODE_UNAUTHENTICATED, with a detail, when the header is missing, malformed, or its secret wrong: which of the last two
 * is not told. ret_claim is set in every case. */
enum code auth_authenticate(struct auth_cache *cache, struct db *db, const struct secret_key *key,
                            const char *authorization, struct problem *problem,
                            struct principal *ret_principal, struct auth_claim *ret_claim);
