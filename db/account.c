#include "db/account.h"

#include <string.h>

#include "db/identity.h"
#include "db/row.h"
#include "model/job.h"
#include "model/json_out.h"
#include "model/limit.h"

#define ON_TRIAL "a.is_trial AND coalesce(a.trial_ends_at > now(), true)"

/* $1 and $2 are the code of the limit of a trial's users and its default. */
#define COLUMNS                                                                                             \
    "a.account_id, a.name, a.status, CASE WHEN " ON_TRIAL " THEN a.trial_ends_at END AS \"trial.ends_at\"," \
    " CASE WHEN " ON_TRIAL " THEN coalesce((SELECT l.value FROM account_limit l"                            \
    "  WHERE l.account_id = a.account_id AND l.code = $1), $2::bigint) END AS \"trial.user_limit\","        \
    " a.created_at, a.updated_at"

static void queue_view(struct db *db, struct arena *arena, const char *account_id)
{
    static const struct statement get = {
        "SELECT " COLUMNS ", a.version FROM account a WHERE a.account_id = $3", 3};
    const struct limit_row *limit = &limit_rows[LIMIT_TRIAL_USERS];
    DB_QUEUE(db, &get, limit->code, row_integer(arena, limit->value), account_id);
}

static enum code collect_view(struct db *db, struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0) /* whoever asks was authenticated as one of it */
        return CODE_INTERNAL_ERROR;
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, 0, &account_table, &answer->body);
}

enum code account_describe(struct db *db, const char *account_id, struct problem *problem,
                           struct answer *answer)
{
    queue_view(db, problem->arena, account_id);
    return collect_view(db, problem, answer);
}

enum code account_list(struct db *db, struct problem *problem, struct buffer *out)
{
    static const struct statement list = {
        "SELECT " COLUMNS " FROM account a ORDER BY a.created_at, a.account_id", 2};
    const struct limit_row *limit = &limit_rows[LIMIT_TRIAL_USERS];
    DB_RESULT result = NULL;
    enum code code =
        DB_RUN(db, problem, &result, &list, limit->code, row_integer(problem->arena, limit->value));
    if (code != CODE_OK)
        return code;
    out_begin_object(out);
    out_name(out, "items");
    out_begin_array(out);
    code = row_write_all(result, PQntuples(result), &account_table, out);
    out_end_array(out);
    out_end_object(out);
    return code;
}

/* --- changing --- */

/* A request may have waited here for its account's end. */
static enum code collect_lock(struct db *db, struct change *change, PGresult **ret_account)
{
    static const struct statement lock = {"SELECT name, version, " ON_TRIAL " AS is_on_trial FROM account a"
                                          " WHERE account_id = $1 AND status = 'ACTIVE' FOR NO KEY UPDATE",
                                          1};
    enum code code = DB_RUN(db, change->problem, ret_account, &lock, change->account_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(*ret_account) == 0)
        return problem_set(change->problem, CODE_UNAUTHENTICATED,
                           "The account is closed, or there is none with this id.");
    return CODE_OK;
}

enum code account_lock(struct db *db, struct change *change)
{
    DB_RESULT account = NULL;
    return collect_lock(db, change, &account);
}

/* For a change of the account itself: compares If-Match, and notes what it was. */
static enum code lock_to_change(struct db *db, struct change *change, PGresult **ret_account)
{
    DB_RESULT view = NULL;
    enum code code = collect_lock(db, change, ret_account);
    if (code != CODE_OK)
        return code;
    code = tx_match(change, PQgetvalue(*ret_account, 0, PQfnumber(*ret_account, "version")));
    if (code != CODE_OK)
        return code;
    queue_view(db, change->arena, change->account_id);
    code = db_collect(db, change->problem, &view);
    return code == CODE_OK ? tx_before(change, view, &account_table) : code;
}

/* What a change that does not answer the account has made of it. */
static enum code note_after(struct db *db, struct change *change)
{
    struct answer after = {.body.arena = change->arena};
    queue_view(db, change->arena, change->account_id);
    enum code code = collect_view(db, change->problem, &after);
    change->audit.target = "/v1/account";
    change->audit.after = after.body;
    return code;
}

struct updating {
    const struct account *patch;
    uint64_t set;
};

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE account SET name = $2, version = version + 1, updated_at = now() WHERE account_id = $1", 2};
    const struct updating *updating = argument;
    struct account account = {0};
    DB_RESULT before = NULL;

    enum code code = lock_to_change(db, change, &before);
    if (code != CODE_OK)
        return code;
    row_read(change->arena, before, 0, &account_table, &account);
    field_merge(&account_table, updating->set, updating->patch, &account);
    DB_QUEUE(db, &update, change->account_id, account.name);
    queue_view(db, change->arena, change->account_id);
    code = db_collect(db, change->problem, NULL);
    return code == CODE_OK ? collect_view(db, change->problem, &change->answer) : code;
}

enum code account_update(struct db *db, struct change *change, const struct account *patch, uint64_t set)
{
    struct updating updating = {.patch = patch, .set = set};
    return tx_run(db, change, update_body, &updating);
}

