#include "db/organization_health.h"

#include "db/job.h"
#include "db/row.h"
#include "model/job.h"

enum code organization_health_get(struct db *db, const char *account_id, const char *organization_id,
                                  struct problem *problem, struct answer *answer)
{
    static const struct statement get = {
        "SELECT o.state, h.checked_at, (SELECT j.run_at FROM job j WHERE j.organization_id = o.organization_id"
        "  AND j.kind = '" JOB_ORGANIZATION_HEALTH
        "' AND j.is_periodic AND j.state = 'PENDING') AS next_check_at,"
        " coalesce(h.issues, '[]') AS issues"
        " FROM organization o LEFT JOIN organization_health h ON h.organization_id = o.organization_id"
        " WHERE o.account_id = $1 AND o.organization_id = $2",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &get, account_id, organization_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return organization_not_found(problem);
    return row_write(result, 0, 0, &health_table, &answer->body);
}

void organization_health_store(struct db *db, struct arena *arena, const struct organization_row *row,
                               const struct health_report *report)
{
    static const struct statement store = {
        "INSERT INTO organization_health (organization_id, checked_at, errors, reason, issues)"
        " VALUES ($1, clock_timestamp(), $2, $3, $4) ON CONFLICT (organization_id) DO UPDATE SET"
        " checked_at = excluded.checked_at, errors = excluded.errors, reason = excluded.reason, issues = excluded.issues",
        4};
    struct buffer issues = report->issues;
    DB_QUEUE(db, &store, row->organization_id, row_integer(arena, report->errors), health_reason(report),
             buffer_string(&issues));
}

enum code organization_health_conclude(struct db *db, struct change *change, struct organization_row *row)
{
    static const struct statement found = {
        "SELECT errors > 0 AS is_impaired, reason FROM organization_health WHERE organization_id = $1", 1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &found, row->organization_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) != 1) /* the step before this one wrote it */
        return CODE_INTERNAL_ERROR;
    return organization_transition(db, change, row,
                                   row_flag(result, 0, "is_impaired") ? "IMPAIRED" : "ACTIVE",
                                   row_text(change->arena, result, 0, "reason"));
}

void organization_health_schedule(struct db *db, struct arena *arena, const struct organization_row *row)
{
    job_enqueue_periodic(db, arena,
                         &(struct job_request){.kind = JOB_ORGANIZATION_HEALTH,
                                               .organization_id = row->organization_id,
                                               .delay_s = health_next_check_s(
                                                   db_settings(db)->health_check_interval_s, row->state)});
}

/* One that runs begins anew: it may have looked at what changed already. Whoever asked for it is answered by this one. */
#define HURRY(condition)                                                                                       \
    "INSERT INTO job (kind, organization_id, is_periodic) SELECT '" JOB_ORGANIZATION_HEALTH                    \
    "', organization_id, true FROM organization WHERE " condition                                              \
    " AND state IN ('ACTIVE', 'IMPAIRED', 'VALIDATING')"                                                       \
    " ON CONFLICT (organization_id, kind) WHERE is_periodic AND state IN ('PENDING', 'RUNNING') DO UPDATE SET" \
    " state = 'PENDING', step = 0, failures = 0, claims = job.claims + 1, run_at = now()"

void organization_health_queue(struct db *db, const char *organization_id)
{
    static const struct statement hurry = {HURRY("organization_id = $1"), 1};
    DB_QUEUE(db, &hurry, organization_id);
    db_note_job(db);
}

void organization_health_queue_under_key(struct db *db, const char *account_id, const char *key_id)
{
    static const struct statement hurry = {HURRY("account_id = $1 AND key_id = $2"), 2};
    DB_QUEUE(db, &hurry, account_id, key_id);
    db_note_job(db);
}
