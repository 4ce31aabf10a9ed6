#include "api/auth.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "db/notifier.h"
#include "model/buffer.h"
#include "model/digest.h"
#include "model/secret.h"

#define CACHE_SLOTS   4096
#define CACHE_SECONDS 30

struct slot {
    unsigned char digest[DIGEST_SIZE]; /* of id and secret, or of a session's token: neither is kept */
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
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        authority_release(cache->slots[i].principal.authority);
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
    if (found) {
        *ret_principal = slot->principal;
        authority_hold(ret_principal->authority);
    }
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
    struct authority *replaced = slot->principal.authority;
    slot->principal = *principal;
    authority_hold(principal->authority);
    pthread_mutex_unlock(&cache->mutex);
    authority_release(replaced);
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

/* Either an access key or a session's token. */
struct proof {
    struct credential credential;
    const char *token; /* NULL: an access key */
    unsigned char digest[DIGEST_SIZE];
};

static enum code verify_key(struct db *db, const struct secret_key *key, const struct credential *credential,
                            struct problem *problem, struct principal *ret_principal,
                            struct auth_claim *claim)
{
    char secret[ACCESS_KEY_SECRET_LENGTH + 1];
    struct principal principal;
    enum code code = authority_find_key(db, key, credential->id, problem, &principal, secret);
    if (code == CODE_OK)
        memcpy(claim->account_id, principal.account_id, sizeof(claim->account_id));
    if (code == CODE_OK && !secret_equal(secret, credential->secret, ACCESS_KEY_SECRET_LENGTH)) {
        authority_release(principal.authority);
        code = CODE_UNAUTHENTICATED;
    }
    secret_wipe(secret, sizeof(secret));
    if (code == CODE_UNAUTHENTICATED)
        return refuse(problem, "The access key is not known, is disabled, or its secret is wrong.");
    if (code == CODE_OK)
        *ret_principal = principal;
    return code;
}

static const char *to_hex(struct arena *arena, const unsigned char *bytes, size_t size)
{
    char *hex = arena_alloc(arena, 2 * size + 1);
    digest_to_hex(bytes, size, hex);
    return hex;
}

static enum code verify_session(struct db *db, const struct proof *proof, struct problem *problem,
                                struct principal *ret_principal)
{
    enum code code = authority_find_session(db, to_hex(problem->arena, proof->digest, DIGEST_SIZE), problem,
                                            ret_principal);
    return code == CODE_UNAUTHENTICATED ? refuse(problem, "The session is over; sign in again.") : code;
}

static enum code verify(struct db *db, const struct secret_key *key, const struct proof *proof,
                        struct problem *problem, struct principal *ret_principal, struct auth_claim *claim)
{
    enum code code = proof->token != NULL
                         ? verify_session(db, proof, problem, ret_principal)
                         : verify_key(db, key, &proof->credential, problem, ret_principal, claim);
    /* Where nothing can be written (a standby, say) nothing is noted. */
    struct problem unwanted = {.arena = problem->arena};
    if (code == CODE_OK && authority_note_use(db, ret_principal, &unwanted) == CODE_DATABASE_UNAVAILABLE) {
        authority_release(ret_principal->authority);
        ret_principal->authority = NULL;
        return CODE_DATABASE_UNAVAILABLE;
    }
    return code;
}

static void digest_proof(struct proof *proof)
{
    const void *bytes = proof->token != NULL ? (const void *)proof->token : &proof->credential;
    size_t size = proof->token != NULL ? SESSION_TOKEN_LENGTH : sizeof(proof->credential);
    digest_sha256(bytes, size, proof->digest);
}

static enum code find_principal(struct auth_cache *cache, struct db *db, const struct secret_key *key,
                                struct proof *proof, struct problem *problem, struct principal *ret_principal,
                                struct auth_claim *claim)
{
    /* Read before the database is: what changes meanwhile makes the entry stale at once. */
    uint64_t generation = notifier_identity_generation(cache->notifier);
    digest_proof(proof);
    if (generation != 0 && look_up(cache, generation, proof->digest, ret_principal))
        return CODE_OK;
    enum code code = verify(db, key, proof, problem, ret_principal, claim);
    if (code == CODE_OK && generation != 0)
        store(cache, generation, proof->digest, ret_principal);
    return code;
}

/* --- sessions --- */

/* The prefix binds a cookie to the host and to TLS; without TLS browsers would not take one with it. */
const char *auth_cookie_name(bool is_secure)
{
    return is_secure ? "__Host-postreeve-session" : "postreeve-session";
}

const char *auth_session_token(struct arena *arena, const char *cookies, bool is_secure)
{
    const char *name = auth_cookie_name(is_secure);
    size_t length = strlen(name);
    while (cookies != NULL && *cookies != '\0') {
        cookies += strspn(cookies, "; ");
        size_t size = strcspn(cookies, ";");
        if (size == length + 1 + SESSION_TOKEN_LENGTH && strncmp(cookies, name, length) == 0 &&
            cookies[length] == '=')
            return arena_copy(arena, cookies + length + 1, SESSION_TOKEN_LENGTH);
        cookies += size;
    }
    return NULL;
}

const char *auth_session_digest(struct arena *arena, const char *session_token)
{
    unsigned char digest[DIGEST_SIZE];
    digest_sha256(session_token, SESSION_TOKEN_LENGTH, digest);
    return to_hex(arena, digest, sizeof(digest));
}

const char *auth_csrf_token(struct arena *arena, const struct secret_key *key, const char *session_token)
{
    unsigned char mac[SECRET_MAC_SIZE];
    const char *text = arena_printf(arena, "csrf\n%s", session_token);
    return secret_mac(key->bytes, text, strlen(text), mac) ? to_hex(arena, mac, sizeof(mac)) : NULL;
}

/* A page of somebody else's can make a browser send the cookie, but not this header. */
static enum code check_csrf(const struct secret_key *key, const struct auth_attempt *attempt,
                            const char *token, struct problem *problem)
{
    const char *expected = auth_csrf_token(problem->arena, key, token);
    if (expected == NULL)
        return CODE_INTERNAL_ERROR;
    if (attempt->csrf_token != NULL && strlen(attempt->csrf_token) == strlen(expected) &&
        secret_equal(attempt->csrf_token, expected, strlen(expected)))
        return CODE_OK;
    return CODE_CSRF_TOKEN;
}

static enum code read_proof(const struct auth_attempt *attempt, struct problem *problem, struct proof *proof)
{
    if (attempt->authorization != NULL)
        return parse(attempt->authorization, &proof->credential)
                   ? CODE_OK
                   : refuse(
                         problem,
                         "The Authorization header is not `Bearer <id>.<secret>` nor HTTP Basic with both.");
    proof->token = auth_session_token(problem->arena, attempt->cookies, attempt->is_secure);
    return proof->token != NULL
               ? CODE_OK
               : refuse(problem, "Send an access key: `Authorization: Bearer <id>.<secret>`, or HTTP Basic.");
}

/* Who gets here has shown the secret: he may know why it is of no use. */
static enum code check_limits(const struct principal *principal, const struct auth_attempt *attempt,
                              struct problem *problem)
{
    if (authority_is_usable(principal->authority, attempt->source_address, attempt->now))
        return CODE_OK;
    return refuse(problem, "The credential is past its time, or may not be used from where you are.");
}

enum code auth_authenticate(struct auth_cache *cache, struct db *db, const struct secret_key *key,
                            const struct auth_attempt *attempt, struct problem *problem,
                            struct principal *ret_principal, struct auth_claim *ret_claim)
{
    struct proof proof = {0};
    struct principal principal;
    *ret_claim = (struct auth_claim){0};
    enum code code = read_proof(attempt, problem, &proof);
    ret_claim->is_shown = attempt->authorization != NULL || proof.token != NULL;
    if (code == CODE_OK) {
        memcpy(ret_claim->access_key_id, proof.credential.id, sizeof(ret_claim->access_key_id));
        code = find_principal(cache, db, key, &proof, problem, &principal, ret_claim);
    }
    secret_wipe(&proof.credential, sizeof(proof.credential));
    if (code != CODE_OK)
        return code;
    memcpy(ret_claim->account_id, principal.account_id, sizeof(ret_claim->account_id));
    code = check_limits(&principal, attempt, problem);
    if (code == CODE_OK && proof.token != NULL && attempt->changes)
        code = check_csrf(key, attempt, proof.token, problem);
    if (code == CODE_OK)
        *ret_principal = principal;
    else
        authority_release(principal.authority);
    return code;
}
