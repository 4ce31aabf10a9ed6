#include "db/iam.h"
#include "db/limit.h"
#include "db/row.h"
#include "model/id.h"

#define COLUMNS                                                                                                      \
    "g.iam_group_id, g.name,"                                                                                        \
    " (SELECT coalesce(json_agg(json_build_object('policy_id', p.policy_id, 'name', p.name) ORDER BY p.name), '[]')" \
    "  FROM iam_group_policy a JOIN policy p ON p.policy_id = a.policy_id"                                           \
    "  WHERE a.account_id = g.account_id AND a.iam_group_id = g.iam_group_id) AS policies,"                          \
    " (SELECT count(*) FROM iam_group_member m WHERE m.account_id = g.account_id"                                    \
    "  AND m.iam_group_id = g.iam_group_id) AS member_count, g.created_at, g.updated_at"

enum code iam_describe_group(struct db *db, const char *account_id, const char *iam_group_id,
                             struct problem *problem, struct answer *answer)
{
    static const struct statement get = {
        "SELECT " COLUMNS ", g.version FROM iam_group g WHERE g.account_id = $1 AND g.iam_group_id = $2", 2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &get, account_id, iam_group_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return CODE_IAM_GROUP_NOT_FOUND;
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, 0, &iam_group_table, &answer->body);
}

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct iam_query),
    LIST_ORDER_ROW(struct iam_query),
    FIELD_STRING_ROW(struct iam_query, name, 0, 1, IAM_NAME_MAX),
};
const struct field_table iam_group_query_table = FIELD_TABLE("list_iam_groups_query", query_fields);

enum code iam_list_groups(struct db *db, const char *account_id, void *asked, struct problem *problem,
                          struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &iam_group_table,
        .columns = COLUMNS,
        .from = "FROM iam_group g WHERE g.account_id = $1",
        .fixed = 1,
        .filters = {" AND g.name = $?"},
        .visible = " AND g.iam_group_id = ANY($?::uuid[])",
        .orders = {{"name", "g.name", "text"}, {"created_at", "g.created_at", "timestamptz"}},
        .default_order = "name",
        .id = "g.iam_group_id",
        .id_type = "uuid",
    };
    struct iam_query *query = asked;
    query->page.filters[0] = query->name;
    return list_run(db, &list, &query->page, &account_id, problem, out, ret_next_token);
}

static const struct field member_query_fields[] = {LIST_PAGE_ROWS(struct iam_query)};
const struct field_table iam_member_query_table =
    FIELD_TABLE("list_iam_group_members_query", member_query_fields);

enum code iam_list_members(struct db *db, const char *account_id, const char *iam_group_id,
                           struct iam_query *query, struct problem *problem, struct buffer *out,
                           const char **ret_next_token)
{
    static const struct statement find = {"SELECT FROM iam_group WHERE account_id = $1 AND iam_group_id = $2",
                                          2};
    static const struct list_spec list = {
        .table = &iam_member_table,
        .columns = "u.iam_user_id, u.name",
        .from = "FROM iam_group_member m JOIN iam_user u ON u.account_id = m.account_id"
                " AND u.iam_user_id = m.iam_user_id WHERE m.account_id = $1 AND m.iam_group_id = $2",
        .fixed = 2,
        .visible = " AND u.iam_user_id = ANY($?::uuid[])",
        .orders = {{"name", "u.name", "text"}},
        .default_order = "name",
        .id = "u.iam_user_id",
        .id_type = "uuid",
    };
    const char *const fixed[] = {account_id, iam_group_id};
    return iam_list_of(db, &find, CODE_IAM_GROUP_NOT_FOUND, &list, &query->page, fixed, problem, out,
                       ret_next_token);
}

struct work {
    const struct iam_group *group;
    const char *iam_group_id;
};

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "INSERT INTO iam_group (account_id, iam_group_id, name) VALUES ($1, $2, $3)", 3};
    const struct work *work = argument;
    iam_queue_begin(db, change, NULL);
    DB_QUEUE(db, &insert, change->account_id, work->iam_group_id, work->group->name);
    limit_queue_identities(db, change->account_id, LIMIT_IAM_GROUPS);
    enum code code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = limit_collect(db, LIMIT_IAM_GROUPS, change->problem);
    if (code != CODE_OK)
        return code;
    change->answer.location = arena_printf(change->arena, "/v1/iam/groups/%s", work->iam_group_id);
    return iam_describe_group(db, change->account_id, work->iam_group_id, change->problem, &change->answer);
}

enum code iam_create_group(struct db *db, struct change *change, const struct iam_group *group)
{
    struct work work = {.group = group, .iam_group_id = id_new_uuid(change->arena)};
    return tx_run(db, change, create_body, &work);
}

/* A group that somebody is in, or that has policies, may hold a Deny: it is emptied first, one by one. */
static enum code delete_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement get = {
        "SELECT version FROM iam_group WHERE account_id = $1 AND iam_group_id = $2", 2};
    static const struct statement delete = {
        "DELETE FROM iam_group WHERE account_id = $1 AND iam_group_id = $2", 2};
    const struct work *work = argument;
    iam_queue_begin(db, change, NULL);
    DB_QUEUE(db, &get, change->account_id, work->iam_group_id);
    enum code code = iam_collect_version(db, change, CODE_IAM_GROUP_NOT_FOUND);
    struct answer before = {.body.arena = change->arena};
    if (code == CODE_OK)
        code = iam_describe_group(db, change->account_id, work->iam_group_id, change->problem, &before);
    change->audit.before = before.body;
    return code == CODE_OK
               ? DB_RUN(db, change->problem, NULL, &delete, change->account_id, work->iam_group_id)
               : code;
}

enum code iam_delete_group(struct db *db, struct change *change, const char *iam_group_id)
{
    struct work work = {.iam_group_id = iam_group_id};
    return tx_run(db, change, delete_body, &work);
}
