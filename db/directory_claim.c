/* Who follows which external directory, and how it goes. */
#include <stdlib.h>

#include "db/directory.h"
#include "db/directory_sync.h"
#include "db/operation.h"
#include "db/organization_health.h"
#include "db/row.h"

#define LEASE "clock_timestamp() + interval '15 s'"

enum code directory_claim_due(struct db *db, struct arena *arena, struct problem *problem, int64_t limit,
                              struct directory_claim **ret_claims, size_t *ret_count)
{
    static const struct statement claim = {
        "WITH due AS (SELECT directory_id FROM directory WHERE sync_due_at <= clock_timestamp()"
        "  AND organization_id IS NOT NULL ORDER BY sync_due_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)"
        " UPDATE directory d SET sync_due_at = " LEASE ", sync_claims = d.sync_claims + 1 FROM due"
        " WHERE d.directory_id = due.directory_id RETURNING d.directory_id, d.account_id, d.organization_id, d.type,"
        "  d.sync_claims, d.connection, d.connection_generation, d.sealed_bind_password, d.sync_cookie,"
        "  d.sync_full_wanted, d.sync_failures,"
        "  d.sync_generation > d.compared_generation AS is_comparing, d.connection ->> 'preset' = 'ACTIVE_DIRECTORY' AS is_active_directory",
        1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &claim, row_integer(arena, limit));
    if (code != CODE_OK)
        return code;
    size_t count = (size_t)PQntuples(result);
    struct directory_claim *claims = arena_alloc(arena, (count + 1) * sizeof(*claims));
    for (size_t i = 0; i < count; i++) {
        int row = (int)i;
        const char *sealed = row_text(arena, result, row, "sealed_bind_password");
        claims[i] = (struct directory_claim){
            .directory_id = row_text(arena, result, row, "directory_id"),
            .account_id = row_text(arena, result, row, "account_id"),
            .organization_id = row_text(arena, result, row, "organization_id"),
            .type = row_text(arena, result, row, "type"),
            .claims = row_text(arena, result, row, "sync_claims"),
            .connection = row_text(arena, result, row, "connection"),
            .generation = row_text(arena, result, row, "connection_generation"),
            .cookie = row_text(arena, result, row, "sync_cookie"),
            .full_wanted = row_flag(result, row, "sync_full_wanted"),
            .is_comparing = row_flag(result, row, "is_comparing"),
            .is_active_directory = row_flag(result, row, "is_active_directory"),
            .failures = strtoll(PQgetvalue(result, row, PQfnumber(result, "sync_failures")), NULL, 10),
        };
        if (sealed != NULL)
            claims[i].password = directory_open_password(db, arena, claims[i].directory_id, sealed);
        claims[i].is_unreadable = sealed != NULL && claims[i].password == NULL;
    }
    *ret_claims = claims;
    *ret_count = count;
    return CODE_OK;
}

static const char *copy(struct arena *arena, const char *text)
{
    return text != NULL ? arena_string(arena, text) : NULL;
}

struct directory_claim directory_claim_copy(struct arena *arena, const struct directory_claim *claim)
{
    struct directory_claim made = *claim;
    made.directory_id = copy(arena, claim->directory_id);
    made.account_id = copy(arena, claim->account_id);
    made.organization_id = copy(arena, claim->organization_id);
    made.type = copy(arena, claim->type);
    made.claims = copy(arena, claim->claims);
    made.connection = copy(arena, claim->connection);
    made.generation = copy(arena, claim->generation);
    made.password = copy(arena, claim->password);
    made.cookie = copy(arena, claim->cookie);
    return made;
}

enum code directory_watch(struct db *db, struct arena *arena, struct problem *problem, const char *ids,
                          struct directory_watch **ret_list, size_t *ret_count)
{
    static const struct statement renew = {
        "UPDATE directory d SET sync_due_at = " LEASE ""
        " WHERE d.directory_id = ANY ($1::text[]) AND d.organization_id IS NOT NULL"
        " AND d.sync_due_at < clock_timestamp() + interval '10 s'",
        1};
    static const struct statement look = {
        "SELECT directory_id, sync_claims, connection_generation, sync_full_wanted FROM directory"
        " WHERE directory_id = ANY ($1::text[]) AND organization_id IS NOT NULL AND sync_due_at IS NOT NULL",
        1};
    DB_RESULT result = NULL;
    DB_QUEUE(db, &renew, ids);
    DB_QUEUE(db, &look, ids);
    enum code code = db_collect(db, problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    size_t count = (size_t)PQntuples(result);
    struct directory_watch *list = arena_alloc(arena, (count + 1) * sizeof(*list));
    for (size_t i = 0; i < count; i++)
        list[i] = (struct directory_watch){
            .directory_id = row_text(arena, result, (int)i, "directory_id"),
            .claims = row_text(arena, result, (int)i, "sync_claims"),
            .generation = row_text(arena, result, (int)i, "connection_generation"),
            .full_wanted = row_flag(result, (int)i, "sync_full_wanted"),
        };
    *ret_list = list;
    *ret_count = count;
    return CODE_OK;
}

/* --- how it goes --- */

/* So many failures in a row, over some seconds, are no restart of a server. db/organization_checks.c knows it, too. */
#define IMPAIRING "3"

struct outcome {
    const struct directory_claim *claim;
    const char *error_code, *error;
    int64_t delay_ms;
};

/* Of one row, under the fence; the statement answers what it was before, if the health of the organization changes by it. */
static enum code conclude(struct db *db, struct change *change, const struct outcome *outcome,
                          const struct statement *statement, const char *const *parameters)
{
    DB_RESULT result = NULL;
    db_queue_parameters(db, statement, parameters, statement->parameters);
    enum code code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return problem_set(change->problem, CODE_DIRECTORY_STATE, "Another worker follows the directory.");
    if (row_flag(result, 0, "is_other"))
        organization_health_queue(db, outcome->claim->organization_id);
    const char *operation_id = row_text(change->arena, result, 0, "operation_id");
    if (operation_id != NULL)
        operation_update(db, change->arena, operation_id, 0, "FAILED", outcome->error, "FAILED");
    return db_finish(db, change->problem);
}

static enum code begin_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement begin = {
        "WITH b AS (SELECT sync_error_code IS NOT NULL AS is_other FROM directory WHERE directory_id = $1)"
        " UPDATE directory d SET sync_due_at = " LEASE ", sync_failures = 0, sync_error_code = NULL,"
        " sync_error = NULL, sync_error_since = NULL,"
        " sync_status = CASE WHEN d.sync_generation > 0 AND d.sync_generation = d.compared_generation"
        "  THEN 'FOLLOWING' ELSE 'LOADING' END"
        " FROM b WHERE d.directory_id = $1 AND d.sync_claims = $2 AND d.sync_due_at IS NOT NULL"
        " RETURNING b.is_other, NULL AS operation_id",
        2};
    const struct outcome *outcome = argument;
    const char *const parameters[] = {outcome->claim->directory_id, outcome->claim->claims};
    return conclude(db, change, outcome, &begin, parameters);
}

