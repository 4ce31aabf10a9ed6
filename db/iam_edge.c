#include <string.h>

#include "db/iam.h"
#include "db/limit.h"

#define OF_GROUP  "iam_group WHERE account_id = $1 AND iam_group_id = $2"
#define OF_USER   "iam_user WHERE account_id = $1 AND iam_user_id = $2"
#define OF_POLICY "policy WHERE policy_id = $2 AND (account_id = $1 OR account_id IS NULL)"
#define NOW_HAVE                                                                                  \
    "SELECT DISTINCT p.policy_id, p.name, p.document::text AS document FROM iam_user_authority a" \
    " JOIN policy p ON p.policy_id = a.policy_id WHERE a.account_id = $1 AND a.iam_user_id "
#define OF_MEMBERS \
    " IN (SELECT m.iam_user_id FROM iam_group_member m WHERE m.account_id = $1 AND m.iam_group_id = $2)"
#define TOUCH " SET version = version + 1, updated_at = now() WHERE account_id = $1 AND "

/* The three kinds are the same but for their tables: left has right, or right is in left. */
static const struct {
    enum code left_missing, right_missing;
    struct statement left, right; /* by account and id: of left the version, of right what the log shows */
    struct statement put, remove; /* account, left, right */
    struct statement touch;       /* account, left */
    struct statement touch_right; /* account, right: what shows its side of the edge too */
    struct statement given;       /* account, left, right: the policies that go along it */
    struct statement credentials; /* account, left, right: of the users whom it concerns */
    struct statement now_have;    /* account, left, right: all policies of the users whom its end concerns */
    enum limit limit;             /* of how many … */
    bool limits_right;            /* … the right one has, not the left one */
} edges[] = {
    [IAM_USER_POLICY] =
        {CODE_IAM_USER_NOT_FOUND,
         CODE_POLICY_NOT_FOUND,
         {"SELECT version FROM " OF_USER, 2},
         {"SELECT json_build_object('policy_id', policy_id, 'name', name) FROM " OF_POLICY, 2},
         {"INSERT INTO iam_user_policy (account_id, iam_user_id, policy_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
          3},
         {"DELETE FROM iam_user_policy WHERE account_id = $1 AND iam_user_id = $2 AND policy_id = $3", 3},
         {"UPDATE iam_user" TOUCH "iam_user_id = $2", 2},
         {"UPDATE policy" TOUCH "policy_id = $2", 2},
         {"SELECT policy_id, name, document FROM policy WHERE policy_id = $3 AND (account_id = $1 OR account_id IS NULL)"
          " AND $2::text IS NOT NULL",
          3},
         {IAM_CREDENTIALS(" = $2 AND $3::text IS NOT NULL"), 3},
         {NOW_HAVE "= $2 AND $3::text IS NOT NULL", 3},
         LIMIT_POLICIES_PER_IDENTITY,
         false},
    [IAM_GROUP_POLICY] =
        {CODE_IAM_GROUP_NOT_FOUND,
         CODE_POLICY_NOT_FOUND,
         {"SELECT version FROM " OF_GROUP, 2},
         {"SELECT json_build_object('policy_id', policy_id, 'name', name) FROM " OF_POLICY, 2},
         {"INSERT INTO iam_group_policy (account_id, iam_group_id, policy_id) VALUES ($1, $2, $3)"
          " ON CONFLICT DO NOTHING",
          3},
         {"DELETE FROM iam_group_policy WHERE account_id = $1 AND iam_group_id = $2 AND policy_id = $3", 3},
         {"UPDATE iam_group" TOUCH "iam_group_id = $2", 2},
         {"UPDATE policy" TOUCH "policy_id = $2", 2},
         {"SELECT policy_id, name, document FROM policy WHERE policy_id = $3 AND (account_id = $1 OR account_id IS NULL)"
          " AND $2::text IS NOT NULL",
          3},
         {IAM_CREDENTIALS(OF_MEMBERS " AND $3::text IS NOT NULL"), 3},
         {NOW_HAVE OF_MEMBERS " AND $3::text IS NOT NULL", 3},
         LIMIT_POLICIES_PER_IDENTITY,
         false},
    [IAM_GROUP_MEMBER] =
        {CODE_IAM_GROUP_NOT_FOUND,
         CODE_IAM_USER_NOT_FOUND,
         {"SELECT version FROM " OF_GROUP, 2},
         {"SELECT json_build_object('iam_user_id', iam_user_id, 'name', name) FROM " OF_USER, 2},
         {"INSERT INTO iam_group_member (account_id, iam_group_id, iam_user_id) VALUES ($1, $2, $3)"
          " ON CONFLICT DO NOTHING",
          3},
         {"DELETE FROM iam_group_member WHERE account_id = $1 AND iam_group_id = $2 AND iam_user_id = $3", 3},
         {"UPDATE iam_group" TOUCH "iam_group_id = $2", 2},
         {"UPDATE iam_user" TOUCH "iam_user_id = $2", 2},
         {"SELECT p.policy_id, p.name, p.document FROM iam_group_policy a JOIN policy p ON p.policy_id = a.policy_id"
          " WHERE a.account_id = $1 AND a.iam_group_id = $2 AND $3::text IS NOT NULL",
          3},
         {IAM_CREDENTIALS(" = $3 AND $2::text IS NOT NULL"), 3},
         {NOW_HAVE "= $3 AND $2::text IS NOT NULL", 3},
         LIMIT_GROUPS_PER_USER,
         true},
};

