#include "db/job.h"

#include <stdlib.h>
#include <string.h>

#include "db/row.h"

/* A killed worker's job waits this long for the next one; a step takes milliseconds, and renews it. */
#define LEASE_MS "5000"
/* More than a worker's statement may take. */
#define LONG_LEASE_MS "25000"
#define LATE_S        "60"

void job_enqueue(struct db *db, struct arena *arena, const struct job_request *request)
{
    static const struct statement insert = {
        "INSERT INTO job (kind, organization_id, entity_id, operation_id, document, run_at)"
        " VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6::bigint))",
        6};
    DB_QUEUE(db, &insert, request->kind, request->organization_id, request->entity_id, request->operation_id,
             request->document, row_integer(arena, request->delay_s));
    if (request->delay_s == 0)
        db_note_job(db);
}

void job_enqueue_periodic(struct db *db, struct arena *arena, const struct job_request *request)
{
    static const struct statement insert = {
        "INSERT INTO job (kind, organization_id, operation_id, is_periodic, run_at)"
        " VALUES ($1, $2, $3, true, now() + make_interval(secs => $4::bigint))"
        " ON CONFLICT (organization_id, kind) WHERE is_periodic AND state IN ('PENDING', 'RUNNING') DO UPDATE SET"
        " state = 'PENDING', step = 0, failures = 0, claims = job.claims + 1, operation_id = excluded.operation_id,"
        " run_at = excluded.run_at",
        4};
    DB_QUEUE(db, &insert, request->kind, request->organization_id, request->operation_id,
             row_integer(arena, request->delay_s));
    if (request->delay_s == 0)
        db_note_job(db);
}

enum code job_spread_late(struct db *db, struct problem *problem, const char *kind, int64_t over_s)
{
    static const struct statement spread = {
        "UPDATE job SET run_at = clock_timestamp() + random() * make_interval(secs => $2::bigint)"
        " WHERE job_id IN (SELECT job_id FROM job WHERE state = 'PENDING' AND is_periodic AND kind = $1"
        "  AND operation_id IS NULL AND failures = 0 AND run_at < clock_timestamp() - interval '" LATE_S " s'"
        "  FOR UPDATE SKIP LOCKED)",
        2};
    return DB_RUN(db, problem, NULL, &spread, kind, row_integer(problem->arena, over_s));
}

enum code job_ensure_periodic(struct db *db, struct arena *arena, struct problem *problem, const char *kind,
                              int64_t interval_s)
{
    /* The first time is drawn by lot, so that the kinds do not come together. */
    static const struct statement ensure = {
        "INSERT INTO job (kind, is_periodic, run_at)"
        " VALUES ($1, true, now() + random() * make_interval(secs => $2::bigint))"
        " ON CONFLICT (kind) WHERE is_periodic AND organization_id IS NULL DO UPDATE SET run_at = excluded.run_at"
        " WHERE job.state = 'PENDING' AND job.run_at > now() + make_interval(secs => $2::bigint)",
        2};
    return DB_RUN(db, problem, NULL, &ensure, kind, row_integer(arena, interval_s));
}

enum code job_claim(struct db *db, struct arena *arena, const char *kinds, struct problem *problem,
                    struct job **ret_job)
{
    static const struct statement claim = {
        "UPDATE job j SET state = 'RUNNING', claims = claims + 1,"
        " lost_leases = lost_leases + (j.state = 'RUNNING')::integer,"
        " run_at = clock_timestamp() + interval '" LEASE_MS " ms'"
        " FROM (SELECT job_id FROM job WHERE state IN ('PENDING', 'RUNNING') AND run_at <= clock_timestamp()"
        "       AND kind = ANY ($1::text[])"
        "       ORDER BY run_at FOR UPDATE SKIP LOCKED LIMIT 1) due"
        " WHERE j.job_id = due.job_id"
        " RETURNING j.job_id, j.claims, j.kind, j.organization_id, j.entity_id, j.operation_id, j.document, j.step,"
        " j.failures, j.lost_leases,"
        " (SELECT o.account_id FROM organization o WHERE o.organization_id = j.organization_id) AS account_id",
        1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &claim, kinds);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0) {
        *ret_job = NULL;
        return CODE_OK;
    }
    struct job *job = arena_alloc(arena, sizeof(*job));
    *job = (struct job){
        .job_id = row_text(arena, result, 0, "job_id"),
        .claims = row_text(arena, result, 0, "claims"),
        .kind = row_text(arena, result, 0, "kind"),
        .account_id = row_text(arena, result, 0, "account_id"),
        .organization_id = row_text(arena, result, 0, "organization_id"),
        .entity_id = row_text(arena, result, 0, "entity_id"),
        .operation_id = row_text(arena, result, 0, "operation_id"),
        .document = row_text(arena, result, 0, "document"),
        .step = (int)strtol(PQgetvalue(result, 0, PQfnumber(result, "step")), NULL, 10),
        .failures = (int)strtol(PQgetvalue(result, 0, PQfnumber(result, "failures")), NULL, 10),
        .lost_leases = (int)strtol(PQgetvalue(result, 0, PQfnumber(result, "lost_leases")), NULL, 10),
    };
    *ret_job = job;
    return CODE_OK;
}

