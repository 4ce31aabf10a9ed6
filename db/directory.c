#include "db/directory.h"

#include "db/row.h"

#define COLUMNS                                                                          \
    "d.directory_id, d.type, d.name, d.region, d.organization_id,"                       \
    " CASE WHEN d.organization_id IS NULL THEN 'AVAILABLE' ELSE 'IN_USE' END AS status," \
    " d.created_at, d.updated_at"

static enum code not_found(struct problem *problem)
{
    return problem_set(problem, CODE_DIRECTORY_NOT_FOUND, "No directory of this account has this id.");
}

enum code directory_describe(struct db *db, const char *account_id, const char *directory_id,
                             struct problem *problem, struct answer *answer)
{
    static const struct statement get = {
        "SELECT " COLUMNS ", d.version FROM directory d WHERE d.account_id = $1 AND d.directory_id = $2", 2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &get, account_id, directory_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return not_found(problem);
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, 0, &directory_table, &answer->body);
}

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct directory_query),
    FIELD_ENUM_ROW(struct directory_query, status, 0, directory_statuses),
};
const struct field_table directory_query_table = FIELD_TABLE("list_directories_query", query_fields);

enum code directory_list(struct db *db, const char *account_id, void *asked, struct problem *problem,
                         struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &directory_table,
        .columns = COLUMNS,
        .from = "FROM directory d WHERE d.account_id = $1",
        .fixed = 1,
        .filters = {" AND ($? = 'AVAILABLE') = (d.organization_id IS NULL)"},
        .orders = {{"created_at", "d.created_at", "timestamptz"}},
        .default_order = "created_at",
        .id = "d.directory_id",
        .id_type = "text",
    };
    struct directory_query *query = asked;
    query->page.filters[0] = query->status;
    return list_run(db, &list, &query->page, &account_id, problem, out, ret_next_token);
}

void directory_queue(struct db *db, const char *account_id, const char *directory_id)
{
    static const struct statement lock = {
        "SELECT FROM directory WHERE directory_id = $1 AND account_id = $2 FOR UPDATE", 2};
    /* The alias is read after the lock was waited for. */
    static const struct statement read = {
        "SELECT d.type, d.region, d.organization_id, o.alias, d.version FROM directory d"
        " LEFT JOIN organization o ON o.organization_id = d.organization_id"
        " WHERE d.directory_id = $1 AND d.account_id = $2",
        2};
    const char *const parameters[] = {directory_id, account_id};
    db_queue_silently(db, &lock, parameters, 2);
    db_queue_parameters(db, &read, parameters, 2);
}

enum code directory_collect(struct db *db, struct arena *arena, struct problem *problem,
                            struct directory_row *ret_row)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return not_found(problem);
    *ret_row = (struct directory_row){
        .type = row_text(arena, result, 0, "type"),
        .region = row_text(arena, result, 0, "region"),
        .organization_id = row_text(arena, result, 0, "organization_id"),
        .organization_alias = row_text(arena, result, 0, "alias"),
        .version = row_text(arena, result, 0, "version"),
    };
    return CODE_OK;
}

enum code directory_need_available(const char *directory_id, const struct directory_row *row,
                                   struct problem *problem)
{
    if (row->organization_id == NULL)
        return CODE_OK;
    return problem_set(
        problem, CODE_DIRECTORY_IN_USE,
        "Directory %s is used by organization %s (%s); remove that one first, and keep its directory.",
        directory_id, row->organization_alias, row->organization_id);
}

static enum code delete_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement remove = {
        "DELETE FROM directory d WHERE d.directory_id = $1 RETURNING " COLUMNS, 1};
    const char *directory_id = argument;
    struct directory_row row;
    DB_RESULT removed = NULL;

    directory_queue(db, change->account_id, directory_id);
    enum code code = directory_collect(db, change->arena, change->problem, &row);
    if (code == CODE_OK)
        code = tx_match(change, row.version);
    if (code == CODE_OK)
        code = directory_need_available(directory_id, &row, change->problem);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &removed, &remove, directory_id);
    return code == CODE_OK ? tx_before(change, removed, &directory_table) : code;
}

enum code directory_delete(struct db *db, struct change *change, const char *directory_id)
{
    return tx_run(db, change, delete_body, arena_string(change->arena, directory_id));
}
