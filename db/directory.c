#include "db/directory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "db/limit.h"
#include "db/operation.h"
#include "db/row.h"
#include "db/sealed.h"
#include "model/id.h"

#define SYNC(column) " CASE WHEN d.connection IS NOT NULL THEN " column " END"
#define COLUMNS                                                                                                                                                                                                                                                                                                  \
    "d.directory_id, d.type, d.name, d.region, d.organization_id,"                                                                                                                                                                                                                                               \
    " CASE WHEN d.organization_id IS NULL THEN 'AVAILABLE' ELSE 'IN_USE' END AS status, d.connection," SYNC(                                                                                                                                                                                                     \
        "d.sealed_bind_password IS NOT NULL") " AS has_bind_password,"                                                                                                                                                                                                                                           \
                                              " d.sync_status AS \"sync.status\", d.last_synced_at AS \"sync.last_synced_at\","                                                                                                                                                                                  \
                                              " d.last_compared_at AS \"sync.last_compared_at\", d.sync_lag_ms AS \"sync.lag_ms\"," SYNC("d.sync_users") " AS \"sync.users\"," SYNC(                                                                                                                             \
                                                  "d.sync_groups") " AS \"sync.groups\"," SYNC("d.sync_changes") " AS \"sync.changes\"," SYNC("(SELECT count(*) FROM directory_error r WHERE r.directory_id = d.directory_id)") " AS \"sync.errors\","                                                           \
                                                                                                                                                                                                                                " d.sync_error_code AS \"sync.failure_code\", d.sync_error AS \"sync.failure\"," \
                                                                                                                                                                                                                                " d.sync_error_since AS \"sync.failing_since\", d.created_at, d.updated_at"

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
    code = row_write(result, 0, 0, &directory_table, &answer->body);
    answer->etag =
        tx_etag_observed(problem->arena, row_text(problem->arena, result, 0, "version"), &answer->body);
    return code;
}

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct directory_query),
    FIELD_ENUM_ROW(struct directory_query, status, 0, directory_statuses),
    FIELD_ENUM_ROW(struct directory_query, type, 0, directory_types),
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
        .filters = {" AND ($? = 'AVAILABLE') = (d.organization_id IS NULL)", " AND d.type = $?"},
        .orders = {{"created_at", "d.created_at", "timestamptz"}},
        .default_order = "created_at",
        .id = "d.directory_id",
        .id_type = "text",
    };
    struct directory_query *query = asked;
    query->page.filters[0] = query->status;
    query->page.filters[1] = query->type;
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

/* --- errors --- */

static const struct field error_query_fields[] = {LIST_PAGE_ROWS(struct directory_error_query)};
const struct field_table directory_error_query_table =
    FIELD_TABLE("list_directory_errors_query", error_query_fields);

enum code directory_list_errors(struct db *db, const char *account_id, const char *directory_id,
                                struct directory_error_query *query, struct problem *problem,
                                struct buffer *out, const char **ret_next_token)
{
    static const struct statement find = {"SELECT FROM directory WHERE account_id = $1 AND directory_id = $2",
                                          2};
    static const struct list_spec list = {
        .table = &directory_error_table,
        .columns = "r.external_id, r.dn, r.code, r.detail, r.since",
        .from = "FROM directory_error r WHERE r.directory_id = $1",
        .fixed = 1,
        .orders = {{"since", "r.since", "timestamptz"}},
        .default_order = "since",
        .id = "r.external_id",
        .id_type = "text",
    };
    struct list_pending pending;
    DB_RESULT result = NULL;
    DB_QUEUE(db, &find, account_id, directory_id);
    enum code code = list_queue(db, &list, &query->page, &directory_id, out->arena, problem, &pending);
    if (code == CODE_OK)
        code = db_collect(db, problem, &result);
    if (code == CODE_OK && PQntuples(result) == 0)
        code = not_found(problem);
    return code == CODE_OK ? list_collect(db, &pending, problem, out, ret_next_token) : code;
}

