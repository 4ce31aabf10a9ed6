#include "workers/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "db/notifier.h"
#include "db/operation.h"
#include "model/fault_point.h"
#include "model/job.h"
#include "model/log.h"
#include "model/metrics.h"
#include "workers/workflow.h"

#define POLL_MS              1000 /* hints may be lost */
#define NO_DATABASE_MS       200
#define MAX_FAILURES         5 /* of one step, where a workflow may fail */
#define MAX_DELAY_MS         60000
#define RELEASE_MS           1000
#define STATEMENT_TIMEOUT_MS 20000

struct worker_pool {
    const struct db_environment *environment;
    struct arena *arena;
    const char *kinds; /* what this program can do, as an array literal */
    unsigned count;
    pthread_t *threads;
    atomic_bool stopping;
};

/* One attempt at one step. */
struct attempt {
    const struct workflow *workflow;
    const char *const *step_names;
    const struct job *job;
    int step;
    void *prepared;
    bool again;
    int64_t next_s;           /* until it comes again; 0: as its workflow says */
    bool over;                /* nothing is left to do for this claim */
    bool given_up;            /* it is not to be tried again */
    enum code code;           /* why it failed */
    const char *why;          /* the same in words */
    enum job_outcome outcome; /* JOB_OUTCOME_COUNT: none yet */
};

/* --- steps --- */

static bool leaves(const struct workflow *workflow, const char *state)
{
    for (const char *const *from = workflow->enter_from; from != NULL && *from != NULL; from++)
        if (strcmp(*from, state) == 0)
            return true;
    return false;
}

/* The end of a job, or of this time of one that comes again. */
static void finish(struct db *db, struct change *change, struct attempt *attempt, enum job_outcome outcome,
                   const char *organization_state)
{
    const struct workflow *workflow = attempt->workflow;
    const char *error = outcome == JOB_FAILED ? attempt->why : NULL;

    attempt->outcome = outcome;
    if (workflow->every_s != NULL)
        job_repeat(db, change->arena, attempt->job,
                   attempt->next_s > 0 ? attempt->next_s
                                       : workflow->every_s(db_settings(db), organization_state),
                   error);
    else
        job_finish(db, attempt->job, outcome == JOB_SUCCEEDED ? "SUCCEEDED" : "FAILED", error);
}

/* The first locks of every step. Sets attempt->over when this claim has nothing to do any more. */
static enum code enter(struct db *db, struct change *change, struct attempt *attempt,
                       struct organization_row *organization)
{
    const struct workflow *workflow = attempt->workflow;
    bool held = false;

    attempt->outcome = JOB_OUTCOME_COUNT;
    if (attempt->job->organization_id == NULL) {
        enum code code = job_fence(db, attempt->job, change->problem, &held);
        attempt->over = !held;
        return code;
    }
    organization_queue(db, change->account_id, attempt->job->organization_id,
                       workflow->state != NULL ? ORGANIZATION_UPDATE : ORGANIZATION_SHARE);
    enum code code = organization_collect(db, change->arena, change->problem, organization);
    if (code == CODE_OK)
        code = job_fence(db, attempt->job, change->problem, &held);
    if (code != CODE_OK)
        return code;
    attempt->over = !held;
    if (!held)
        return CODE_OK;

    if (leaves(workflow, organization->state)) {
        code = organization_transition(db, change, organization, workflow->state, workflow->enter_reason);
        /* What the step collects is its own. */
        return code == CODE_OK ? db_finish(db, change->problem) : code;
    }
    bool fits = workflow->state != NULL ? strcmp(organization->state, workflow->state) == 0
                                        : strcmp(organization->state, "DELETING") != 0 &&
                                              strcmp(organization->state, "DELETED") != 0;
    if (!fits) {
        const char *reason = arena_printf(change->arena, "The organization is %s.", organization->state);
        job_finish(db, attempt->job, "CANCELED", reason);
        operation_cancel(db, attempt->job->operation_id, reason);
        attempt->over = true;
        attempt->outcome = JOB_CANCELED;
    }
    return CODE_OK;
}

