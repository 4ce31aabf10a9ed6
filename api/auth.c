#include "api/auth.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "db/notifier.h"
#include "model/digest.h"
#include "model/secret.h"

#define CACHE_SLOTS   4096
#define CACHE_SECONDS 30

struct slot {
    unsigned char digest[DIGEST_SIZE]; /* of id and secret: neither is kept */
    uint64_t generation;               /* 0: empty */
    time_t until;
    struct principal principal;
};

struct auth_cache {
    const struct notifier *notifier;
    pthread_mutex_t mutex;
    struct slot slots[CACHE_SLOTS];
};

struct auth_cache *auth_cache_new(const struct notifier *notifier)
{
    struct auth_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        abort();
    cache->notifier = notifier;
    pthread_mutex_init(&cache->mutex, NULL);
    return cache;
}

void auth_cache_free(struct auth_cache *cache)
{
    if (cache == NULL)
        return;
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec;
}

static struct slot *slot_of(struct auth_cache *cache, const unsigned char *digest)
{
    return &cache->slots[(digest[0] | (unsigned)digest[1] << 8) % CACHE_SLOTS];
}

static bool look_up(struct auth_cache *cache, uint64_t generation, const unsigned char *digest,
                    struct principal *ret_principal)
{
    pthread_mutex_lock(&cache->mutex);
    const struct slot *slot = slot_of(cache, digest);
    bool found = slot->generation == generation && slot->until > now_s() &&
                 secret_equal(slot->digest, digest, DIGEST_SIZE);
    if (found)
        *ret_principal = slot->principal;
    pthread_mutex_unlock(&cache->mutex);
    return found;
}

static void store(struct auth_cache *cache, uint64_t generation, const unsigned char *digest,
                  const struct principal *principal)
{
    pthread_mutex_lock(&cache->mutex);
    struct slot *slot = slot_of(cache, digest);
    memcpy(slot->digest, digest, DIGEST_SIZE);
    slot->generation = generation;
    slot->until = now_s() + CACHE_SECONDS;
    slot->principal = *principal;
    pthread_mutex_unlock(&cache->mutex);
}

/* --- the header --- */

struct credential {
    char id[ACCESS_KEY_ID_LENGTH + 1];
    char secret[ACCESS_KEY_SECRET_LENGTH + 1];
};

/* `<id><separator><secret>`, each of its one length. */
static bool split(const char *text, size_t length, char separator, struct credential *credential)
{
    if (length != ACCESS_KEY_ID_LENGTH + 1 + ACCESS_KEY_SECRET_LENGTH ||
        text[ACCESS_KEY_ID_LENGTH] != separator)
        return false;
    memcpy(credential->id, text, ACCESS_KEY_ID_LENGTH);
    memcpy(credential->secret, text + ACCESS_KEY_ID_LENGTH + 1, ACCESS_KEY_SECRET_LENGTH);
    return strspn(credential->id, SECRET_ALPHANUMERIC) == ACCESS_KEY_ID_LENGTH &&
           strspn(credential->secret, SECRET_ALPHANUMERIC) == ACCESS_KEY_SECRET_LENGTH;
}

static bool parse(const char *authorization, struct credential *credential)
{
    if (strncasecmp(authorization, "Bearer ", 7) == 0)
        return split(authorization + 7, strlen(authorization + 7), '.', credential);
    if (strncasecmp(authorization, "Basic ", 6) != 0)
        return false;

    /* 61 bytes are 84 of base64, of which two are padding. */
    unsigned char decoded[63 + 1];
    const char *base64 = authorization + 6;
    if (strlen(base64) != 84 || EVP_DecodeBlock(decoded, (const unsigned char *)base64, 84) != 63)
        return false;
    bool good = split((const char *)decoded, 61, ':', credential);
    secret_wipe(decoded, sizeof(decoded));
    return good;
}

static enum code refuse(struct problem *problem, const char *detail)
{
    return problem_set(problem, CODE_UNAUTHENTICATED, "%s", detail);
}

static enum code verify(struct db *db, const struct secret_key *key, const struct credential *credential,
                        struct problem *problem, struct principal *ret_principal, struct auth_claim *claim)
{
    char secret[ACCESS_KEY_SECRET_LENGTH + 1];
    struct principal principal;
    enum code code = identity_find_key(db, key, credential->id, problem, &principal, secret);
    if (code == CODE_OK)
        memcpy(claim->account_id, principal.account_id, sizeof(claim->account_id));
    if (code == CODE_OK && !secret_equal(secret, credential->secret, ACCESS_KEY_SECRET_LENGTH))
        code = CODE_UNAUTHENTICATED;
    secret_wipe(secret, sizeof(secret));
    if (code == CODE_UNAUTHENTICATED)
        return refuse(problem, "The access key is not known, is disabled, or its secret is wrong.");
    if (code == CODE_OK)
        *ret_principal = principal;
    return code;
}

static enum code authenticate(struct auth_cache *cache, struct db *db, const struct secret_key *key,
                              const struct credential *credential, struct problem *problem,
                              struct principal *ret_principal, struct auth_claim *claim)
{
    unsigned char digest[DIGEST_SIZE];
    /* Read before the database is: what changes meanwhile makes the entry stale at once. */
    uint64_t generation = notifier_identity_generation(cache->notifier);
    bool cached = generation != 0;
    if (cached)
        digest_sha256(credential, sizeof(*credential), digest);
    if (cached && look_up(cache, generation, digest, ret_principal))
        return CODE_OK;
    enum code code = verify(db, key, credential, problem, ret_principal, claim);
    if (code == CODE_OK && cached)
        store(cache, generation, digest, ret_principal);
    return code;
}

enum code auth_authenticate(struct auth_cache *cache, struct db *db, const struct secret_key *key,
                            const char *authorization, struct problem *problem,
                            struct principal *ret_principal, struct auth_claim *ret_claim)
{
    struct credential credential = {0};
    *ret_claim = (struct auth_claim){0};
    if (authorization == NULL)
        return refuse(problem, "Send an access key: `Authorization: Bearer <id>.<secret>`, or HTTP Basic.");
    if (!parse(authorization, &credential))
        return refuse(problem,
                      "The Authorization header is not `Bearer <id>.<secret>` nor HTTP Basic with both.");
    memcpy(ret_claim->access_key_id, credential.id, sizeof(credential.id));
    enum code code = authenticate(cache, db, key, &credential, problem, ret_principal, ret_claim);
    secret_wipe(&credential, sizeof(credential));
    return code;
}
