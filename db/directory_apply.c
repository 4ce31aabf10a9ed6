/* One batch of an external directory: its entries are looked at together, decided one by one, and written together, with the
 * cookie that says where to go on. */
#include <stdlib.h>
#include <string.h>

#include "db/audit.h"
#include "db/directory_rows.h"
#include "db/operation.h"
#include "db/row.h"
#include "model/fault_point.h"
#include "model/json_out.h"

#define LEASE       "clock_timestamp() + interval '15 s'"
#define UNSEEN_MOST "1000"
#define MISSING_FEW "4" /* users, or groups: so few are gone without being asked about */

struct applying {
    const struct directory_claim *claim;
    const struct directory_batch *batch;
    int64_t read_us;
    const char *cookie; /* of directory_end_full */
    bool more;
};

/* --- the fence --- */

static enum code lost(struct problem *problem)
{
    return problem_set(problem, CODE_DIRECTORY_STATE, "Another worker follows the directory, or nobody may.");
}

/* Locks the organization and the directory, whose claim must still hold. */
static enum code enter(struct directory_work *work)
{
    static const struct statement nesting = {"SELECT pg_advisory_xact_lock(hashtextextended($1, 7265))", 1};
    static const struct statement plan_anew = {"DISCARD PLANS", 0};
    static const struct statement fence = {
        "SELECT sync_generation, type IN ('AD_CONNECTOR', 'LDAP') AS is_read_only FROM directory"
        " WHERE directory_id = $1 AND sync_claims = $2 AND organization_id = $3 AND sync_due_at IS NOT NULL"
        " FOR NO KEY UPDATE",
        3};
    const struct directory_claim *claim = work->claim;
    struct change *change = work->change;
    DB_RESULT result = NULL;

    /* The batches before made the tables many times larger. */
    if (work->batch != NULL && work->batch->changed_count > 100)
        db_queue_silently(work->db, &plan_anew, NULL, 0);
    if (work->batch != NULL)
        db_queue_silently(work->db, &nesting, &claim->organization_id, 1);
    organization_queue(work->db, change->account_id, claim->organization_id, ORGANIZATION_SHARE);
    DB_QUEUE(work->db, &fence, claim->directory_id, claim->claims, claim->organization_id);
    enum code code = organization_collect(work->db, change->arena, change->problem, &work->organization);
    if (code == CODE_OK)
        code = db_collect(work->db, change->problem, &result);
    if (code != CODE_OK)
        return code == CODE_ORGANIZATION_NOT_FOUND ? lost(change->problem) : code;
    bool is_going =
        strcmp(work->organization.state, "DELETING") == 0 || strcmp(work->organization.state, "DELETED") == 0;
    if (PQntuples(result) == 0 || is_going)
        return lost(change->problem);
    work->generation = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    work->is_read_only = row_flag(result, 0, "is_read_only");
    return CODE_OK;
}

static struct directory_work work_of(struct db *db, struct change *change, const struct applying *applying)
{
    return (struct directory_work){
        .db = db, .change = change, .claim = applying->claim, .batch = applying->batch};
}

/* --- what is told --- */

static void note(struct directory_work *work)
{
    struct change *change = work->change;
    if (work->created + work->updated + work->removed == 0) {
        change->audit.action = NULL;
        return;
    }
    change->audit.organization_id = work->claim->organization_id;
    change->audit.target = arena_printf(change->arena, "/v1/directories/%s", work->claim->directory_id);
    struct buffer *after = &change->audit.after;
    after->arena = change->arena;
    out_begin_object(after);
    out_member_integer(after, "created", work->created);
    out_member_integer(after, "updated", work->updated);
    out_member_integer(after, "removed", work->removed);
    out_member_integer(after, "errors", work->errors);
    out_end_object(after);
}

/* --- batches --- */

static const char *deleted_of(struct arena *arena, const struct directory_batch *batch)
{
    struct buffer out = {.arena = arena};
    out_begin_array(&out);
    for (size_t i = 0; i < batch->deleted_count; i++)
        out_string(&out, batch->deleted[i]);
    out_end_array(&out);
    return buffer_string(&out);
}