static enum code step_body(struct db *db, struct change *change, void *argument)
{
    struct attempt *attempt = argument;
    const struct job *job = attempt->job;
    struct organization_row organization = {0};

    attempt->again = attempt->over = false;
    enum code code = enter(db, change, attempt, &organization);
    if (code != CODE_OK || attempt->over)
        return code;
    struct step step = {
        .db = db, .change = change, .job = job, .organization = &organization, .prepared = attempt->prepared};
    code = attempt->workflow->steps[attempt->step](&step);
    if (code != CODE_OK)
        return code;

    attempt->again = step.again;
    attempt->next_s = step.next_s;
    bool last = !step.again && attempt->step_names[attempt->step + 1] == NULL;
    bool gives_way = step.again && (job->organization_id == NULL || attempt->workflow->gives_way);
    if (!step.again)
        operation_update(db, change->arena, job->operation_id, attempt->step, "SUCCEEDED", NULL,
                         last ? "SUCCEEDED" : "RUNNING");
    if (last)
        finish(db, change, attempt, JOB_SUCCEEDED, organization.state);
    else if (gives_way) /* to what has waited longer: there is no hurry, and may be much to do */
        job_release(db, change->arena, job, 0);
    else
        job_advance(db, change->arena, job, attempt->step + !step.again);
    attempt->over = last || gives_way;
    code = db_finish(db, change->problem);
    FAULT_POINT("%s.%s.before_commit", job->kind, attempt->step_names[attempt->step]);
    return code;
}

/* What a step does before its transaction. Sets attempt->over when another worker has the job. */
static enum code prepare(struct db *db, struct change *change, struct attempt *attempt)
{
    workflow_step *const *preparations = attempt->workflow->preparations;
    struct step step = {.db = db, .change = change, .job = attempt->job};

    attempt->prepared = NULL;
    if (preparations == NULL || preparations[attempt->step] == NULL)
        return CODE_OK;
    if (!db_connect(db))
        return CODE_DATABASE_UNAVAILABLE;
    enum code code = preparations[attempt->step](&step);
    attempt->prepared = step.prepared;
    attempt->over = step.lost;
    return code == CODE_RETRY ? CODE_OVERLOADED : code;
}

/* --- failures --- */

static bool may_pass(enum code code)
{
    return code == CODE_INTERNAL_ERROR || code == CODE_OVERLOADED || code == CODE_BAD_REQUEST;
}

/* That the database has no room is no fault of the work: it is tried until there is. */
static bool fails_for_good(const struct attempt *attempt)
{
    if (attempt->given_up)
        return true;
    return attempt->workflow->failed_state != NULL && attempt->code != CODE_DATABASE_UNAVAILABLE &&
           (!may_pass(attempt->code) || attempt->job->failures + 1 >= MAX_FAILURES);
}

/* 100 ms, doubled with each failure, and up to as much again by chance. */
static int64_t delay_ms(int failures)
{
    int64_t delay = failures > 9 ? MAX_DELAY_MS : (int64_t)100 << failures;
    return delay + random() % delay;
}

static enum code failure_body(struct db *db, struct change *change, void *argument)
{
    struct attempt *attempt = argument;
    const struct workflow *workflow = attempt->workflow;
    const struct job *job = attempt->job;
    struct organization_row organization = {0};

    enum code code = enter(db, change, attempt, &organization);
    if (code != CODE_OK || attempt->over)
        return code;
    if (!fails_for_good(attempt)) {
        attempt->outcome = JOB_RETRIED;
        operation_update(db, change->arena, job->operation_id, attempt->step, "PENDING", attempt->why,
                         "RUNNING");
        job_postpone(db, change->arena, job, delay_ms(job->failures), attempt->why);
        return CODE_OK;
    }
    operation_update(db, change->arena, job->operation_id, attempt->step, "FAILED", attempt->why, "FAILED");
    if (workflow->failed_state != NULL)
        code = organization_transition(db, change, &organization, workflow->failed_state, attempt->why);
    finish(db, change, attempt, JOB_FAILED, organization.state);
    return code;
}

