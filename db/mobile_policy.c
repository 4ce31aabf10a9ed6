#include "db/mobile_policy.h"

#include "db/organization.h"
#include "db/row.h"

struct work {
    const char *organization_id;
    const struct mobile_policy *policy;
};

enum { COLUMN_POLICY = ORGANIZATION_SEEN_COLUMNS };

void mobile_policy_queue(struct db *db, const char *account_id, const char *organization_id)
{
    static const struct statement get = {
        "SELECT " ORGANIZATION_SEEN MOBILE_POLICY_COLUMNS
        " FROM organization o LEFT JOIN mobile_policy p ON p.organization_id = o.organization_id"
        " WHERE o.organization_id = $2 AND o.account_id = $1",
        2};
    DB_QUEUE(db, &get, account_id, organization_id);
}

enum code mobile_policy_missing(struct problem *problem)
{
    return problem_set(problem, CODE_ORGANIZATION_STATE,
                       "The organization has no mobile device policy, which is an error that its health check"
                       " reports; put one.");
}

static enum code collect(struct db *db, struct problem *problem, PGresult **ret_result)
{
    enum code code = organization_collect_seen(db, problem, ret_result);
    return code == CODE_OK && PQgetisnull(*ret_result, 0, COLUMN_POLICY) ? mobile_policy_missing(problem)
                                                                         : code;
}

static const char *etag(struct arena *arena, const PGresult *result)
{
    return tx_etag(arena, row_text(arena, result, 0, "policy_version"));
}

enum code mobile_policy_collect(struct db *db, struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    answer->etag = etag(problem->arena, result);
    return row_write(result, 0, COLUMN_POLICY, &mobile_policy_table, &answer->body);
}

enum code mobile_policy_collect_struct(struct db *db, struct problem *problem,
                                       struct mobile_policy *ret_policy, const char **ret_etag)
{
    DB_RESULT result = NULL;
    enum code code = collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    row_read(problem->arena, result, 0, &mobile_policy_table, ret_policy);
    *ret_etag = etag(problem->arena, result);
    return CODE_OK;
}

/* --- changing --- */

static void queue_put(struct db *db, struct arena *arena, const struct work *work)
{
    static const struct statement put = {
        "INSERT INTO mobile_policy AS p (organization_id, password_required, allow_simple_password,"
        " min_password_length, require_alphanumeric_password, min_character_sets, max_failed_attempts,"
        " password_expiration_days, screen_lock_seconds, password_history, require_device_encryption,"
        " require_storage_card_encryption) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
        " ON CONFLICT (organization_id) DO UPDATE SET password_required = excluded.password_required,"
        " allow_simple_password = excluded.allow_simple_password, min_password_length = excluded.min_password_length,"
        " require_alphanumeric_password = excluded.require_alphanumeric_password,"
        " min_character_sets = excluded.min_character_sets, max_failed_attempts = excluded.max_failed_attempts,"
        " password_expiration_days = excluded.password_expiration_days,"
        " screen_lock_seconds = excluded.screen_lock_seconds, password_history = excluded.password_history,"
        " require_device_encryption = excluded.require_device_encryption,"
        " require_storage_card_encryption = excluded.require_storage_card_encryption,"
        " version = p.version + 1, updated_at = now()"
        " WHERE (p.password_required, p.allow_simple_password, p.min_password_length,"
        "  p.require_alphanumeric_password, p.min_character_sets, p.max_failed_attempts, p.password_expiration_days,"
        "  p.screen_lock_seconds, p.password_history, p.require_device_encryption, p.require_storage_card_encryption)"
        " IS DISTINCT FROM (excluded.password_required, excluded.allow_simple_password,"
        "  excluded.min_password_length, excluded.require_alphanumeric_password, excluded.min_character_sets,"
        "  excluded.max_failed_attempts, excluded.password_expiration_days, excluded.screen_lock_seconds,"
        "  excluded.password_history, excluded.require_device_encryption, excluded.require_storage_card_encryption)",
        12};
    const struct mobile_policy *policy = work->policy;
    DB_QUEUE(
        db, &put, work->organization_id, row_boolean(policy->password_required),
        row_boolean(policy->allow_simple_password), row_integer(arena, policy->min_password_length),
        row_boolean(policy->require_alphanumeric_password), row_integer(arena, policy->min_character_sets),
        row_integer(arena, policy->max_failed_attempts), row_integer(arena, policy->password_expiration_days),
        row_integer(arena, policy->screen_lock_seconds), row_integer(arena, policy->password_history),
        row_boolean(policy->require_device_encryption), row_boolean(policy->require_storage_card_encryption));
}

static enum code put_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement lock = {
        "SELECT " MOBILE_POLICY_COLUMNS " FROM mobile_policy p WHERE organization_id = $1 AND EXISTS"
        " (SELECT FROM organization o WHERE o.organization_id = $1 AND o.account_id = $2) FOR NO KEY UPDATE OF p",
        2};
    const struct work *work = argument;
    struct organization_row organization;
    DB_RESULT before = NULL;

    organization_queue(db, change->account_id, work->organization_id, ORGANIZATION_SHARE);
    DB_QUEUE(db, &lock, work->organization_id, change->account_id);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, change->problem);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &before);
    if (code == CODE_OK)
        code = tx_before(change, before, &mobile_policy_table);
    if (code == CODE_OK && PQntuples(before) == 1)
        code = tx_match(change, row_text(change->arena, before, 0, "policy_version"));
    if (code != CODE_OK)
        return code;
    queue_put(db, change->arena, work);
    mobile_policy_queue(db, change->account_id, work->organization_id);
    code = db_collect(db, change->problem, NULL);
    return code == CODE_OK ? mobile_policy_collect(db, change->problem, &change->answer) : code;
}

enum code mobile_policy_put(struct db *db, struct change *change, const char *organization_id,
                            const struct mobile_policy *policy)
{
    struct work work = {organization_id, policy};
    return tx_run(db, change, put_body, &work);
}