/* --- connections --- */

static const char *secret_row(struct arena *arena, const char *directory_id)
{
    return arena_printf(arena, "directory\n%s", directory_id);
}

const char *directory_open_password(struct db *db, struct arena *arena, const char *directory_id,
                                    const char *column)
{
    size_t size;
    return sealed_open(arena, db_secret_key(db), secret_row(arena, directory_id), column, &size);
}

static enum code seal_password(struct db *db, struct arena *arena, const char *directory_id,
                               const char *password, const char **ret_sealed)
{
    *ret_sealed = password != NULL
                      ? sealed_parameter(arena, db_secret_key(db), secret_row(arena, directory_id), password,
                                         strlen(password))
                      : NULL;
    return password != NULL && *ret_sealed == NULL ? CODE_INTERNAL_ERROR : CODE_OK;
}

/* RFC 7396. */
static void merge(json_t *into, json_t *patch)
{
    const char *name;
    json_t *value;
    json_object_foreach (patch, name, value) {
        json_t *present = json_object_get(into, name);
        if (json_is_null(value)) {
            json_object_del(into, name);
        } else if (json_is_object(value)) {
            if (!json_is_object(present)) {
                json_object_set_new(into, name, json_object());
                present = json_object_get(into, name);
            }
            merge(present, value);
        } else {
            json_object_set(into, name, value);
        }
    }
}

static const char *merged(struct arena *arena, const char *document, const char *patch)
{
    json_t *whole = json_loads(document, 0, NULL);
    json_t *part = json_loads(patch, 0, NULL);
    merge(whole, part);
    char *text = json_dumps(whole, JSON_COMPACT);
    const char *copy = text != NULL ? arena_string(arena, text) : NULL;
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    json_decref(whole);
    json_decref(part);
    return copy;
}

static bool is_list_same(const char *const *one, const char *const *other)
{
    for (; *one != NULL && *other != NULL; one++, other++)
        if (strcmp(*one, *other) != 0)
            return false;
    return *one == *other;
}