static void count(const struct worker_pool *pool, const struct job *job, enum job_outcome outcome)
{
    if (outcome != JOB_OUTCOME_COUNT)
        metrics_count_job(pool->environment->metrics, job_kind_find(job->kind), outcome);
}

/* Nothing is wrong: something else holds what the step needs, or the service ends. Needs no lock but the job's. */
static enum code release_body(struct db *db, struct change *change, void *argument)
{
    struct attempt *attempt = argument;
    bool held = false;
    enum code code = job_fence(db, attempt->job, change->problem, &held);
    if (code == CODE_OK && held)
        job_release(db, change->arena, attempt->job, attempt->code == CODE_OK ? 0 : RELEASE_MS);
    return code;
}

static void record_failure(const struct worker_pool *pool, struct db *db, struct change *change,
                           struct attempt *attempt, enum code code)
{
    attempt->code = code;
    attempt->why = change->problem->detail != NULL ? change->problem->detail
                                                   : arena_printf(change->arena, "%s.", code_title(code));
    if (code == CODE_OUTCOME_UNKNOWN ||
        (code == CODE_DATABASE_UNAVAILABLE && change->problem->detail == NULL))
        return; /* the database is away: the lease ends, and another attempt finds out */
    LOG(code == CODE_INTERNAL_ERROR ? LOG_ERROR : LOG_WARNING, "step failed",
        LOG_TEXT("kind", attempt->job->kind), LOG_TEXT("step", attempt->step_names[attempt->step]),
        LOG_TEXT("organization_id", attempt->job->organization_id), LOG_TEXT("code", code_name(code)),
        LOG_TEXT("why", attempt->why), LOG_TEXT("database", db_error(db)));
    problem_clear(change->problem);
    if (code == CODE_OVERLOADED) {
        tx_run(db, change, release_body, attempt);
        return;
    }
    code = tx_run(db, change, failure_body, attempt);
    if (code == CODE_OK)
        count(pool, attempt->job, attempt->outcome);
    else
        LOG(LOG_WARNING, "failure not recorded", LOG_TEXT("kind", attempt->job->kind),
            LOG_TEXT("code", code_name(code)));
}

/* --- jobs --- */

/* Each of the last workers that began this died of it, or stood still. */
static void give_up(const struct worker_pool *pool, struct db *db, struct change *change,
                    struct attempt *attempt)
{
    attempt->given_up = true;
    problem_fill(change->problem, CODE_INTERNAL_ERROR,
                 "This was begun %d times, and each time the process that did it ended or stood still.",
                 attempt->job->lost_leases);
    record_failure(pool, db, change, attempt, CODE_INTERNAL_ERROR);
}

static void run_job(struct worker_pool *pool, struct db *db, struct arena *arena, const struct job *job)
{
    const struct workflow *workflow = workflow_find(job->kind);
    struct attempt attempt = {
        .workflow = workflow, .step_names = job_kind_find(job->kind)->steps, .job = job, .step = job->step};
    struct problem problem = {.arena = arena};
    struct change change = {.arena = arena,
                            .problem = &problem,
                            .account_id = job->account_id,
                            .actor = "service",
                            .operation = job->kind,
                            .asked = {.action = workflow->action, .organization_id = job->organization_id}};
    if (job->lost_leases > 0)
        count(pool, job, JOB_LEASE_LOST);
    if (job->lost_leases >= JOB_MAX_LOST_LEASES) {
        give_up(pool, db, &change, &attempt);
        return;
    }
    FAULT_POINT("%s.claimed", job->kind);
    while (!attempt.over && !pool->stopping) {
        enum code code = prepare(db, &change, &attempt);
        if (code == CODE_OK && !attempt.over)
            code = tx_run(db, &change, step_body, &attempt);
        if (code != CODE_OK) {
            record_failure(pool, db, &change, &attempt, code);
            return;
        }
        count(pool, job, attempt.outcome);
        FAULT_POINT("%s.%s.after_commit", job->kind, attempt.step_names[attempt.step]);
        attempt.step += !attempt.again;
    }
    if (!attempt.over) /* the service ends: who continues need not wait for the lease */
        tx_run(db, &change, release_body, &attempt);
    else
        LOG(LOG_DEBUG, "job done", LOG_TEXT("kind", job->kind),
            LOG_TEXT("organization_id", job->organization_id));
}

