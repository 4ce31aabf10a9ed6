#include "workers/directory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/directory_sync.h"
#include "db/notifier.h"
#include "ldap/follow.h"
#include "ldap/library.h"
#include "model/log.h"

#define STATEMENT_TIMEOUT_MS 20000
#define FOLLOWED_MAX         250 /* at once */
#define WRITERS              4   /* connections to the database, which they share */
#define POLL_MS              500 /* what falls due, and what is wanted, is looked for */
#define NEXT_MS              500 /* so long a stop waits for who waits for a change */
#define OPEN_US              30000000
#define REST_MS              5000
#define RETRY_MS             500
#define RETRIES              20 /* of the database */
#define FIRST_DELAY_MS       1000
#define SLOWEST_DELAY_MS     60000

/* A connection that is lent to one of them at a time. */
struct writers {
    pthread_mutex_t mutex;
    pthread_cond_t free;
    struct db *list[WRITERS];
    bool is_lent[WRITERS];
};

struct followed {
    struct followed *next;
    struct directory_follower *follower;
    pthread_t thread;
    struct arena *arena; /* of the claim */
    struct directory_claim claim;
    struct directory_connection connection;
    struct ldap_follow *follow;
    int64_t rested_ms;
    bool is_well; /* its searches were answered, and this is written down */
    atomic_bool is_full_wanted;
    atomic_bool is_comparing;
    atomic_bool is_renewed; /* it is to be claimed anew: with another connection */
    atomic_bool is_left;    /* it is another's */
    atomic_bool is_over;    /* the thread may be joined */
};

struct directory_follower {
    const struct db_environment *environment;
    struct db *db;
    struct writers writers;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool is_woken;
    atomic_bool stopping;
    struct followed *list;
    size_t count;
};

