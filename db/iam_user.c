#include "db/iam.h"
#include "db/limit.h"
#include "db/row.h"
#include "model/id.h"

#define COLUMNS                                                                                                      \
    "u.iam_user_id, u.name, u.path,"                                                                                 \
    " (SELECT coalesce(json_agg(json_build_object('iam_group_id', g.iam_group_id, 'name', g.name) ORDER BY g.name)," \
    "   '[]') FROM iam_group_member m JOIN iam_group g ON g.account_id = m.account_id"                               \
    "   AND g.iam_group_id = m.iam_group_id"                                                                         \
    "  WHERE m.account_id = u.account_id AND m.iam_user_id = u.iam_user_id) AS groups,"                              \
    " (SELECT coalesce(json_agg(json_build_object('policy_id', p.policy_id, 'name', p.name) ORDER BY p.name), '[]')" \
    "  FROM iam_user_policy a JOIN policy p ON p.policy_id = a.policy_id"                                            \
    "  WHERE a.account_id = u.account_id AND a.iam_user_id = u.iam_user_id) AS policies,"                            \
    " u.password_hash IS NOT NULL AS has_password, u.created_at, u.updated_at"

enum code iam_describe_user(struct db *db, const char *account_id, const char *iam_user_id,
                            struct problem *problem, struct answer *answer)
{
    static const struct statement get = {
        "SELECT " COLUMNS ", u.version FROM iam_user u WHERE u.account_id = $1 AND u.iam_user_id = $2", 2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &get, account_id, iam_user_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return CODE_IAM_USER_NOT_FOUND;
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, 0, &iam_user_table, &answer->body);
}

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct iam_query),
    LIST_ORDER_ROW(struct iam_query),
    FIELD_STRING_ROW(struct iam_query, name, 0, 1, IAM_NAME_MAX),
};
const struct field_table iam_user_query_table = FIELD_TABLE("list_iam_users_query", query_fields);

enum code iam_list_users(struct db *db, const char *account_id, void *asked, struct problem *problem,
                         struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &iam_user_table,
        .columns = COLUMNS,
        .from = "FROM iam_user u WHERE u.account_id = $1",
        .fixed = 1,
        .filters = {" AND u.name = $?"},
        .visible = " AND u.iam_user_id = ANY($?::uuid[])",
        .orders = {{"name", "u.name", "text"}, {"created_at", "u.created_at", "timestamptz"}},
        .default_order = "name",
        .id = "u.iam_user_id",
        .id_type = "uuid",
    };
    struct iam_query *query = asked;
    query->page.filters[0] = query->name;
    return list_run(db, &list, &query->page, &account_id, problem, out, ret_next_token);
}

struct work {
    struct grant grant;
    const struct iam_user *user;
    const char *iam_user_id;
    const char *hash;
};

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "INSERT INTO iam_user (account_id, iam_user_id, name, path) VALUES ($1, $2, $3, $4)", 4};
    const struct work *work = argument;
    iam_queue_begin(db, change, NULL);
    DB_QUEUE(db, &insert, change->account_id, work->iam_user_id, work->user->name, work->user->path);
    limit_queue_identities(db, change->account_id, LIMIT_IAM_USERS);
    enum code code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = limit_collect(db, LIMIT_IAM_USERS, change->problem);
    if (code != CODE_OK)
        return code;
    change->answer.location = arena_printf(change->arena, "/v1/iam/users/%s", work->iam_user_id);
    return iam_describe_user(db, change->account_id, work->iam_user_id, change->problem, &change->answer);
}

enum code iam_create_user(struct db *db, struct change *change, const struct iam_user *user)
{
    struct work work = {.user = user, .iam_user_id = id_new_uuid(change->arena)};
    return tx_run(db, change, create_body, &work);
}

static enum code lock_user(struct db *db, struct change *change, struct grant *grant, const char *iam_user_id)
{
    static const struct statement get = {
        "SELECT version FROM iam_user WHERE account_id = $1 AND iam_user_id = $2", 2};
    iam_queue_begin(db, change, grant);
    DB_QUEUE(db, &get, change->account_id, iam_user_id);
    enum code code = iam_collect_grant(db, change, grant);
    if (code == CODE_OK)
        code = iam_collect_version(db, change, CODE_IAM_USER_NOT_FOUND);
    struct answer before = {.body.arena = change->arena};
    if (code == CODE_OK)
        code = iam_describe_user(db, change->account_id, iam_user_id, change->problem, &before);
    change->audit.before = before.body;
    return code;
}

static enum code delete_body(struct db *db, struct change *change, void *argument)
{
    /* What shows how many it has: the user is one less. */
    static const struct statement touch_groups = {
        "UPDATE iam_group SET version = version + 1, updated_at = now() WHERE account_id = $1 AND iam_group_id IN"
        " (SELECT m.iam_group_id FROM iam_group_member m WHERE m.account_id = $1 AND m.iam_user_id = $2)",
        2};
    static const struct statement touch_policies = {
        "UPDATE policy SET version = version + 1, updated_at = now() WHERE account_id = $1 AND policy_id IN"
        " (SELECT a.policy_id FROM iam_user_policy a WHERE a.account_id = $1 AND a.iam_user_id = $2)",
        2};
    static const struct statement delete = {"DELETE FROM iam_user WHERE account_id = $1 AND iam_user_id = $2",
                                            2};
    struct work *work = argument;
    enum code code = lock_user(db, change, &work->grant, work->iam_user_id);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &touch_groups, change->account_id, work->iam_user_id);
    DB_QUEUE(db, &touch_policies, change->account_id, work->iam_user_id);
    DB_QUEUE(db, &delete, change->account_id, work->iam_user_id);
    return CODE_OK;
}

enum code iam_delete_user(struct db *db, struct change *change, const char *iam_user_id)
{
    struct work work = {.iam_user_id = iam_user_id};
    return tx_run(db, change, delete_body, &work);
}

static enum code password_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE iam_user SET password_hash = $3, version = version + 1, updated_at = now()"
        " WHERE account_id = $1 AND iam_user_id = $2",
        3};
    static const struct statement end = {"DELETE FROM iam_session WHERE account_id = $1 AND iam_user_id = $2",
                                         2};
    struct work *work = argument;
    enum code code = lock_user(db, change, &work->grant, work->iam_user_id);
    if (code == CODE_OK && work->hash != NULL)
        code = iam_check_credential(db, change, &work->grant, work->iam_user_id, NULL, NULL);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &update, change->account_id, work->iam_user_id, work->hash);
    DB_QUEUE(db, &end, change->account_id, work->iam_user_id);
    code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, NULL);
    struct answer after = {.body.arena = change->arena};
    if (code == CODE_OK)
        code = iam_describe_user(db, change->account_id, work->iam_user_id, change->problem, &after);
    change->audit.after = after.body;
    return code;
}

enum code iam_set_password(struct db *db, struct change *change, const struct granter *granter,
                           const char *iam_user_id, const char *hash)
{
    struct work work = {.grant = {.granter = granter}, .iam_user_id = iam_user_id, .hash = hash};
    return iam_run(db, change, &work.grant, password_body, &work);
}