enum code directory_begin(struct db *db, struct change *change, const struct directory_claim *claim)
{
    struct outcome outcome = {.claim = claim};
    return tx_run(db, change, begin_body, &outcome);
}

static enum code rest_body(struct db *db, struct change *change, void *argument)
{
    /* A name that an entry was refused for is free: all is compared again. */
    static const struct statement rest = {
        "UPDATE directory d SET last_synced_at = clock_timestamp(), sync_due_at = " LEASE ", sync_lag_ms = 0,"
        " sync_full_wanted = d.sync_full_wanted OR EXISTS (SELECT"
        "  FROM directory_error r WHERE r.directory_id = d.directory_id AND r.code = 'name_taken' AND NOT EXISTS"
        "   (SELECT FROM entity e WHERE e.organization_id = d.organization_id AND e.state <> 'DELETED'"
        "    AND e.name_folded = r.name_folded))"
        " WHERE directory_id = $1 AND sync_claims = $2 AND sync_due_at IS NOT NULL"
        " RETURNING false AS is_other, NULL AS operation_id",
        2};
    const struct outcome *outcome = argument;
    const char *const parameters[] = {outcome->claim->directory_id, outcome->claim->claims};
    return conclude(db, change, outcome, &rest, parameters);
}

enum code directory_rest(struct db *db, struct change *change, const struct directory_claim *claim)
{
    struct outcome outcome = {.claim = claim};
    return tx_run(db, change, rest_body, &outcome);
}

static enum code fail_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement fail = {
        "WITH b AS (SELECT sync_failures + 1 = " IMPAIRING " AS is_other, coalesce(sync_operation_id,"
        "  wanted_operation_id) AS operation_id FROM directory WHERE directory_id = $1)"
        " UPDATE directory d SET sync_due_at = clock_timestamp() + make_interval(secs => $5::double precision / 1000),"
        " sync_claims = d.sync_claims + 1, sync_failures = d.sync_failures + 1, sync_error_code = $3, sync_error = $4,"
        " sync_error_since = coalesce(d.sync_error_since, now()), sync_status = 'FAILING',"
        " sync_operation_id = NULL,"
        " wanted_operation_id = CASE WHEN d.sync_operation_id IS NOT NULL THEN d.wanted_operation_id END"
        " FROM b WHERE d.directory_id = $1 AND d.sync_claims = $2 AND d.sync_due_at IS NOT NULL"
        " RETURNING b.is_other, b.operation_id",
        5};
    const struct outcome *outcome = argument;
    const char *const parameters[] = {outcome->claim->directory_id, outcome->claim->claims,
                                      outcome->error_code, outcome->error,
                                      row_integer(change->arena, outcome->delay_ms)};
    return conclude(db, change, outcome, &fail, parameters);
}

enum code directory_fail(struct db *db, struct change *change, const struct directory_claim *claim,
                         const char *error_code, const char *error, int64_t delay_ms)
{
    struct outcome outcome = {claim, error_code, error, delay_ms};
    return tx_run(db, change, fail_body, &outcome);
}

static enum code release_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement release = {
        "UPDATE directory SET sync_due_at = clock_timestamp(), sync_claims = sync_claims + 1"
        " WHERE directory_id = $1 AND sync_claims = $2 AND sync_due_at IS NOT NULL"
        " RETURNING false AS is_other, NULL AS operation_id",
        2};
    const struct outcome *outcome = argument;
    const char *const parameters[] = {outcome->claim->directory_id, outcome->claim->claims};
    db_note_job(db);
    return conclude(db, change, outcome, &release, parameters);
}

enum code directory_release(struct db *db, struct change *change, const struct directory_claim *claim)
{
    struct outcome outcome = {.claim = claim};
    return tx_run(db, change, release_body, &outcome);
}
