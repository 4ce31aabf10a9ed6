#include <string.h>

#include "db/iam.h"
#include "db/limit.h"
#include "db/row.h"
#include "model/id.h"

#define COLUMNS                                                                                                        \
    "p.policy_id, p.name, p.description, p.account_id IS NULL AS managed, p.document, p.document_version, p.warnings," \
    " (SELECT count(*) FROM iam_user_policy a WHERE a.policy_id = p.policy_id AND a.account_id = $1)"                  \
    " + (SELECT count(*) FROM iam_group_policy a WHERE a.policy_id = p.policy_id AND a.account_id = $1)"               \
    " AS attachment_count, p.created_at, p.updated_at"
#define FROM "FROM policy p WHERE (p.account_id = $1 OR p.account_id IS NULL)"

enum code iam_describe_policy(struct db *db, const char *account_id, const char *policy_id,
                              struct problem *problem, struct answer *answer)
{
    static const struct statement get = {"SELECT " COLUMNS ", p.version " FROM " AND p.policy_id = $2", 2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &get, account_id, policy_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return CODE_POLICY_NOT_FOUND;
    /* Of a managed policy the version stays while attachments come and go: it is told by what is shown. */
    if (!row_flag(result, 0, "managed"))
        answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, 0, &policy_table, &answer->body);
}

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct iam_query),
    LIST_ORDER_ROW(struct iam_query),
    FIELD_STRING_ROW(struct iam_query, name, 0, 1, 128),
};
const struct field_table policy_query_table = FIELD_TABLE("list_policies_query", query_fields);

enum code iam_list_policies(struct db *db, const char *account_id, void *asked, struct problem *problem,
                            struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &policy_table,
        .columns = COLUMNS,
        .from = FROM,
        .fixed = 1,
        .filters = {" AND p.name = $?"},
        .visible = " AND p.policy_id = ANY($?::uuid[])",
        .orders = {{"name", "p.name", "text"}, {"created_at", "p.created_at", "timestamptz"}},
        .default_order = "name",
        .id = "p.policy_id",
        .id_type = "uuid",
    };
    struct iam_query *query = asked;
    query->page.filters[0] = query->name;
    return list_run(db, &list, &query->page, &account_id, problem, out, ret_next_token);
}

struct work {
    struct grant grant;
    const char *policy_id;
    const struct iam_policy *policy; /* new, or a patch */
    uint64_t set;
    const struct policy *compiled;
    const char *warnings;
};

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "INSERT INTO policy (policy_id, account_id, name, description, document, warnings)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        6};
    struct work *work = argument;
    iam_queue_begin(db, change, &work->grant);
    enum code code = iam_collect_grant(db, change, &work->grant);
    if (code == CODE_OK)
        code = iam_check_policy(change, &work->grant, work->compiled, work->policy->name);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, NULL, &insert, work->policy_id, change->account_id,
                      work->policy->name, work->policy->description, work->policy->document, work->warnings);
    if (code == CODE_OK) {
        limit_queue_identities(db, change->account_id, LIMIT_POLICIES);
        code = limit_collect(db, LIMIT_POLICIES, change->problem);
    }
    if (code != CODE_OK)
        return code;
    change->answer.location = arena_printf(change->arena, "/v1/iam/policies/%s", work->policy_id);
    return iam_describe_policy(db, change->account_id, work->policy_id, change->problem, &change->answer);
}

enum code iam_create_policy(struct db *db, struct change *change, const struct granter *granter,
                            const struct iam_policy *policy, const struct policy *compiled,
                            const char *warnings)
{
    struct work work = {.grant = {.granter = granter},
                        .policy_id = id_new_uuid(change->arena),
                        .policy = policy,
                        .compiled = compiled,
                        .warnings = warnings};
    return iam_run(db, change, &work.grant, create_body, &work);
}

struct old {
    struct iam_policy policy;
    const char *warnings;
    bool has_deny;
};

