#include "api/refusals.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/log.h"

#define WRITE_EVERY_S        1
#define STATEMENT_TIMEOUT_MS 5000
#define WINDOW_S             60
#define PER_WINDOW           20 /* events of one caller */
#define QUEUE_LENGTH         256
#define BATCH                16 /* events in one pipeline */
/* Callers that are told apart at a time. Who finds his set full shares the last place with others. */
#define SETS     64
#define SET_SIZE 8
#define OTHERS   ((size_t)SETS * SET_SIZE)

struct note {
    char account_id[16];
    char organization_id[40];
    char actor[40];
    char access_key_id[24];
    char source_address[48];
    char request_id[72];
    char target[256];
    const char *action;
    const char *reason;
    int64_t omitted;
};

struct caller {
    char name[48]; /* "": free */
    int64_t since_s;
    unsigned written;
    struct note omitted; /* the first one that was, and how many */
};

struct refusals {
    const struct db_environment *environment;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t ending;
    bool stopping;
    struct caller callers[OTHERS + 1];
    struct note queue[QUEUE_LENGTH];
    unsigned first, count;
};

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* --- noting --- */

/* Whose count it is: of a proven credential its own, else of the address; whoever has one IPv6 address has 2^64. */
static void name_caller(const struct audit_refusal *refusal, char name[static 48])
{
    const char *source = refusal->source_address != NULL ? refusal->source_address : "";
    struct in6_addr address;
    if (strcmp(refusal->actor, "anonymous") != 0)
        snprintf(name, 48, "%s", refusal->access_key_id);
    else if (inet_pton(AF_INET6, source, &address) == 1)
        snprintf(name, 48, "%02x%02x:%02x%02x:%02x%02x:%02x%02x::/64", address.s6_addr[0], address.s6_addr[1],
                 address.s6_addr[2], address.s6_addr[3], address.s6_addr[4], address.s6_addr[5],
                 address.s6_addr[6], address.s6_addr[7]);
    else
        snprintf(name, 48, "from %s", source);
}

static struct caller *find_caller(struct refusals *refusals, const char *name)
{
    size_t hash = 5381;
    for (const char *at = name; *at != '\0'; at++)
        hash = hash * 33 + (unsigned char)*at;
    struct caller *set = &refusals->callers[hash % SETS * SET_SIZE];
    struct caller *free_one = NULL;
    for (unsigned i = 0; i < SET_SIZE; i++) {
        if (strcmp(set[i].name, name) == 0)
            return &set[i];
        if (set[i].name[0] == '\0' && free_one == NULL)
            free_one = &set[i];
    }
    struct caller *caller = free_one != NULL ? free_one : &refusals->callers[OTHERS];
    if (caller->name[0] == '\0') {
        *caller = (struct caller){.since_s = now_s()};
        snprintf(caller->name, sizeof(caller->name), "%s", free_one != NULL ? name : "others");
    }
    return caller;
}

#define COPY(note, refusal, member) \
    snprintf((note)->member, sizeof((note)->member), "%s", (refusal)->member != NULL ? (refusal)->member : "")

static void copy(struct note *note, const struct audit_refusal *refusal)
{
    COPY(note, refusal, account_id);
    COPY(note, refusal, organization_id);
    COPY(note, refusal, actor);
    COPY(note, refusal, access_key_id);
    COPY(note, refusal, source_address);
    COPY(note, refusal, request_id);
    COPY(note, refusal, target);
    note->action = refusal->action;
    note->reason = refusal->reason;
    note->omitted = 0;
}

/* One event tells of all that are omitted: only what holds for each of them. */
static void keep_common(char *kept, const char *text)
{
    if (strcmp(kept, text != NULL ? text : "") != 0)
        *kept = '\0';
}

static void omit(struct note *omitted, const struct audit_refusal *refusal)
{
    if (omitted->omitted == 0)
        copy(omitted, refusal);
    keep_common(omitted->account_id, refusal->account_id);
    keep_common(omitted->access_key_id, refusal->access_key_id);
    keep_common(omitted->source_address, refusal->source_address); /* of an IPv6 /64 there are many */
    omitted->omitted++;
}

void refusals_add(struct refusals *refusals, const struct audit_refusal *refusal)
{
    char name[48];
    name_caller(refusal, name);
    pthread_mutex_lock(&refusals->mutex);
    struct caller *caller = find_caller(refusals, name);
    int64_t now = now_s();
    if (now - caller->since_s >= WINDOW_S) {
        caller->since_s = now;
        caller->written = 0;
    }
    if (caller->written < PER_WINDOW && refusals->count < QUEUE_LENGTH) {
        copy(&refusals->queue[(refusals->first + refusals->count) % QUEUE_LENGTH], refusal);
        refusals->count++;
        caller->written++;
    } else {
        omit(&caller->omitted, refusal);
    }
    pthread_mutex_unlock(&refusals->mutex);
}

/* --- writing --- */

