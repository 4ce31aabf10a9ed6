/* Who makes a request: an access key, by Bearer or Basic, or a session, by its cookie. */
#pragma once

#include "db/authority.h"
#include "db/identity.h"

struct notifier;

/* Credentials that were verified a short while ago. A change of identities anywhere empties it; while such changes
 * cannot be heard nothing is cached. */
struct auth_cache;

struct auth_cache *auth_cache_new(const struct notifier *notifier);
void auth_cache_free(struct auth_cache *cache);

/* Who a caller says to be, true or not, as far as it could be read; members are empty where not. */
struct auth_claim {
    bool is_shown; /* there was a credential, of whatever worth */
    char access_key_id[ACCESS_KEY_ID_LENGTH + 1];
    char account_id[13];         /* of a key that there is, or of a user */
    const char *organization_id; /* of a mail user; NULL: that of the path */
};

/* What a request shows; NULL where it does not. */
struct auth_attempt {
    const char *authorization; /* when it is there, cookies do not count */
    const char *cookies;
    const char *csrf_token;
    const char *source_address;
    bool is_secure;
    bool changes; /* a session then needs its CSRF token */
    int64_t now;  /* seconds since 1970 */
};

/* CODE_UNAUTHENTICATED, with a detail, when there is no credential, or it is malformed, wrong or of no use here and now:
 * whether an access key is not known or its secret wrong is not told. CODE_CSRF_TOKEN when a session's change comes without
 * its token. ret_claim is set in every case. On CODE_OK the caller releases ret_principal->authority. */
enum code auth_authenticate(struct auth_cache *cache, struct db *db, const struct secret_key *key,
                            const struct auth_attempt *attempt, struct problem *problem,
                            struct principal *ret_principal, struct auth_claim *ret_claim);

const char *auth_cookie_name(bool is_secure);

/* The session's token among cookies; NULL when it is not. */
const char *auth_session_token(struct arena *arena, const char *cookies, bool is_secure);

/* What is kept of it, in hex. NULL when OpenSSL fails. */
const char *auth_session_digest(struct arena *arena, const char *session_token);

/* What a session's changes must come with; made of the session's token. NULL when OpenSSL fails. */
const char *auth_csrf_token(struct arena *arena, const struct secret_key *key, const char *session_token);
