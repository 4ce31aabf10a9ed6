#include "workers/audit_sealer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "db/audit_seal.h"
#include "model/log.h"

#define EVERY_MS             1000
#define STATEMENT_TIMEOUT_MS 10000
/* A pass ends some time, however many events come meanwhile. */
#define MAX_BATCHES 10000
/* What is wrong with a chain is said again after so many passes. */
#define REPEAT_TROUBLE 60

struct audit_sealer {
    const struct db_environment *environment;
    const uint8_t *key;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t ending;
    bool stopping;

    struct audit_memory memory;
    unsigned quiet_passes; /* until trouble is said again */
    bool in_trouble;       /* in this pass */
};

static void log_chain(struct audit_sealer *sealer, const struct audit_sealed *chain)
{
    static const char *const troubles[] = {
        [AUDIT_HEAD_WENT_BACK] = "the head of an audit chain is older than one that was signed here",
        [AUDIT_HEAD_ALTERED] = "the head of an audit chain was altered: the chain is not sealed any more",
        [AUDIT_HEAD_MISSING] = "the head of an audit chain is missing: the chain is not sealed any more",
    };
    const struct audit_head *head = &chain->head;
    if (chain->trouble != AUDIT_GOOD) {
        sealer->in_trouble |= chain->trouble != AUDIT_HEAD_WENT_BACK;
        if (chain->trouble == AUDIT_HEAD_WENT_BACK || sealer->quiet_passes == 0)
            LOG(LOG_ERROR, troubles[chain->trouble], LOG_TEXT("chain", head->chain),
                LOG_NUMBER("sequence", head->sequence), LOG_TEXT("hash", head->hash));
    }
    if (chain->trouble == AUDIT_GOOD || chain->trouble == AUDIT_HEAD_WENT_BACK)
        LOG(LOG_INFO, "audit sealed", LOG_TEXT("chain", head->chain), LOG_NUMBER("sequence", head->sequence),
            LOG_TEXT("hash", head->hash), LOG_NUMBER("signed_at_us", head->signed_at_us),
            LOG_TEXT("signature", chain->signature));
}

/* True when there may be more to do. */
static bool seal_batch(struct audit_sealer *sealer, struct db *db, struct arena *arena, const char **skipped)
{
    struct problem problem = {.arena = arena};
    const struct audit_sealed *chain = NULL;
    bool more = false;
    enum code code = audit_seal(db, sealer->key, &sealer->memory, arena, &problem, skipped, &chain, &more);
    if (code == CODE_INTERNAL_ERROR)
        LOG(LOG_ERROR, "audit log not sealed", LOG_TEXT("database", db_error(db)));
    for (; chain != NULL; chain = chain->next)
        log_chain(sealer, chain);
    return code == CODE_OK && more;
}

static void pass(struct audit_sealer *sealer, struct db *db)
{
    struct arena *kept = arena_new();
    const char *skipped = "{}";
    bool more = db_connect(db);
    sealer->in_trouble = false;
    for (unsigned batches = 0; more && batches < MAX_BATCHES; batches++) {
        struct arena *arena = arena_new();
        more = seal_batch(sealer, db, arena, &skipped);
        skipped = arena_string(kept, skipped);
        arena_free(arena);
    }
    if (!db_is_clean(db))
        LOG(LOG_ERROR, "the audit sealer left a transaction open");
    if (!sealer->in_trouble)
        sealer->quiet_passes = 0;
    else
        sealer->quiet_passes = sealer->quiet_passes == 0 ? REPEAT_TROUBLE : sealer->quiet_passes - 1;
    arena_free(kept);
}

/* False once it is to end. */
static bool wait_for_turn(struct audit_sealer *sealer)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += EVERY_MS / 1000;
    pthread_mutex_lock(&sealer->mutex);
    int result = 0;
    while (!sealer->stopping && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&sealer->ending, &sealer->mutex, &until);
    bool goes_on = !sealer->stopping;
    pthread_mutex_unlock(&sealer->mutex);
    return goes_on;
}

static void *run(void *argument)
{
    struct audit_sealer *sealer = argument;
    struct db *db = db_new(sealer->environment, STATEMENT_TIMEOUT_MS);
    do
        pass(sealer, db);
    while (wait_for_turn(sealer));
    pass(sealer, db);
    db_free(db);
    return NULL;
}

struct audit_sealer *audit_sealer_start(const struct db_environment *environment,
                                        const uint8_t key[static SECRET_KEY_SIZE])
{
    struct audit_sealer *sealer = calloc(1, sizeof(*sealer));
    if (sealer == NULL)
        abort();
    sealer->environment = environment;
    sealer->key = key;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&sealer->mutex, NULL);
    pthread_cond_init(&sealer->ending, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&sealer->thread, NULL, run, sealer) != 0) {
        free(sealer);
        return NULL;
    }
    return sealer;
}

void audit_sealer_stop(struct audit_sealer *sealer)
{
    if (sealer == NULL)
        return;
    pthread_mutex_lock(&sealer->mutex);
    sealer->stopping = true;
    pthread_cond_signal(&sealer->ending);
    pthread_mutex_unlock(&sealer->mutex);
    pthread_join(sealer->thread, NULL);
    pthread_cond_destroy(&sealer->ending);
    pthread_mutex_destroy(&sealer->mutex);
    free(sealer);
}