/* For a change: there, of the account, and not managed. */
static enum code lock_policy(struct db *db, struct change *change, struct work *work, struct old *ret_old)
{
    static const struct statement get = {
        "SELECT name, description, document::text AS document, warnings::text AS warnings, version,"
        " account_id IS NULL AS managed " FROM " AND p.policy_id = $2",
        2};
    DB_RESULT result = NULL;
    struct problem unwanted = {.arena = change->arena};
    iam_queue_begin(db, change, &work->grant);
    DB_QUEUE(db, &get, change->account_id, work->policy_id);
    enum code code = iam_collect_grant(db, change, &work->grant);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return CODE_POLICY_NOT_FOUND;
    if (row_flag(result, 0, "managed"))
        return CODE_MANAGED_POLICY;
    struct answer before = {.body.arena = change->arena};
    code = iam_describe_policy(db, change->account_id, work->policy_id, change->problem, &before);
    if (code != CODE_OK)
        return code;
    change->audit.before = before.body;
    row_read(change->arena, result, 0, &policy_table, &ret_old->policy);
    ret_old->warnings = row_text(change->arena, result, 0, "warnings");
    const char *document = ret_old->policy.document;
    const struct policy *compiled =
        policy_compile(change->arena, document, strlen(document), "", &unwanted, NULL);
    ret_old->has_deny = compiled == NULL || policy_has_deny(compiled);
    return tx_match(change, PQgetvalue(result, 0, PQfnumber(result, "version")));
}

/* What an Allow gives, or an old Deny that may be gone or narrower, is for all who have the policy: their credentials, and in
 * the latter case what they may do now. */
static enum code check_users(struct db *db, struct change *change, const struct work *work, bool had_deny)
{
    static const struct statement credentials = {
        IAM_CREDENTIALS(" IN (SELECT mine.iam_user_id FROM iam_user_authority mine"
                        "  WHERE mine.account_id = $1 AND mine.policy_id = $2)"),
        2};
    static const struct statement now_have = {
        "SELECT DISTINCT p.policy_id, p.name, p.document::text AS document FROM iam_user_authority mine"
        " JOIN iam_user_authority a ON a.account_id = mine.account_id AND a.iam_user_id = mine.iam_user_id"
        " JOIN policy p ON p.policy_id = a.policy_id WHERE mine.account_id = $1 AND mine.policy_id = $2",
        2};
    const char *const parameters[] = {change->account_id, work->policy_id};
    enum code code = CODE_OK;
    if (had_deny || policy_has_allow(work->compiled))
        code = iam_check_limits(db, change, &work->grant, &credentials, parameters);
    if (code != CODE_OK || !had_deny)
        return code;
    db_queue_parameters(db, &now_have, parameters, 2);
    return iam_collect_held(db, change, &work->grant, NULL);
}

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE policy SET description = $3, document = $4::text::json, warnings = $5, version = version + 1, updated_at = now(),"
        " document_version = document_version + CASE WHEN document::text <> $4::text THEN 1 ELSE 0 END"
        " WHERE account_id = $1 AND policy_id = $2",
        5};
    struct work *work = argument;
    struct old old = {0};
    enum code code = lock_policy(db, change, work, &old);
    if (code == CODE_OK && work->compiled != NULL)
        code = iam_check_policy(change, &work->grant, work->compiled, old.policy.name);
    if (code != CODE_OK)
        return code;
    field_merge(&policy_table, work->set, work->policy, &old.policy);
    code = DB_RUN(db, change->problem, NULL, &update, change->account_id, work->policy_id,
                  old.policy.description, old.policy.document,
                  work->compiled != NULL ? work->warnings : old.warnings);
    if (code == CODE_OK && work->compiled != NULL)
        code = check_users(db, change, work, old.has_deny);
    return code == CODE_OK ? iam_describe_policy(db, change->account_id, work->policy_id, change->problem,
                                                 &change->answer)
                           : code;
}

enum code iam_update_policy(struct db *db, struct change *change, const struct granter *granter,
                            const char *policy_id, const struct iam_policy *patch, uint64_t set,
                            const struct policy *compiled, const char *warnings)
{
    struct work work = {.grant = {.granter = granter},
                        .policy_id = policy_id,
                        .policy = patch,
                        .set = set,
                        .compiled = compiled,
                        .warnings = warnings};
    return iam_run(db, change, &work.grant, update_body, &work);
}

static enum code delete_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement delete = {"DELETE FROM policy WHERE account_id = $1 AND policy_id = $2", 2};
    struct work *work = argument;
    struct old old = {0};
    enum code code = lock_policy(db, change, work, &old);
    return code == CODE_OK ? DB_RUN(db, change->problem, NULL, &delete, change->account_id, work->policy_id)
                           : code;
}

enum code iam_delete_policy(struct db *db, struct change *change, const char *policy_id)
{
    struct work work = {.policy_id = policy_id};
    return tx_run(db, change, delete_body, &work);
}