static enum code end_trial_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement end = {
        "UPDATE account SET is_trial = false, version = version + 1, updated_at = now() WHERE account_id = $1",
        1};
    DB_RESULT account = NULL;
    (void)argument;
    enum code code = lock_to_change(db, change, &account);
    if (code != CODE_OK)
        return code;
    if (!row_flag(account, 0, "is_on_trial"))
        return problem_set(change->problem, CODE_BAD_REQUEST, "The account is not on trial.");
    code = DB_RUN(db, change->problem, NULL, &end, change->account_id);
    return code == CODE_OK ? note_after(db, change) : code;
}

enum code account_end_trial(struct db *db, struct change *change)
{
    return tx_run(db, change, end_trial_body, NULL);
}

void account_queue_begin_trial(struct db *db, struct arena *arena, const char *account_id)
{
    static const struct statement begin = {
        "UPDATE account SET version = version + 1, updated_at = now(), trial_ends_at = now()"
        " + make_interval(days => coalesce((SELECT value FROM account_limit WHERE account_id = $1 AND code = $2),"
        "  $3::bigint)::integer)"
        " WHERE account_id = $1 AND is_trial AND trial_ends_at IS NULL",
        3};
    const struct limit_row *limit = &limit_rows[LIMIT_TRIAL_DAYS];
    DB_QUEUE(db, &begin, account_id, limit->code, row_integer(arena, limit->value));
}

/* --- closing --- */

#define IS_LEFT "account_id = $1 AND state NOT IN ('DELETING', 'DELETED')"

/* All of them at once, however many: who works in one of them is waited for, who comes later finds it DELETING. */
static void queue_remove_organizations(struct db *db, const struct change *change)
{
    static const struct statement lock = {
        "SELECT pg_advisory_xact_lock(hashtextextended(organization_id, 7264)) FROM"
        " (SELECT organization_id FROM organization WHERE " IS_LEFT " ORDER BY organization_id) o",
        1};
    static const struct statement remove = {
        "WITH going AS (SELECT organization_id, state FROM organization WHERE " IS_LEFT "),"
        " changed AS (UPDATE organization o SET state = 'DELETING', state_reason = $2::text, is_serving = false,"
        "  version = version + 1, updated_at = now() FROM going g WHERE o.organization_id = g.organization_id),"
        " noted AS (INSERT INTO organization_transition (organization_id, from_state, to_state, actor, reason)"
        "  SELECT organization_id, state, 'DELETING', $3::text, $2::text FROM going),"
        " canceled AS (UPDATE job j SET state = 'CANCELED', finished_at = clock_timestamp() FROM going g"
        "  WHERE j.organization_id = g.organization_id AND j.state IN ('PENDING', 'RUNNING')"
        "  RETURNING j.operation_id),"
        " ended AS (UPDATE operation o SET status = 'CANCELED', finished_at = clock_timestamp(), error = $2::text"
        "  FROM canceled c WHERE o.operation_id = c.operation_id)"
        " INSERT INTO job (kind, organization_id, document)"
        " SELECT '" JOB_ORGANIZATION_REMOVAL "', organization_id, '{\"delete_directory\":true}' FROM going",
        3};
    const char *const parameters[] = {change->account_id, "The account was closed.", change->actor};
    db_queue_silently(db, &lock, parameters, 1);
    db_queue_parameters(db, &remove, parameters, 3);
    db_note_job(db);
    db_note_operation(db, NULL);
}

static enum code close_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement count = {
        "SELECT (SELECT count(*) FROM organization WHERE " IS_LEFT ") AS organizations,"
        " (SELECT count(*) FROM directory WHERE account_id = $1 AND organization_id IS NULL) AS directories",
        1};
    static const struct statement remove_directories = {
        "DELETE FROM directory WHERE account_id = $1 AND organization_id IS NULL", 1};
    static const struct statement close = {
        "UPDATE account SET status = 'CLOSED', closed_at = now(), version = version + 1, updated_at = now()"
        " WHERE account_id = $1",
        1};
    const struct account_closing *closing = argument;
    DB_RESULT account = NULL;
    DB_RESULT left = NULL;

    enum code code = lock_to_change(db, change, &account);
    if (code != CODE_OK)
        return code;
    if (strcmp(closing->confirm, change->account_id) != 0)
        return problem_set(change->problem, CODE_CONFIRMATION_MISMATCH,
                           "Repeat the account's id as `confirm`: this cannot be undone.");
    /* Under the lock: nobody makes an organization meanwhile. */
    code = DB_RUN(db, change->problem, &left, &count, change->account_id);
    if (code != CODE_OK)
        return code;
    const char *organizations = PQgetvalue(left, 0, 0);
    const char *directories = PQgetvalue(left, 0, 1);
    if (!closing->force && (strcmp(organizations, "0") != 0 || strcmp(directories, "0") != 0))
        return problem_set(
            change->problem, CODE_ACCOUNT_IN_USE,
            "The account still has %s organization(s) and %s directory(s) that were kept; remove them,"
            " or say force=true.",
            organizations, directories);
    queue_remove_organizations(db, change);
    DB_QUEUE(db, &remove_directories, change->account_id);
    DB_QUEUE(db, &close, change->account_id);
    identity_queue_notice(db);
    code = db_finish(db, change->problem);
    return code == CODE_OK ? note_after(db, change) : code;
}

enum code account_close(struct db *db, struct change *change, const struct account_closing *closing)
{
    return tx_run(db, change, close_body, (void *)(uintptr_t)closing);
}