struct work {
    struct grant grant;
    enum iam_edge edge;
    const char *left, *right;
    bool puts;
};

static enum code find_ends(struct db *db, struct change *change, struct work *work, struct buffer *ret_right)
{
    DB_RESULT result = NULL;
    iam_queue_begin(db, change, &work->grant);
    DB_QUEUE(db, &edges[work->edge].left, change->account_id, work->left);
    DB_QUEUE(db, &edges[work->edge].right, change->account_id, work->right);
    enum code code = iam_collect_grant(db, change, &work->grant);
    if (code == CODE_OK)
        code = iam_collect_version(db, change, edges[work->edge].left_missing);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code == CODE_OK && PQntuples(result) == 0)
        return edges[work->edge].right_missing;
    if (code == CODE_OK)
        buffer_text(ret_right, PQgetvalue(result, 0, 0));
    return code;
}

/* What goes along the edge must be held when it is made. When it ends what matters is whether a Deny goes with it. */
static enum code check_before(struct db *db, struct change *change, const struct work *work, bool *ret_gives)
{
    struct iam_content content;
    DB_QUEUE(db, &edges[work->edge].given, change->account_id, work->left, work->right);
    enum code code = iam_collect_held(db, change, work->puts ? &work->grant : NULL, &content);
    *ret_gives = work->puts ? content.allows : content.denies;
    return code;
}

/* Of what gives something. Once a Deny has gone the granter must hold all that those whom it concerned have by now. */
static enum code check_after(struct db *db, struct change *change, const struct work *work)
{
    const char *const parameters[] = {change->account_id, work->left, work->right};
    enum code code = iam_check_limits(db, change, &work->grant, &edges[work->edge].credentials, parameters);
    if (code != CODE_OK || work->puts)
        return code;
    db_queue_parameters(db, &edges[work->edge].now_have, parameters, 3);
    return iam_collect_held(db, change, &work->grant, NULL);
}

/* Once it is made: what is so already is no more. */
static enum code check_limit(struct db *db, struct change *change, const struct work *work)
{
    enum limit limit = edges[work->edge].limit;
    limit_queue_of_identity(db, change->account_id, limit,
                            edges[work->edge].limits_right ? work->right : work->left);
    return limit_collect(db, limit, change->problem);
}

static enum code edge_body(struct db *db, struct change *change, void *argument)
{
    struct work *work = argument;
    DB_RESULT result = NULL;
    struct buffer right = {.arena = change->arena};
    bool gives = false;
    enum code code = find_ends(db, change, work, &right);
    if (code == CODE_OK)
        code = check_before(db, change, work, &gives);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &result,
                      work->puts ? &edges[work->edge].put : &edges[work->edge].remove, change->account_id,
                      work->left, work->right);
    if (code != CODE_OK)
        return code;
    bool is_so_already = strcmp(PQcmdTuples(result), "0") == 0;
    if (work->puts == is_so_already)
        change->audit.before = right;
    if (work->puts)
        change->audit.after = right;
    if (is_so_already)
        return CODE_OK;
    if (work->puts)
        code = check_limit(db, change, work);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &edges[work->edge].touch, change->account_id, work->left);
    DB_QUEUE(db, &edges[work->edge].touch_right, change->account_id, work->right);
    if (!gives)
        return CODE_OK;
    code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, NULL);
    return code == CODE_OK ? check_after(db, change, work) : code;
}

enum code iam_put_edge(struct db *db, struct change *change, const struct granter *granter,
                       enum iam_edge edge, const char *left, const char *right)
{
    struct work work = {
        .grant = {.granter = granter}, .edge = edge, .left = left, .right = right, .puts = true};
    return iam_run(db, change, &work.grant, edge_body, &work);
}

enum code iam_remove_edge(struct db *db, struct change *change, const struct granter *granter,
                          enum iam_edge edge, const char *left, const char *right)
{
    struct work work = {.grant = {.granter = granter}, .edge = edge, .left = left, .right = right};
    return iam_run(db, change, &work.grant, edge_body, &work);
}