static void queue_progress(struct directory_work *work, const struct applying *applying)
{
    static const struct statement progress = {
        "UPDATE directory SET sync_due_at = " LEASE ", sync_generation = $3, sync_users = sync_users + $4,"
        " sync_groups = sync_groups + $5, sync_changes = sync_changes + $6,"
        " sync_cookie = CASE WHEN $7::text IS NULL AND NOT $8::boolean THEN sync_cookie ELSE $7 END,"
        " sync_status = CASE WHEN $8::boolean THEN 'LOADING' ELSE sync_status END,"
        " sync_full_wanted = sync_full_wanted AND (NOT $8::boolean"
        "  OR (sync_operation_id IS NOT NULL AND wanted_operation_id IS NOT NULL)),"
        " sync_operation_id = CASE WHEN $8::boolean THEN coalesce(sync_operation_id, wanted_operation_id)"
        "  ELSE sync_operation_id END,"
        " wanted_operation_id = CASE WHEN $8::boolean AND sync_operation_id IS NULL THEN NULL"
        "  ELSE wanted_operation_id END,"
        " sync_lag_ms = greatest(0, (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $9::bigint),"
        " last_synced_at = CASE WHEN $10::boolean OR sync_status = 'LOADING' THEN last_synced_at"
        "  ELSE clock_timestamp() END"
        " WHERE directory_id = $1 AND sync_claims = $2",
        10};
    struct arena *arena = work->change->arena;
    const struct directory_batch *batch = applying->batch;
    DB_QUEUE(work->db, &progress, work->claim->directory_id, work->claim->claims,
             row_integer(arena, work->generation), row_integer(arena, work->users),
             row_integer(arena, work->groups),
             row_integer(arena, work->created + work->updated + work->removed),
             batch->ends_full ? NULL : batch->cookie, row_boolean(batch->starts_full),
             row_integer(arena, applying->read_us / 1000), row_boolean(batch->has_more || batch->ends_full));
}

static enum code apply_body(struct db *db, struct change *change, void *argument)
{
    const struct applying *applying = argument;
    struct directory_work work = work_of(db, change, applying);
    enum code code = enter(&work);
    if (code != CODE_OK)
        return code;
    if (applying->batch->starts_full)
        work.generation++;
    if (applying->batch->deleted_count > 0)
        code = directory_remove(&work, deleted_of(change->arena, applying->batch));
    if (code == CODE_OK)
        code = directory_look(&work);
    if (code == CODE_OK)
        code = directory_write(&work);
    if (code == CODE_OK)
        code = directory_connect(&work);
    if (code == CODE_NAME_TAKEN) /* somebody took a name since it was looked at */
        return CODE_RETRY;
    if (code != CODE_OK)
        return code;
    queue_progress(&work, applying);
    note(&work);
    FAULT_POINT("directory.apply.before_commit");
    return db_finish(db, change->problem);
}

enum code directory_apply(struct db *db, struct change *change, const struct directory_claim *claim,
                          const struct directory_batch *batch, int64_t read_us)
{
    struct applying applying = {.claim = claim, .batch = batch, .read_us = read_us};
    return tx_run(db, change, apply_body, &applying);
}

/* --- the end of a full comparison --- */