/* True when there was a job. */
static bool run_next(struct worker_pool *pool, struct db *db)
{
    struct arena *arena = arena_new();
    struct problem problem = {.arena = arena};
    struct job *job = NULL;
    enum code code =
        db_connect(db) ? job_claim(db, arena, pool->kinds, &problem, &job) : CODE_DATABASE_UNAVAILABLE;
    if (code == CODE_OK && job != NULL)
        run_job(pool, db, arena, job);
    else if (code != CODE_OK && code != CODE_DATABASE_UNAVAILABLE)
        LOG(LOG_ERROR, "claim failed", LOG_TEXT("database", db_error(db)));
    if (!db_is_clean(db))
        LOG(LOG_ERROR, "a job left a transaction open", LOG_TEXT("kind", job != NULL ? job->kind : ""));
    arena_free(arena);
    return job != NULL;
}

/* True once all periodic work of the installation is in the queue. */
static bool schedule(struct worker_pool *pool, struct db *db)
{
    struct arena *arena = arena_new();
    struct problem problem = {.arena = arena};
    enum code code = db_connect(db) ? CODE_OK : CODE_DATABASE_UNAVAILABLE;
    for (size_t i = 0; code == CODE_OK && i < workflow_count; i++)
        if (workflows[i]->every_s != NULL && !job_kind_find(workflows[i]->kind)->is_periodic)
            code = job_ensure_periodic(db, arena, &problem, workflows[i]->kind,
                                       workflows[i]->every_s(pool->environment->settings, NULL));
    arena_free(arena);
    return code == CODE_OK;
}

static void *run(void *argument)
{
    struct worker_pool *pool = argument;
    struct db *db = db_new(pool->environment, STATEMENT_TIMEOUT_MS);
    bool scheduled = false;
    while (!pool->stopping) {
        scheduled = scheduled || schedule(pool, db);
        if (!run_next(pool, db))
            notifier_wait_for_job(pool->environment->notifier, db_is_lost(db) ? NO_DATABASE_MS : POLL_MS);
    }
    db_free(db);
    return NULL;
}

static const char *known_kinds(struct arena *arena)
{
    struct buffer list = {.arena = arena};
    for (size_t i = 0; i < workflow_count; i++)
        buffer_printf(&list, "%s%s", i == 0 ? "{" : ",", workflows[i]->kind);
    buffer_byte(&list, '}');
    return buffer_string(&list);
}

struct worker_pool *worker_pool_start(const struct db_environment *environment, unsigned threads)
{
    struct worker_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        abort();
    pool->environment = environment;
    pool->arena = arena_new();
    pool->kinds = known_kinds(pool->arena);
    pool->threads = calloc(threads, sizeof(pthread_t));
    if (pool->threads == NULL)
        abort();
    for (; pool->count < threads; pool->count++) {
        if (pthread_create(&pool->threads[pool->count], NULL, run, pool) != 0) {
            worker_pool_stop(pool);
            return NULL;
        }
    }
    return pool;
}

void worker_pool_end(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    pool->stopping = true;
    notifier_stop_waiting(pool->environment->notifier);
}

void worker_pool_stop(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    worker_pool_end(pool);
    for (unsigned i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    free(pool->threads);
    arena_free(pool->arena);
    free(pool);
}