static bool is_same(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

/* Who does not know the password must not have it sent elsewhere: to another server, or to whom another certificate vouches
 * for. */
static bool is_sent_elsewhere(const struct directory_connection *before,
                              const struct directory_connection *after)
{
    return !is_list_same(before->uris, after->uris) || !is_same(before->tls_mode, after->tls_mode) ||
           !is_same(before->ca_certificate, after->ca_certificate) ||
           !is_same(before->bind_dn, after->bind_dn);
}

/* The present connection with a patch, checked; its password is the one that the patch brings, or the stored one. */
static enum code patched(struct db *db, const char *directory_id, const char *type, const char *present,
                         const char *sealed, const char *patch, struct problem *problem,
                         struct directory_connection *ret_connection)
{
    struct arena *arena = problem->arena;
    bool is_plain_allowed = db_settings(db)->directory_plain_allowed;
    struct directory_connection before;
    struct problem ignored = {.arena = arena};
    const char *document = patch != NULL ? merged(arena, present, patch) : present;
    if (document == NULL)
        return CODE_INTERNAL_ERROR;
    enum code code =
        directory_connection_read(arena, type, document, is_plain_allowed, ret_connection, problem);
    if (code != CODE_OK || ret_connection->bind_password != NULL || sealed == NULL ||
        ret_connection->bind_dn == NULL)
        return code;
    directory_connection_read(arena, type, present, true, &before, &ignored);
    if (patch != NULL && (ignored.first_fault != NULL || is_sent_elsewhere(&before, ret_connection))) {
        problem_add_part(
            problem, "connection", "bind_password", "required",
            "Give the password again: it would be sent to another server than it was given for.");
        return CODE_VALIDATION_FAILED;
    }
    ret_connection->bind_password = directory_open_password(db, arena, directory_id, sealed);
    return ret_connection->bind_password != NULL ? CODE_OK : CODE_INTERNAL_ERROR;
}

static enum code built_in(struct problem *problem)
{
    return problem_set(problem, CODE_DIRECTORY_STATE,
                       "The directory is built in: there is no connection to it.");
}

enum code directory_read_connection(struct db *db, const char *account_id, const char *directory_id,
                                    const char *patch, struct problem *problem,
                                    struct directory_connection *ret_connection)
{
    static const struct statement get = {"SELECT type, connection, sealed_bind_password FROM directory"
                                         " WHERE account_id = $1 AND directory_id = $2",
                                         2};
    struct arena *arena = problem->arena;
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &get, account_id, directory_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return not_found(problem);
    if (PQgetisnull(result, 0, 1))
        return built_in(problem);
    return patched(db, directory_id, row_text(arena, result, 0, "type"),
                   row_text(arena, result, 0, "connection"),
                   row_text(arena, result, 0, "sealed_bind_password"), patch, problem, ret_connection);
}

/* --- making and changing --- */

struct work {
    const char *directory_id;
    const struct directory *directory;
};

static enum code show(struct db *db, struct change *change, const char *directory_id)
{
    return directory_describe(db, change->account_id, directory_id, change->problem, &change->answer);
}

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "INSERT INTO directory (directory_id, account_id, type, name, region, connection, sealed_bind_password,"
        " sync_status) VALUES ($1, $2, $3, $4, $5, $6, $7, 'PENDING')",
        7};
    const struct work *work = argument;
    const struct directory *directory = work->directory;
    struct directory_connection connection = {0};
    const char *sealed = NULL;

    enum code code =
        directory_connection_read(change->arena, directory->type, directory->connection,
                                  db_settings(db)->directory_plain_allowed, &connection, change->problem);
    if (code == CODE_OK)
        code = seal_password(db, change->arena, work->directory_id, connection.bind_password, &sealed);
    if (code != CODE_OK)
        return code;
    limit_queue_directories(db, change->account_id, directory->region, directory->type);
    code = limit_collect(db, LIMIT_DIRECTORIES_PER_TYPE, change->problem);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, NULL, &insert, work->directory_id, change->account_id,
                      directory->type, directory->name, directory->region,
                      directory_connection_write(change->arena, &connection), sealed);
    if (code != CODE_OK)
        return code;
    change->answer.location = arena_printf(change->arena, "/v1/directories/%s", work->directory_id);
    return show(db, change, work->directory_id);
}

enum code directory_create(struct db *db, struct change *change, const struct directory *directory)
{
    struct work work = {.directory_id = id_new_directory(change->arena), .directory = directory};
    return tx_run(db, change, create_body, &work);
}