/* What is to be told of a caller whose time is over; several may share a place. */
static void take_omitted(struct refusals *refusals, struct caller *caller, struct note *note)
{
    struct note *omitted = &caller->omitted;
    *note = (struct note){
        .action = "service:OmitRefusals", .reason = omitted->reason, .omitted = omitted->omitted};
    if (caller != &refusals->callers[OTHERS]) {
        COPY(note, omitted, account_id);
        COPY(note, omitted, access_key_id);
        COPY(note, omitted, source_address);
    }
    snprintf(note->actor, sizeof(note->actor), "%s",
             caller != &refusals->callers[OTHERS] ? omitted->actor : "anonymous");
    snprintf(note->target, sizeof(note->target), "%s", "/v1/audit-events");
    omitted->omitted = 0;
}

/* Up to BATCH notes; `ends` tells of those callers, too, whose time is not over. */
static unsigned take_batch(struct refusals *refusals, struct note *batch, bool ends)
{
    unsigned count = 0;
    int64_t now = now_s();
    pthread_mutex_lock(&refusals->mutex);
    for (; count < BATCH && refusals->count > 0; refusals->count--) {
        batch[count++] = refusals->queue[refusals->first];
        refusals->first = (refusals->first + 1) % QUEUE_LENGTH;
    }
    for (size_t i = 0; i <= OTHERS && count < BATCH; i++) {
        struct caller *caller = &refusals->callers[i];
        if (caller->name[0] == '\0' || (now - caller->since_s < WINDOW_S && !ends))
            continue;
        if (caller->omitted.omitted > 0)
            take_omitted(refusals, caller, &batch[count++]);
        caller->name[0] = '\0';
    }
    pthread_mutex_unlock(&refusals->mutex);
    return count;
}

struct writing {
    const struct note *batch;
    unsigned count;
};

static const char *given(const char *text)
{
    return *text != '\0' ? text : NULL;
}

static enum code write_body(struct db *db, struct change *change, void *argument)
{
    const struct writing *writing = argument;
    for (unsigned i = 0; i < writing->count; i++) {
        const struct note *note = &writing->batch[i];
        audit_queue_refusal(db, change->arena,
                            &(struct audit_refusal){.account_id = given(note->account_id),
                                                    .organization_id = given(note->organization_id),
                                                    .actor = note->actor,
                                                    .access_key_id = given(note->access_key_id),
                                                    .source_address = given(note->source_address),
                                                    .request_id = given(note->request_id),
                                                    .action = note->action,
                                                    .target = note->target,
                                                    .reason = note->reason,
                                                    .omitted = note->omitted});
    }
    return CODE_OK;
}

static bool write_batch(struct db *db, const struct note *batch, unsigned count)
{
    struct arena *arena = arena_new();
    struct problem problem = {.arena = arena};
    struct change change = {.arena = arena, .problem = &problem, .actor = "service"};
    struct writing writing = {batch, count};
    /* When its outcome is not known it is written again: rather twice than not at all. */
    enum code code = tx_run(db, &change, write_body, &writing);
    if (code == CODE_INTERNAL_ERROR)
        LOG(LOG_ERROR, "refused requests not written to the audit log", LOG_TEXT("database", db_error(db)));
    arena_free(arena);
    return code == CODE_OK;
}

/* False once it is to end. */
static bool wait_for_turn(struct refusals *refusals)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WRITE_EVERY_S;
    pthread_mutex_lock(&refusals->mutex);
    int result = 0;
    while (!refusals->stopping && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&refusals->ending, &refusals->mutex, &until);
    bool goes_on = !refusals->stopping;
    pthread_mutex_unlock(&refusals->mutex);
    return goes_on;
}

static void *run(void *argument)
{
    struct refusals *refusals = argument;
    struct db *db = db_new(refusals->environment, STATEMENT_TIMEOUT_MS);
    struct note batch[BATCH];
    unsigned count = 0; /* a batch that could not be written is tried again */
    /* Now, so that the first refusal need not wait for it. */
    db_connect(db);
    for (bool goes_on = true; goes_on;) {
        goes_on = wait_for_turn(refusals);
        do {
            if (count == 0)
                count = take_batch(refusals, batch, !goes_on);
            if (count == 0 || !write_batch(db, batch, count))
                break;
            count = 0;
        } while (true);
    }
    if (count > 0)
        LOG(LOG_WARNING, "refused requests are not in the audit log", LOG_NUMBER("count", count));
    db_free(db);
    return NULL;
}

struct refusals *refusals_start(const struct db_environment *environment)
{
    struct refusals *refusals = calloc(1, sizeof(*refusals));
    if (refusals == NULL)
        abort();
    refusals->environment = environment;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&refusals->mutex, NULL);
    pthread_cond_init(&refusals->ending, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&refusals->thread, NULL, run, refusals) != 0) {
        free(refusals);
        return NULL;
    }
    return refusals;
}

void refusals_stop(struct refusals *refusals)
{
    if (refusals == NULL)
        return;
    pthread_mutex_lock(&refusals->mutex);
    refusals->stopping = true;
    pthread_cond_signal(&refusals->ending);
    pthread_mutex_unlock(&refusals->mutex);
    pthread_join(refusals->thread, NULL);
    pthread_cond_destroy(&refusals->ending);
    pthread_mutex_destroy(&refusals->mutex);
    free(refusals);
}