static int64_t now_ms(void)
{
    return ldap_now_us() / 1000;
}

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void sleep_ms(int ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

/* --- writing --- */

static struct db *writer_take(struct writers *writers, size_t *ret_number)
{
    size_t i = 0;
    pthread_mutex_lock(&writers->mutex);
    for (;;) {
        for (i = 0; i < WRITERS && writers->is_lent[i]; i++) {
        }
        if (i < WRITERS)
            break;
        pthread_cond_wait(&writers->free, &writers->mutex);
    }
    writers->is_lent[i] = true;
    pthread_mutex_unlock(&writers->mutex);
    *ret_number = i;
    return writers->list[i];
}

static void writer_give(struct writers *writers, size_t number)
{
    pthread_mutex_lock(&writers->mutex);
    writers->is_lent[number] = false;
    pthread_cond_signal(&writers->free);
    pthread_mutex_unlock(&writers->mutex);
}

/* What is to be written, and what of it. */
struct writing {
    enum code (*write)(struct db *db, struct change *change, const struct followed *followed,
                       struct writing *writing);
    const struct directory_batch *batch;
    int64_t read_us;
    const char *error_code, *error;
    int64_t delay_ms;
    bool more;
};

static enum code write_begin(struct db *db, struct change *change, const struct followed *followed,
                             struct writing *writing)
{
    (void)writing;
    return directory_begin(db, change, &followed->claim);
}

static enum code write_batch(struct db *db, struct change *change, const struct followed *followed,
                             struct writing *writing)
{
    return directory_apply(db, change, &followed->claim, writing->batch, writing->read_us);
}

static enum code write_end(struct db *db, struct change *change, const struct followed *followed,
                           struct writing *writing)
{
    return directory_end_full(db, change, &followed->claim, writing->batch->cookie, &writing->more);
}

static enum code write_rest(struct db *db, struct change *change, const struct followed *followed,
                            struct writing *writing)
{
    (void)writing;
    return directory_rest(db, change, &followed->claim);
}

static enum code write_failure(struct db *db, struct change *change, const struct followed *followed,
                               struct writing *writing)
{
    return directory_fail(db, change, &followed->claim, writing->error_code, writing->error,
                          writing->delay_ms);
}

static enum code write_release(struct db *db, struct change *change, const struct followed *followed,
                               struct writing *writing)
{
    (void)writing;
    return directory_release(db, change, &followed->claim);
}

static enum code write_once(struct followed *followed, struct writing *writing)
{
    struct writers *writers = &followed->follower->writers;
    struct arena *arena = arena_new();
    struct problem problem = {.arena = arena};
    struct change change = {.arena = arena,
                            .problem = &problem,
                            .account_id = followed->claim.account_id,
                            .actor = "service",
                            .operation = "SyncDirectory",
                            .asked = {.action = "service:SyncDirectory"}};
    size_t number;
    struct db *db = writer_take(writers, &number);
    enum code code =
        db_connect(db) ? writing->write(db, &change, followed, writing) : CODE_DATABASE_UNAVAILABLE;
    if (code == CODE_INTERNAL_ERROR)
        LOG(LOG_ERROR, "directory not written", LOG_TEXT("directory", followed->claim.directory_id),
            LOG_TEXT("database", db_error(db)));
    db_is_clean(db);
    writer_give(writers, number);
    arena_free(arena);
    return code;
}

static bool is_stopped(const struct followed *followed)
{
    return followed->follower->stopping || followed->is_left || followed->is_renewed;
}

/* Again while the database is away. What was written before the connection was lost may be written once more: it is then as it
 * is already. */
static enum code write_it(struct followed *followed, struct writing *writing)
{
    enum code code = write_once(followed, writing);
    for (int i = 0;
         i < RETRIES && !is_stopped(followed) &&
         (code == CODE_DATABASE_UNAVAILABLE || code == CODE_OUTCOME_UNKNOWN || code == CODE_OVERLOADED);
         i++) {
        sleep_ms(RETRY_MS);
        code = write_once(followed, writing);
    }
    if (code == CODE_DIRECTORY_STATE)
        followed->is_left = true;
    return code;
}

/* --- following one --- */

/* With jitter: twice as long each time. */
static int64_t delay_of(int64_t failures)
{
    int64_t delay = FIRST_DELAY_MS;
    while (failures-- > 0 && delay < SLOWEST_DELAY_MS)
        delay *= 2;
    delay = delay < SLOWEST_DELAY_MS ? delay : SLOWEST_DELAY_MS;
    return delay / 2 + random() % delay;
}

static void give_up(struct followed *followed, const char *error_code, const char *error)
{
    struct writing writing = {.write = write_failure,
                              .error_code = error_code,
                              .error = error,
                              .delay_ms = delay_of(followed->claim.failures)};
    LOG(LOG_WARNING, "directory not followed", LOG_TEXT("directory", followed->claim.directory_id),
        LOG_TEXT("code", error_code), LOG_TEXT("why", error));
    if (!followed->is_left)
        write_it(followed, &writing);
    followed->is_left = true;
}

static void give_up_by(struct followed *followed, const struct problem *problem)
{
    const struct fault *fault = problem->first_fault;
    give_up(followed, fault != NULL ? fault->code : "server_failed",
            fault != NULL ? fault->detail : "The directory server failed.");
}

/* False: it is over. */
static bool written(struct followed *followed, enum code code)
{
    if (code == CODE_INTERNAL_ERROR)
        give_up(followed, "not_stored",
                "A change of the directory could not be stored here; the operator finds more in the log.");
    return code == CODE_OK;
}

static bool open_follow(struct followed *followed)
{
    struct arena *arena = arena_new();
    struct problem problem = {.arena = arena};
    bool is_full = followed->claim.full_wanted || followed->claim.cookie == NULL;

    followed->is_well = false;
    followed->is_comparing = is_full || followed->claim.is_comparing;
    enum code code = ldap_follow_open(&followed->connection, is_full ? NULL : followed->claim.cookie,
                                      ldap_now_us() + OPEN_US, &problem, &followed->follow);
    if (code != CODE_OK)
        give_up_by(followed, &problem);
    arena_free(arena);
    return code == CODE_OK;
}

/* Who can bind may still be refused each search, and what is found may not be believed: only then it is well. */
static bool note_well(struct followed *followed, bool has_more)
{
    struct writing writing = {.write = write_begin};
    if (followed->is_well || followed->is_comparing || has_more)
        return true;
    followed->is_well = written(followed, write_it(followed, &writing));
    if (followed->is_well)
        followed->claim.failures = 0;
    return followed->is_well;
}

static bool apply(struct followed *followed, const struct directory_batch *batch)
{
    struct writing writing = {.write = write_batch, .batch = batch, .read_us = wall_us()};
    if (batch->starts_full)
        followed->is_comparing = true;
    if (!written(followed, write_it(followed, &writing)))
        return false;
    followed->rested_ms = now_ms();
    if (!batch->ends_full)
        return true;
    writing.write = write_end;
    do {
        writing.more = false;
        enum code code = write_it(followed, &writing);
        if (code == CODE_DIRECTORY_REFUSED)
            give_up(
                followed, DIRECTORY_TOO_MANY_MISSING,
                "More than half of the users or groups that were there are not shown any more: nobody was"
                " removed. Correct the bases, the filters or the rights of bind_dn; if they are really gone,"
                " SyncDirectory removes them.");
        if (!written(followed, code))
            return false;
    } while (writing.more && !is_stopped(followed));
    if (!writing.more)
        followed->is_comparing = false;
    return !writing.more;
}

static bool rest(struct followed *followed)
{
    struct writing writing = {.write = write_rest};
    if (followed->is_comparing || now_ms() - followed->rested_ms < REST_MS)
        return true;
    followed->rested_ms = now_ms();
    return written(followed, write_it(followed, &writing));
}

/* False: it is over, or begins anew. */
static bool go_on(struct followed *followed)
{
    struct arena *arena = arena_new();
    struct problem problem = {.arena = arena};
    struct directory_batch batch = {0};
    bool good;

    enum code code = ldap_follow_next(followed->follow, arena, NEXT_MS, &batch, &problem);
    if (code != CODE_OK) {
        give_up_by(followed, &problem);
        good = false;
    } else if (batch.changed_count + batch.deleted_count > 0 || batch.starts_full || batch.ends_full ||
               batch.cookie != NULL) {
        good = apply(followed, &batch);
    } else {
        good = rest(followed);
    }
    if (good)
        good = note_well(followed, batch.has_more);
    arena_free(arena);
    return good;
}

static bool read_connection(struct followed *followed)
{
    struct problem problem = {.arena = followed->arena};
    struct directory_claim *claim = &followed->claim;
    if (claim->is_unreadable) {
        give_up(followed, "password_unreadable",
                "The bind password cannot be opened with the root key of the service: give it again.");
        return false;
    }
    /* Whether it is allowed was decided when it was stored; the operator's setting counts when it is used. */
    if (directory_connection_read(followed->arena, claim->type, claim->connection,
                                  followed->follower->environment->settings->directory_plain_allowed,
                                  &followed->connection, &problem) != CODE_OK) {
        give_up_by(followed, &problem);
        return false;
    }
    followed->connection.bind_password = claim->password;
    return true;
}

static void *run_one(void *argument)
{
    struct followed *followed = argument;
    struct writing release = {.write = write_release};
    if (read_connection(followed)) {
        bool good = open_follow(followed);
        while (good && !is_stopped(followed)) {
            if (followed->is_full_wanted) {
                followed->is_full_wanted = false;
                followed->claim.full_wanted = true;
                ldap_follow_close(followed->follow);
                followed->follow = NULL;
                good = open_follow(followed);
                continue;
            }
            good = go_on(followed);
        }
    }
    ldap_follow_close(followed->follow);
    if (!followed->is_left)
        write_once(followed, &release);
    followed->is_over = true;
    return NULL;
}

/* --- all of them --- */

static void free_followed(struct followed *followed)
{
    pthread_join(followed->thread, NULL);
    arena_free(followed->arena);
    free(followed);
}

static void reap(struct directory_follower *follower)
{
    for (struct followed **at = &follower->list; *at != NULL;) {
        struct followed *followed = *at;
        if (!followed->is_over) {
            at = &followed->next;
            continue;
        }
        *at = followed->next;
        follower->count--;
        free_followed(followed);
    }
}

static const struct directory_watch *find(const struct directory_watch *list, size_t count,
                                          const char *directory_id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].directory_id, directory_id) == 0)
            return &list[i];
    return NULL;
}