static void queue_connection(struct db *db, struct change *change, const struct work *work,
                             const struct directory_connection *connection, const char *sealed)
{
    /* With another connection the cookie may be of another server, or of other entries. */
    static const struct statement update = {
        "UPDATE directory SET connection = $2::json, sealed_bind_password = $3, connection_generation ="
        " connection_generation + 1, sync_cookie = CASE WHEN connection::jsonb = $2::json::jsonb THEN sync_cookie END,"
        " sync_failures = 0, sync_due_at = CASE WHEN sync_due_at IS NOT NULL AND sync_status = 'FAILING'"
        "  THEN now() ELSE sync_due_at END WHERE directory_id = $1",
        3};
    DB_QUEUE(db, &update, work->directory_id, directory_connection_write(change->arena, connection), sealed);
    db_note_job(db);
}

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement see = {
        "SELECT " COLUMNS ", d.sealed_bind_password AS sealed FROM directory d WHERE d.directory_id = $1", 1};
    static const struct statement rename = {
        "UPDATE directory SET name = $2, version = version + 1, updated_at = now() WHERE directory_id = $1",
        2};
    const struct work *work = argument;
    const struct directory *patch = work->directory;
    struct arena *arena = change->arena;
    struct directory present = {0};
    struct directory_connection connection;
    struct directory_row row;
    DB_RESULT before = NULL;

    directory_queue(db, change->account_id, work->directory_id);
    enum code code = directory_collect(db, arena, change->problem, &row);
    if (code == CODE_OK)
        code = tx_match(change, row.version);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &before, &see, work->directory_id);
    if (code == CODE_OK)
        code = tx_before(change, before, &directory_table);
    if (code != CODE_OK)
        return code;
    row_read(arena, before, 0, &directory_table, &present);
    if (patch->connection != NULL && !directory_type_is_external(row.type))
        return built_in(change->problem);
    if (patch->connection != NULL) {
        const char *sealed = NULL;
        code = patched(db, work->directory_id, row.type, present.connection,
                       row_text(arena, before, 0, "sealed"), patch->connection, change->problem, &connection);
        if (code == CODE_OK)
            code = seal_password(db, arena, work->directory_id, connection.bind_password, &sealed);
        if (code != CODE_OK)
            return code;
        queue_connection(db, change, work, &connection, sealed);
    }
    DB_QUEUE(db, &rename, work->directory_id, patch->name != NULL ? patch->name : present.name);
    code = db_finish(db, change->problem);
    return code == CODE_OK ? show(db, change, work->directory_id) : code;
}

enum code directory_update(struct db *db, struct change *change, const char *directory_id,
                           const struct directory *patch)
{
    struct work work = {.directory_id = directory_id, .directory = patch};
    return tx_run(db, change, update_body, &work);
}

/* --- comparing --- */

static enum code sync_body(struct db *db, struct change *change, void *argument)
{
    static const char *const steps[] = {"compare", NULL};
    /* Somebody may wait for one that has not begun: it is his as well. */
    static const struct statement find = {
        "SELECT o.operation_id, d.sync_due_at IS NOT NULL AS is_followed FROM directory d LEFT JOIN operation o"
        " ON o.operation_id = d.wanted_operation_id AND o.finished_at IS NULL WHERE d.directory_id = $1",
        1};
    static const struct statement want = {
        "UPDATE directory SET wanted_operation_id = $2, sync_full_wanted = true,"
        " sync_due_at = CASE sync_status WHEN 'FAILING' THEN now() ELSE sync_due_at END, sync_failures = 0,"
        " version = version + 1, updated_at = now() WHERE directory_id = $1",
        2};
    const char *directory_id = argument;
    struct directory_row row;
    DB_RESULT result = NULL;
    bool over;

    directory_queue(db, change->account_id, directory_id);
    enum code code = directory_collect(db, change->arena, change->problem, &row);
    if (code == CODE_OK)
        code = tx_match(change, row.version);
    if (code == CODE_OK && !directory_type_is_external(row.type))
        code = built_in(change->problem);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &result, &find, directory_id);
    if (code != CODE_OK)
        return code;
    if (!row_flag(result, 0, "is_followed"))
        return problem_set(change->problem, CODE_DIRECTORY_STATE,
                           "No organization uses the directory, or its set-up goes on: it is not followed.");
    const char *operation_id = row_text(change->arena, result, 0, "operation_id");
    if (operation_id == NULL) {
        operation_id = id_new_uuid(change->arena);
        operation_insert(db, change, operation_id, row.organization_id,
                         arena_printf(change->arena, "/v1/directories/%s", directory_id), steps);
    }
    DB_QUEUE(db, &want, directory_id, operation_id);
    code = db_finish(db, change->problem);
    if (code != CODE_OK)
        return code;
    db_note_job(db);
    change->answer.location = arena_printf(change->arena, "/v1/operations/%s", operation_id);
    operation_queue(db, change->account_id, NULL, operation_id);
    return operation_collect(db, change->problem, &change->answer.body, &over);
}

enum code directory_sync(struct db *db, struct change *change, const char *directory_id)
{
    return tx_run(db, change, sync_body, arena_string(change->arena, directory_id));
}
