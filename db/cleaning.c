#include "db/cleaning.h"

#include <stdlib.h>

#include "db/row.h"

/* Some milliseconds' work: the lease of the job that does it is a few seconds. */
#define BATCH "1000"
#define OLD   "now() - make_interval(secs => $1::bigint)"

static const struct statement removals[CLEANING_COUNT] = {
    [CLEANING_IDEMPOTENCY_RECORDS] =
        {"DELETE FROM idempotency_record r USING (SELECT account_id, actor, operation, idempotency_key"
         "  FROM idempotency_record WHERE created_at <= " OLD
         "  ORDER BY created_at FOR UPDATE SKIP LOCKED LIMIT " BATCH ") old"
         " WHERE r.account_id = old.account_id AND r.actor = old.actor AND r.operation = old.operation"
         " AND r.idempotency_key = old.idempotency_key",
         1},
    [CLEANING_JOBS] = {"DELETE FROM job j USING (SELECT job_id FROM job WHERE finished_at <= " OLD
                       "  ORDER BY finished_at, job_id FOR UPDATE SKIP LOCKED LIMIT " BATCH ") old"
                       " WHERE j.job_id = old.job_id",
                       1},
    /* Its job, if that is kept longer, goes with it. */
    [CLEANING_OPERATIONS] = {"WITH old AS (SELECT operation_id FROM operation WHERE finished_at <= " OLD
                             "  ORDER BY finished_at, operation_id FOR UPDATE SKIP LOCKED LIMIT " BATCH "),"
                             " jobs AS (DELETE FROM job j USING old WHERE j.operation_id = old.operation_id)"
                             " DELETE FROM operation o USING old WHERE o.operation_id = old.operation_id",
                             1},
};

static int64_t retention_s(const struct settings *settings, enum cleaning what)
{
    const int64_t retentions[CLEANING_COUNT] = {
        [CLEANING_IDEMPOTENCY_RECORDS] = settings->idempotency_retention_s,
        [CLEANING_JOBS] = settings->job_retention_s,
        [CLEANING_OPERATIONS] = settings->operation_retention_s,
    };
    return retentions[what];
}

enum code cleaning_remove(struct db *db, struct change *change, enum cleaning what, bool *ret_more)
{
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &removals[what],
                            row_integer(change->arena, retention_s(db_settings(db), what)));
    if (code == CODE_OK)
        *ret_more = strtol(PQcmdTuples(result), NULL, 10) >= strtol(BATCH, NULL, 10);
    return code;
}