enum code job_extend(struct db *db, const struct job *job, bool is_long, struct problem *problem,
                     bool *ret_held)
{
    static const struct statement extend = {"UPDATE job SET run_at = clock_timestamp()"
                                            " + CASE WHEN $3 THEN interval '" LONG_LEASE_MS
                                            " ms' ELSE interval '" LEASE_MS " ms' END"
                                            " WHERE job_id = $1 AND claims = $2 AND state = 'RUNNING'",
                                            3};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &extend, job->job_id, job->claims, row_boolean(is_long));
    if (code == CODE_OK)
        *ret_held = strcmp(PQcmdTuples(result), "1") == 0;
    return code;
}

enum code job_fence(struct db *db, const struct job *job, struct problem *problem, bool *ret_held)
{
    static const struct statement fence = {
        "SELECT 1 FROM job WHERE job_id = $1 AND claims = $2 AND state = 'RUNNING' FOR UPDATE", 2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &fence, job->job_id, job->claims);
    if (code == CODE_OK)
        *ret_held = PQntuples(result) == 1;
    return code;
}

void job_advance(struct db *db, struct arena *arena, const struct job *job, int step)
{
    static const struct statement advance = {
        "UPDATE job SET step = $2, failures = 0, lost_leases = 0, run_at = clock_timestamp() + interval '" LEASE_MS
        " ms'"
        " WHERE job_id = $1",
        2};
    DB_QUEUE(db, &advance, job->job_id, row_integer(arena, step));
}

void job_finish(struct db *db, const struct job *job, const char *state, const char *error)
{
    static const struct statement finish = {
        "UPDATE job SET state = $2, last_error = coalesce($3, last_error), finished_at = clock_timestamp()"
        " WHERE job_id = $1",
        3};
    DB_QUEUE(db, &finish, job->job_id, state, error);
}

void job_repeat(struct db *db, struct arena *arena, const struct job *job, int64_t delay_s, const char *error)
{
    static const struct statement repeat = {
        "UPDATE job SET state = 'PENDING', step = 0, failures = 0, lost_leases = 0, operation_id = NULL, last_error = $3,"
        " run_at = clock_timestamp() + make_interval(secs => $2::bigint) WHERE job_id = $1",
        3};
    DB_QUEUE(db, &repeat, job->job_id, row_integer(arena, delay_s), error);
}

void job_release(struct db *db, struct arena *arena, const struct job *job, int64_t delay_ms)
{
    static const struct statement release = {
        "UPDATE job SET state = 'PENDING', lost_leases = 0,"
        " run_at = clock_timestamp() + make_interval(secs => $2::bigint / 1000.0) WHERE job_id = $1",
        2};
    DB_QUEUE(db, &release, job->job_id, row_integer(arena, delay_ms));
}

void job_postpone(struct db *db, struct arena *arena, const struct job *job, int64_t delay_ms,
                  const char *error)
{
    static const struct statement postpone = {
        "UPDATE job SET state = 'PENDING', failures = failures + 1, lost_leases = 0, last_error = $3,"
        " run_at = clock_timestamp() + make_interval(secs => $2::bigint / 1000.0) WHERE job_id = $1",
        3};
    DB_QUEUE(db, &postpone, job->job_id, row_integer(arena, delay_ms), error);
}

static enum code retry_body(struct db *db, struct change *change, void *argument)
{
    /* An organization that FAILED has a way of its own to be tried again. */
    static const struct statement retry = {
        "WITH retried AS (UPDATE job j SET state = 'PENDING', lost_leases = 0, failures = 0, run_at = now(),"
        "  finished_at = NULL WHERE j.state = 'FAILED' AND j.lost_leases >= $1::integer AND NOT EXISTS"
        "  (SELECT FROM organization o WHERE o.organization_id = j.organization_id AND o.state = 'FAILED')"
        "  RETURNING operation_id),"
        " resumed AS (UPDATE operation o SET status = 'RUNNING', error = NULL, finished_at = NULL"
        "  FROM retried WHERE o.operation_id = retried.operation_id)"
        " SELECT count(*) FROM retried",
        1};
    DB_RESULT result = NULL;
    enum code code =
        DB_RUN(db, change->problem, &result, &retry, row_integer(change->arena, JOB_MAX_LOST_LEASES));
    if (code != CODE_OK)
        return code;
    const char *count = PQgetvalue(result, 0, 0);
    *(int64_t *)argument = strtoll(count, NULL, 10);
    change->audit.target = "/v1/operations";
    change->audit.after = (struct buffer){.arena = change->arena};
    buffer_printf(&change->audit.after, "{\"retried\":%s}", count);
    return CODE_OK;
}

enum code job_retry_given_up(struct db *db, struct change *change, int64_t *ret_count)
{
    int64_t count = 0;
    enum code code = tx_run(db, change, retry_body, &count);
    if (code == CODE_OK)
        *ret_count = count;
    return code;
}

void job_cancel_for_organization(struct db *db, const char *organization_id, const char *kind,
                                 const char *reason)
{
    static const struct statement cancel = {
        "WITH canceled AS (UPDATE job SET state = 'CANCELED', finished_at = clock_timestamp()"
        "  WHERE organization_id = $1 AND state IN ('PENDING', 'RUNNING') AND ($2::text IS NULL OR kind = $2)"
        "  RETURNING operation_id)"
        " UPDATE operation o SET status = 'CANCELED', finished_at = clock_timestamp(), error = $3"
        " FROM canceled WHERE o.operation_id = canceled.operation_id",
        3};
    DB_QUEUE(db, &cancel, organization_id, kind, reason);
    db_note_operation(db, NULL);
}