static void look_after(struct directory_follower *follower, struct arena *arena)
{
    struct problem problem = {.arena = arena};
    struct buffer ids = {.arena = arena};
    struct directory_watch *list = NULL;
    size_t count = 0;

    buffer_byte(&ids, '{');
    for (const struct followed *followed = follower->list; followed != NULL; followed = followed->next)
        buffer_printf(&ids, "%s%s", ids.length > 1 ? "," : "", followed->claim.directory_id);
    buffer_byte(&ids, '}');
    if (directory_watch(follower->db, arena, &problem, buffer_string(&ids), &list, &count) != CODE_OK)
        return;
    for (struct followed *followed = follower->list; followed != NULL; followed = followed->next) {
        const struct directory_watch *watch = find(list, count, followed->claim.directory_id);
        if (watch == NULL || strcmp(watch->claims, followed->claim.claims) != 0)
            followed->is_left = true;
        else if (strcmp(watch->generation, followed->claim.generation) != 0)
            followed->is_renewed = true;
        else if (watch->full_wanted && !followed->is_comparing)
            followed->is_full_wanted = true;
    }
}

/* A claim lives as long as it is followed. */
static void begin(struct directory_follower *follower, const struct directory_claim *claim)
{
    struct followed *followed = calloc(1, sizeof(*followed));
    if (followed == NULL)
        abort();
    struct arena *arena = arena_new();
    followed->follower = follower;
    followed->arena = arena;
    followed->claim = directory_claim_copy(arena, claim);
    if (pthread_create(&followed->thread, NULL, run_one, followed) != 0) {
        /* The lease ends, and another tries. */
        arena_free(arena);
        free(followed);
        return;
    }
    followed->next = follower->list;
    follower->list = followed;
    follower->count++;
}

