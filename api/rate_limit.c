#include "api/rate_limit.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SETS      1024
#define WAYS      8
#define LOCKS     64
#define SECOND_NS INT64_C(1000000000)

/* The bucket as one number (the generic cell rate algorithm): when it is full again. */
struct bucket {
    char key[RATE_LIMIT_KEY_SIZE];
    int64_t full_at_ns; /* in the past: it is full */
};

struct rate_limiter {
    int64_t token_ns; /* how long a token takes to grow */
    int64_t quota;
    uint64_t seed; /* so that nobody can choose keys that push each other out */
    char policy[64];
    pthread_mutex_t locks[LOCKS];
    struct bucket sets[SETS][WAYS];
};

struct rate_limiter *rate_limiter_new(int64_t count, int64_t seconds, int64_t quota)
{
    if (count == 0)
        return NULL;
    struct rate_limiter *limiter = calloc(1, sizeof(*limiter));
    if (limiter == NULL || getrandom(&limiter->seed, sizeof(limiter->seed), 0) < 0)
        abort();
    limiter->token_ns = SECOND_NS * seconds / count;
    limiter->quota = quota;
    snprintf(limiter->policy, sizeof(limiter->policy), "\"default\";q=%" PRId64 ";w=%" PRId64, quota,
             (quota * seconds + count - 1) / count);
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_init(&limiter->locks[i], NULL);
    return limiter;
}

void rate_limiter_free(struct rate_limiter *limiter)
{
    if (limiter == NULL)
        return;
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&limiter->locks[i]);
    free(limiter);
}

/* FNV-1a from a secret start; its low bits need the high ones mixed in. */
static size_t set_of(const struct rate_limiter *limiter, const char *key)
{
    uint64_t hash = limiter->seed;
    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001B3);
    hash ^= hash >> 32;
    return (size_t)((hash * UINT64_C(0x9E3779B97F4A7C15)) >> 40) % SETS;
}

/* That of the key; else one that is full or, when there is none, nearest to it. */
static struct bucket *find(struct bucket set[static WAYS], const char *key)
{
    struct bucket *fullest = &set[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (strncmp(set[i].key, key, sizeof(set[i].key)) == 0)
            return &set[i];
        if (set[i].full_at_ns < fullest->full_at_ns)
            fullest = &set[i];
    }
    *fullest = (struct bucket){.full_at_ns = 0};
    snprintf(fullest->key, sizeof(fullest->key), "%s", key);
    return fullest;
}

static int64_t seconds_up(int64_t ns)
{
    return ns <= 0 ? 0 : (ns + SECOND_NS - 1) / SECOND_NS;
}

bool rate_limiter_take(struct rate_limiter *limiter, const char *key, int64_t now_ns, struct rate *ret_rate)
{
    if (limiter == NULL) {
        *ret_rate = (struct rate){.policy = NULL};
        return true;
    }
    size_t set = set_of(limiter, key);
    int64_t room_ns = limiter->quota * limiter->token_ns;

    pthread_mutex_lock(&limiter->locks[set % LOCKS]);
    struct bucket *bucket = find(limiter->sets[set], key);
    int64_t full_at_ns = bucket->full_at_ns > now_ns ? bucket->full_at_ns : now_ns;
    bool taken = full_at_ns + limiter->token_ns - now_ns <= room_ns;
    if (taken)
        bucket->full_at_ns = full_at_ns += limiter->token_ns;
    pthread_mutex_unlock(&limiter->locks[set % LOCKS]);

    *ret_rate = (struct rate){
        .policy = limiter->policy,
        .remaining = (room_ns - (full_at_ns - now_ns)) / limiter->token_ns,
        .full_in_s = seconds_up(full_at_ns - now_ns),
    };
    return taken;
}

void rate_limiter_fill(struct rate_limiter *limiter, const char *key)
{
    if (limiter == NULL)
        return;
    size_t set = set_of(limiter, key);
    pthread_mutex_lock(&limiter->locks[set % LOCKS]);
    find(limiter->sets[set], key)->full_at_ns = 0;
    pthread_mutex_unlock(&limiter->locks[set % LOCKS]);
}

void rate_limit_address_key(const char *address, char ret_key[static RATE_LIMIT_KEY_SIZE])
{
    struct in6_addr parsed;
    const uint8_t *byte = parsed.s6_addr;
    if (inet_pton(AF_INET6, address, &parsed) != 1)
        snprintf(ret_key, RATE_LIMIT_KEY_SIZE, "%s", address);
    else if (IN6_IS_ADDR_V4MAPPED(&parsed))
        snprintf(ret_key, RATE_LIMIT_KEY_SIZE, "%u.%u.%u.%u", byte[12], byte[13], byte[14], byte[15]);
    else
        snprintf(ret_key, RATE_LIMIT_KEY_SIZE, "%02x%02x:%02x%02x:%02x%02x:%02x%02x/64", byte[0], byte[1],
                 byte[2], byte[3], byte[4], byte[5], byte[6], byte[7]);
}
