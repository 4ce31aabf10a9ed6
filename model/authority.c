#include "model/authority.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* A compiled version of a policy's document. Those that nobody holds any more are gone. */
struct shared {
    char policy_id[37];
    const char *version;
    const struct policy *policy;
    struct arena *arena;
    unsigned references; /* under the mutex */
    struct shared *next;
};

#define BUCKETS 1024
static struct shared *buckets[BUCKETS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* The authority comes first: who sees it sees no more. */
struct held {
    struct authority authority;
    atomic_uint references;
    struct arena *arena;
    size_t capacity;
    struct authority_policy *sources;
    const struct policy **policies;
    struct shared **shared;
};

static struct held *held_of(struct authority *authority)
{
    return (struct held *)(void *)authority;
}

/* --- shared policies --- */

static struct shared **bucket_of(const char *policy_id)
{
    size_t hash = 5381;
    for (; *policy_id != '\0'; policy_id++)
        hash = hash * 33 + (unsigned char)*policy_id;
    return &buckets[hash % BUCKETS];
}

static struct shared *find_shared(const struct authority_policy *source)
{
    struct shared *shared = *bucket_of(source->policy_id);
    while (shared != NULL && (strcmp(shared->policy_id, source->policy_id) != 0 ||
                              strcmp(shared->version, source->version) != 0))
        shared = shared->next;
    return shared;
}

static struct shared *compile_shared(const struct authority_policy *source, const char *document)
{
    struct arena *arena = arena_new();
    struct problem problem = {.arena = arena};
    const struct policy *policy = policy_compile(arena, document, strlen(document), "", &problem, NULL);
    if (policy == NULL) {
        arena_free(arena);
        return NULL;
    }
    struct shared *shared = arena_alloc(arena, sizeof(*shared));
    memcpy(shared->policy_id, source->policy_id, strnlen(source->policy_id, sizeof(shared->policy_id) - 1));
    shared->version = arena_string(arena, source->version);
    shared->policy = policy;
    shared->arena = arena;
    return shared;
}

/* NULL when the document does not compile. Compiling is done without the lock: who comes second throws his away. */
static struct shared *hold_shared(const struct authority_policy *source, const char *document)
{
    struct shared *made = NULL;
    pthread_mutex_lock(&mutex);
    struct shared *shared = find_shared(source);
    if (shared == NULL) {
        pthread_mutex_unlock(&mutex);
        made = compile_shared(source, document);
        if (made == NULL)
            return NULL;
        pthread_mutex_lock(&mutex);
        shared = find_shared(source);
        if (shared == NULL) {
            struct shared **bucket = bucket_of(source->policy_id);
            made->next = *bucket;
            *bucket = made;
            shared = made;
            made = NULL;
        }
    }
    shared->references++;
    pthread_mutex_unlock(&mutex);
    if (made != NULL)
        arena_free(made->arena);
    return shared;
}

static void release_shared(struct shared *shared)
{
    pthread_mutex_lock(&mutex);
    bool unused = --shared->references == 0;
    if (unused) {
        struct shared **at = bucket_of(shared->policy_id);
        while (*at != shared)
            at = &(*at)->next;
        *at = shared->next;
    }
    pthread_mutex_unlock(&mutex);
    if (unused)
        arena_free(shared->arena);
}

/* --- authorities --- */

struct authority *authority_new(const char *user_name, size_t capacity)
{
    struct arena *arena = arena_new();
    struct held *held = arena_alloc(arena, sizeof(*held));
    held->arena = arena;
    held->capacity = capacity;
    held->sources = arena_alloc(arena, (capacity + 1) * sizeof(*held->sources));
    held->policies = arena_alloc(arena, (capacity + 1) * sizeof(const struct policy *));
    held->shared = arena_alloc(arena, (capacity + 1) * sizeof(struct shared *));
    held->authority = (struct authority){.user_name = arena_string(arena, user_name),
                                         .sources = held->sources,
                                         .policies = held->policies,
                                         .is_for_all_resources = true};
    atomic_init(&held->references, 1);
    return &held->authority;
}

bool authority_add(struct authority *authority, const struct authority_policy *source, const char *document)
{
    struct held *held = held_of(authority);
    struct shared *shared = authority->count < held->capacity ? hold_shared(source, document) : NULL;
    if (shared == NULL)
        return false;
    size_t i = authority->count++;
    held->shared[i] = shared;
    held->policies[i] = shared->policy;
    held->sources[i] = (struct authority_policy){shared->policy_id, arena_string(held->arena, source->name),
                                                 shared->version};
    authority->names_region = authority->names_region || policy_names_region(shared->policy);
    authority->is_for_all_resources =
        authority->is_for_all_resources && policy_is_for_all_resources(shared->policy);
    return true;
}

static size_t count_texts(const char *const *texts)
{
    size_t count = 0;
    while (texts[count] != NULL)
        count++;
    return count;
}

bool authority_restrict(struct authority *authority, const char *const *networks, int64_t expires_at)
{
    size_t count = count_texts(networks);
    struct network *list = arena_alloc(held_of(authority)->arena, (count + 1) * sizeof(*list));
    for (size_t i = 0; i < count; i++)
        if (!network_read(networks[i], &list[i]))
            return false;
    authority->networks = list;
    authority->network_count = count;
    authority->expires_at = expires_at;
    return true;
}

struct authority *authority_hold(struct authority *authority)
{
    atomic_fetch_add_explicit(&held_of(authority)->references, 1, memory_order_relaxed);
    return authority;
}

void authority_release(struct authority *authority)
{
    if (authority == NULL ||
        atomic_fetch_sub_explicit(&held_of(authority)->references, 1, memory_order_acq_rel) != 1)
        return;
    struct held *held = held_of(authority);
    for (size_t i = 0; i < authority->count; i++)
        release_shared(held->shared[i]);
    arena_free(held->arena);
}

/* --- limits of a credential --- */

static bool is_within(const struct authority *authority, const struct network *network)
{
    for (size_t i = 0; i < authority->network_count; i++)
        if (network_contains(&authority->networks[i], network))
            return true;
    return authority->network_count == 0;
}

bool authority_is_usable(const struct authority *authority, const char *source_address, int64_t now)
{
    struct network address;
    if (authority->expires_at != 0 && authority->expires_at <= now)
        return false;
    return authority->network_count == 0 ||
           (network_read(source_address, &address) && is_within(authority, &address));
}

bool authority_has_limits_of(const struct authority *authority, const char *const *networks,
                             int64_t expires_at)
{
    struct network network;
    if (authority->expires_at != 0 && (expires_at == 0 || expires_at > authority->expires_at))
        return false;
    if (authority->network_count != 0 && networks[0] == NULL)
        return false;
    for (; *networks != NULL; networks++)
        if (!network_read(*networks, &network) || !is_within(authority, &network))
            return false;
    return true;
}

/* --- principals --- */

struct policy_decision principal_decide(const struct principal *principal,
                                        const struct policy_question *question)
{
    if (principal->kind == PRINCIPAL_ROOT)
        return (struct policy_decision){.effect = POLICY_ALLOWED};
    return policy_decide(principal->authority->policies, principal->authority->count, question);
}

bool principal_holds(const struct principal *principal, const struct policy *policy, size_t *ret_statement)
{
    return principal->kind == PRINCIPAL_ROOT ||
           policy_is_held(principal->authority->policies, principal->authority->count, policy, ret_statement);
}