static void claim_due(struct directory_follower *follower, struct arena *arena)
{
    struct problem problem = {.arena = arena};
    struct directory_claim *claims = NULL;
    size_t count = 0;
    if (follower->count >= FOLLOWED_MAX)
        return;
    if (directory_claim_due(follower->db, arena, &problem, (int64_t)(FOLLOWED_MAX - follower->count), &claims,
                            &count) != CODE_OK)
        return;
    for (size_t i = 0; i < count; i++)
        begin(follower, &claims[i]);
}

static void wait_for_news(struct directory_follower *follower)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)POLL_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&follower->mutex);
    int result = 0;
    while (!follower->is_woken && result == 0)
        result = pthread_cond_timedwait(&follower->woken, &follower->mutex, &until);
    follower->is_woken = false;
    pthread_mutex_unlock(&follower->mutex);
}

static void *run(void *argument)
{
    struct directory_follower *follower = argument;
    int64_t looked_ms = 0;
    while (!follower->stopping) {
        struct arena *arena = arena_new();
        reap(follower);
        /* It is woken for every job of the service. */
        if (now_ms() - looked_ms >= 50 && db_connect(follower->db)) {
            if (follower->list != NULL)
                look_after(follower, arena);
            claim_due(follower, arena);
            looked_ms = now_ms();
        }
        arena_free(arena);
        wait_for_news(follower);
    }
    return NULL;
}

static void wake(void *argument)
{
    struct directory_follower *follower = argument;
    pthread_mutex_lock(&follower->mutex);
    follower->is_woken = true;
    pthread_cond_signal(&follower->woken);
    pthread_mutex_unlock(&follower->mutex);
}

static void free_follower(struct directory_follower *follower)
{
    for (size_t i = 0; i < WRITERS; i++)
        db_free(follower->writers.list[i]);
    db_free(follower->db);
    pthread_cond_destroy(&follower->writers.free);
    pthread_mutex_destroy(&follower->writers.mutex);
    pthread_cond_destroy(&follower->woken);
    pthread_mutex_destroy(&follower->mutex);
    free(follower);
}

struct directory_follower *directory_follower_start(const struct db_environment *environment)
{
    struct directory_follower *follower = calloc(1, sizeof(*follower));
    pthread_condattr_t attributes;
    if (follower == NULL)
        abort();
    follower->environment = environment;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&follower->mutex, NULL);
    pthread_cond_init(&follower->woken, &attributes);
    pthread_mutex_init(&follower->writers.mutex, NULL);
    pthread_cond_init(&follower->writers.free, NULL);
    pthread_condattr_destroy(&attributes);
    follower->db = db_new(environment, STATEMENT_TIMEOUT_MS);
    for (size_t i = 0; i < WRITERS; i++)
        follower->writers.list[i] = db_new(environment, STATEMENT_TIMEOUT_MS);
    if (pthread_create(&follower->thread, NULL, run, follower) != 0) {
        free_follower(follower);
        return NULL;
    }
    notifier_watch_jobs(environment->notifier, wake, follower);
    return follower;
}

void directory_follower_end(struct directory_follower *follower)
{
    if (follower == NULL)
        return;
    notifier_watch_jobs(follower->environment->notifier, NULL, follower);
    follower->stopping = true;
    wake(follower);
}

void directory_follower_stop(struct directory_follower *follower)
{
    if (follower == NULL)
        return;
    directory_follower_end(follower);
    pthread_join(follower->thread, NULL);
    while (follower->list != NULL) {
        struct followed *followed = follower->list;
        follower->list = followed->next;
        free_followed(followed);
    }
    free_follower(follower);
}