/* Counts are what they are, whatever they were counted as. */
static enum code finish_full(struct directory_work *work, const char *cookie)
{
    static const struct statement finish = {
        "WITH before AS (SELECT sync_operation_id FROM directory WHERE directory_id = $1),"
        " old_errors AS (DELETE FROM directory_error WHERE directory_id = $1 AND generation < $5::bigint),"
        " counted AS (SELECT count(*) FILTER (WHERE e.kind = 'USER') AS users,"
        "  count(*) FILTER (WHERE e.kind = 'GROUP') AS groups FROM external_entry x JOIN entity e"
        "  ON e.organization_id = $3 AND e.entity_id = x.entity_id AND e.state <> 'DELETED'"
        "  WHERE x.organization_id = $3)"
        " UPDATE directory d SET sync_due_at = " LEASE ", sync_cookie = coalesce($4, d.sync_cookie),"
        "  sync_status = 'FOLLOWING', compared_generation = d.sync_generation, sync_users = c.users, sync_groups = c.groups, sync_operation_id = NULL,"
        "  last_compared_at = clock_timestamp(), last_synced_at = clock_timestamp()"
        " FROM counted c, before b WHERE d.directory_id = $1 AND d.sync_claims = $2 RETURNING b.sync_operation_id",
        5};
    struct arena *arena = work->change->arena;
    DB_RESULT result = NULL;
    enum code code = DB_RUN(work->db, work->change->problem, &result, &finish, work->claim->directory_id,
                            work->claim->claims, work->claim->organization_id, cookie,
                            row_integer(arena, work->generation));
    if (code != CODE_OK)
        return code;
    if (!PQgetisnull(result, 0, 0))
        operation_update(work->db, arena, row_text(arena, result, 0, "sync_operation_id"), 0, "SUCCEEDED",
                         NULL, "SUCCEEDED");
    return CODE_OK;
}

/* A filter, a base or a right that was lost looks like a directory from which nearly everybody was deleted: it is believed once
 * somebody who was told of it asks for a comparison again. */
static enum code need_credible(struct directory_work *work)
{
    static const struct statement missing = {
        "SELECT NOT EXISTS (SELECT FROM directory WHERE directory_id = $3 AND sync_error_code = '" DIRECTORY_TOO_MANY_MISSING
        "'  AND coalesce(sync_operation_id, wanted_operation_id) IS NOT NULL) AND EXISTS (SELECT FROM external_entry x"
        "  JOIN entity e ON e.organization_id = $1 AND e.entity_id = x.entity_id AND e.state <> 'DELETED'"
        "  WHERE x.organization_id = $1 GROUP BY e.kind HAVING count(*) FILTER (WHERE x.generation < $2::bigint)"
        "  > greatest(" MISSING_FEW ", count(*) / 2)) AS is_incredible",
        3};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(work->db, work->change->problem, &result, &missing, work->claim->organization_id,
                            row_integer(work->change->arena, work->generation), work->claim->directory_id);
    if (code == CODE_OK && row_flag(result, 0, "is_incredible"))
        return problem_set(work->change->problem, CODE_DIRECTORY_REFUSED,
                           "Too many entries are missing to be believed.");
    return code;
}

static enum code end_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement unseen = {
        "SELECT coalesce(json_agg(u.external_id), '[]') AS ids, count(*) = " UNSEEN_MOST " AS more FROM ("
        " SELECT x.external_id FROM external_entry x JOIN entity e ON e.organization_id = $1"
        "  AND e.entity_id = x.entity_id AND e.state <> 'DELETED'"
        "  WHERE x.organization_id = $1 AND x.generation < $2::bigint LIMIT " UNSEEN_MOST ") u",
        2};
    static const struct directory_batch nothing = {0};
    struct applying *applying = argument;
    struct directory_work work = work_of(db, change, applying);
    DB_RESULT result = NULL;
    work.batch = &nothing;
    enum code code = enter(&work);
    if (code == CODE_OK)
        code = need_credible(&work);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &result, &unseen, applying->claim->organization_id,
                      row_integer(change->arena, work.generation));
    if (code != CODE_OK)
        return code;
    applying->more = row_flag(result, 0, "more");
    code = directory_remove(&work, row_text(change->arena, result, 0, "ids"));
    if (code == CODE_OK)
        code = directory_connect(&work);
    if (code == CODE_OK && !applying->more)
        code = finish_full(&work, applying->cookie);
    note(&work);
    return code == CODE_OK ? db_finish(db, change->problem) : code;
}

enum code directory_end_full(struct db *db, struct change *change, const struct directory_claim *claim,
                             const char *cookie, bool *ret_more)
{
    struct applying applying = {.claim = claim, .cookie = cookie};
    enum code code = tx_run(db, change, end_body, &applying);
    if (code == CODE_OK)
        *ret_more = applying.more;
    return code;
}
