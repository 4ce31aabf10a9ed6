#include "api/flow_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/notifier.h"
#include "model/flow_match.h"

#define BUCKETS 4096

struct flow_set {
    char account_id[13];
    char organization_id[35];
    uint64_t generation;
    struct flow_matcher *matcher;
    size_t size;
    atomic_uint references; /* the cache's is one */
    struct flow_set *next;  /* in the bucket */
    struct flow_set *newer, *older;
};

struct flow_cache {
    const struct notifier *notifier;
    pthread_mutex_t mutex;
    struct flow_set *buckets[BUCKETS];
    struct flow_set *newest, *oldest; /* by when they were asked for */
    size_t size;
};

struct flow_cache *flow_cache_new(const struct notifier *notifier)
{
    struct flow_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        abort();
    cache->notifier = notifier;
    pthread_mutex_init(&cache->mutex, NULL);
    return cache;
}

/* --- with the mutex --- */

static struct flow_set **bucket_of(struct flow_cache *cache, const char *organization_id)
{
    size_t hash = 5381;
    for (; *organization_id != '\0'; organization_id++)
        hash = hash * 33 + (unsigned char)*organization_id;
    return &cache->buckets[hash % BUCKETS];
}

static struct flow_set *find(struct flow_cache *cache, const char *organization_id)
{
    struct flow_set *set = *bucket_of(cache, organization_id);
    while (set != NULL && strcmp(set->organization_id, organization_id) != 0)
        set = set->next;
    return set;
}

static void take_from_order(struct flow_cache *cache, struct flow_set *set)
{
    *(set->newer != NULL ? &set->newer->older : &cache->newest) = set->older;
    *(set->older != NULL ? &set->older->newer : &cache->oldest) = set->newer;
}

static void put_first(struct flow_cache *cache, struct flow_set *set)
{
    set->newer = NULL;
    set->older = cache->newest;
    *(set->older != NULL ? &set->older->newer : &cache->oldest) = set;
    cache->newest = set;
}

/* Onto the list of what is to be released without the mutex. */
static void take_out(struct flow_cache *cache, struct flow_set *set, struct flow_set **gone)
{
    struct flow_set **at = bucket_of(cache, set->organization_id);
    while (*at != NULL && *at != set)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    *at = set->next;
    take_from_order(cache, set);
    cache->size -= set->size;
    set->next = *gone;
    *gone = set;
}

/* The caller releases what is gone for it. */
static struct flow_set *put_in(struct flow_cache *cache, struct flow_set *set)
{
    struct flow_set **bucket = bucket_of(cache, set->organization_id);
    struct flow_set *replaced = find(cache, set->organization_id), *gone = NULL;
    if (replaced != NULL)
        take_out(cache, replaced, &gone);
    while (cache->oldest != NULL && cache->size + set->size > FLOW_CACHE_SIZE)
        take_out(cache, cache->oldest, &gone);
    set->next = *bucket;
    *bucket = set;
    put_first(cache, set);
    cache->size += set->size;
    set->references++;
    return gone;
}

/* --- for all --- */

struct flow_set *flow_cache_hold(struct flow_cache *cache, const char *account_id,
                                 const char *organization_id, uint64_t *ret_generation)
{
    /* Before the database is read: what changes meanwhile makes it stale at once. */
    uint64_t generation = notifier_flow_rules_generation(cache->notifier, organization_id);
    *ret_generation = generation;
    if (generation == 0)
        return NULL;
    pthread_mutex_lock(&cache->mutex);
    struct flow_set *set = find(cache, organization_id);
    if (set != NULL && (set->generation != generation || strcmp(set->account_id, account_id) != 0))
        set = NULL;
    if (set != NULL) {
        take_from_order(cache, set);
        put_first(cache, set);
        set->references++;
    }
    pthread_mutex_unlock(&cache->mutex);
    return set;
}

struct flow_set *flow_cache_store(struct flow_cache *cache, const char *account_id,
                                  const char *organization_id, uint64_t generation,
                                  struct flow_matcher *matcher)
{
    struct flow_set *set = calloc(1, sizeof(*set));
    if (set == NULL)
        abort();
    snprintf(set->account_id, sizeof(set->account_id), "%s", account_id);
    snprintf(set->organization_id, sizeof(set->organization_id), "%s", organization_id);
    set->generation = generation;
    set->matcher = matcher;
    set->size = sizeof(*set) + flow_matcher_size(matcher);
    set->references = 1;
    if (generation == 0 || set->size > FLOW_CACHE_SIZE)
        return set;
    pthread_mutex_lock(&cache->mutex);
    struct flow_set *gone = put_in(cache, set);
    pthread_mutex_unlock(&cache->mutex);
    for (struct flow_set *next; gone != NULL; gone = next) {
        next = gone->next;
        flow_set_release(gone);
    }
    return set;
}

const struct flow_matcher *flow_set_matcher(const struct flow_set *set)
{
    return set->matcher;
}

void flow_set_release(struct flow_set *set)
{
    if (set == NULL || atomic_fetch_sub(&set->references, 1) != 1)
        return;
    flow_matcher_free(set->matcher);
    free(set);
}

size_t flow_cache_size(struct flow_cache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    size_t size = cache->size;
    pthread_mutex_unlock(&cache->mutex);
    return size;
}

void flow_cache_free(struct flow_cache *cache)
{
    if (cache == NULL)
        return;
    for (struct flow_set *set = cache->newest, *older; set != NULL; set = older) {
        older = set->older;
        flow_set_release(set);
    }
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}
