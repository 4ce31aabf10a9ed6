#include "db/operation.h"

#include "db/row.h"
#include "model/json_out.h"
#include "model/operation.h"

#define COLUMNS                                                                                           \
    "o.operation_id, o.operation, o.target, o.organization_id, o.status, o.steps, o.error, o.created_at," \
    " o.finished_at"

static const char *pending_steps(struct arena *arena, const char *const *step_names)
{
    struct buffer steps = {.arena = arena};
    out_begin_array(&steps);
    for (const char *const *step = step_names; *step != NULL; step++) {
        out_begin_object(&steps);
        out_member(&steps, "name", *step);
        out_member(&steps, "status", "PENDING");
        out_member_integer(&steps, "attempts", 0);
        out_end_object(&steps);
    }
    out_end_array(&steps);
    return buffer_string(&steps);
}

void operation_insert(struct db *db, struct change *change, const char *operation_id,
                      const char *organization_id, const char *target, const char *const *step_names)
{
    static const struct statement insert = {
        "INSERT INTO operation (operation_id, account_id, organization_id, operation, target, steps)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        6};
    DB_QUEUE(db, &insert, operation_id, change->account_id, organization_id, change->operation, target,
             pending_steps(change->arena, step_names));
}

void operation_update(struct db *db, struct arena *arena, const char *operation_id, int step,
                      const char *step_status, const char *error, const char *operation_status)
{
    static const struct statement update = {
        "UPDATE operation SET status = coalesce($5, status),"
        " error = CASE WHEN $5 = 'FAILED' THEN $4 ELSE error END,"
        " finished_at = CASE WHEN $5 IN ('SUCCEEDED', 'FAILED', 'CANCELED') THEN clock_timestamp() END,"
        " steps = jsonb_set(steps, ARRAY[$2::text], jsonb_strip_nulls((steps -> $2::integer) || jsonb_build_object("
        "  'status', $3::text, 'error', $4::text, 'at', to_char(clock_timestamp(), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
        "  'attempts', (steps -> $2::integer ->> 'attempts')::integer + 1)))"
        " WHERE operation_id = $1",
        5};
    if (operation_id == NULL)
        return;
    DB_QUEUE(db, &update, operation_id, row_integer(arena, step), step_status, error, operation_status);
    if (operation_status != NULL && operation_is_over(operation_status))
        db_note_operation(db, operation_id);
}

void operation_cancel(struct db *db, const char *operation_id, const char *reason)
{
    static const struct statement cancel = {
        "UPDATE operation SET status = 'CANCELED', error = $2, finished_at = clock_timestamp() WHERE operation_id = $1",
        2};
    if (operation_id == NULL)
        return;
    DB_QUEUE(db, &cancel, operation_id, reason);
    db_note_operation(db, operation_id);
}

void operation_queue(struct db *db, const char *account_id, const char *visible, const char *operation_id)
{
    static const struct statement get = {"SELECT " COLUMNS
                                         " FROM operation o WHERE o.account_id = $1 AND o.operation_id = $3"
                                         " AND ($2::text[] IS NULL OR o.organization_id = ANY($2::text[]))",
                                         3};
    DB_QUEUE(db, &get, account_id, visible, operation_id);
}

enum code operation_collect(struct db *db, struct problem *problem, struct buffer *out, bool *ret_over)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return problem_set(problem, CODE_OPERATION_NOT_FOUND, "No operation has this id.");
    *ret_over = operation_is_over(PQgetvalue(result, 0, PQfnumber(result, "status")));
    return row_write(result, 0, 0, &operation_table, out);
}

static const char *const statuses[] = {"PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", NULL};
static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct operation_query),
    LIST_ORDER_ROW(struct operation_query),
    FIELD_STRING_ROW(struct operation_query, organization_id, 0, 1, 64),
    FIELD_ENUM_ROW(struct operation_query, status, 0, statuses),
};
const struct field_table operation_query_table = FIELD_TABLE("list_operations_query", query_fields);

static const struct list_spec list = {
    .table = &operation_table,
    .columns = COLUMNS,
    .from = "FROM operation o WHERE o.account_id = $1",
    .fixed = 1,
    .filters = {" AND o.organization_id = $?", " AND o.status = $?"},
    .visible = " AND o.organization_id = ANY($?::text[])",
    .orders = {{"created_at", "o.created_at", "timestamptz"}},
    .default_order = "-created_at",
    .id = "o.operation_id",
    .id_type = "uuid",
};

enum code operation_list(struct db *db, const char *account_id, void *asked, struct problem *problem,
                         struct buffer *out, const char **ret_next_token)
{
    struct operation_query *query = asked;
    query->page.filters[0] = query->organization_id;
    query->page.filters[1] = query->status;
    return list_run(db, &list, &query->page, &account_id, problem, out, ret_next_token);
}
