#include "db/limit.h"

#include <stdlib.h>
#include <string.h>

#include "db/row.h"
#include "model/json_out.h"

static void queue_account_lock(struct db *db, const char *account_id)
{
    static const struct statement lock = {"SELECT FROM account WHERE account_id = $1 FOR NO KEY UPDATE", 1};
    db_queue_silently(db, &lock, &account_id, 1);
}

void limit_queue_organizations(struct db *db, const char *account_id, const char *region)
{
    static const struct statement count = {
        "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value,"
        " (SELECT count(*) FROM organization WHERE account_id = $1 AND region = $3 AND setup = 'QUICK'"
        "  AND state NOT IN ('FAILED', 'DELETED')) AS used FROM account WHERE account_id = $1 AND status = 'ACTIVE'",
        3};
    queue_account_lock(db, account_id);
    DB_QUEUE(db, &count, account_id, limit_rows[LIMIT_QUICK_SETUP_ORGANIZATIONS].code, region);
}

void limit_queue_keys(struct db *db, const char *account_id)
{
    static const struct statement count = {
        "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value,"
        " (SELECT count(*) FROM master_key WHERE account_id = $1 AND origin = 'CUSTOM') AS used"
        " FROM account WHERE account_id = $1 AND status = 'ACTIVE'",
        2};
    queue_account_lock(db, account_id);
    DB_QUEUE(db, &count, account_id, limit_rows[LIMIT_CUSTOM_KEYS].code);
}

void limit_queue_availability(struct db *db, const char *account_id, const char *organization_id)
{
    static const struct statement count = {
        "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value,"
        " (SELECT count(*) FROM availability_configuration WHERE organization_id = $3) AS used"
        " FROM account WHERE account_id = $1 AND status = 'ACTIVE'",
        3};
    queue_account_lock(db, account_id);
    DB_QUEUE(db, &count, account_id, limit_rows[LIMIT_AVAILABILITY_CONFIGURATIONS].code, organization_id);
}

void limit_queue_aliases(struct db *db, const char *account_id, const char *organization_id,
                         const char *entity_id)
{
    static const struct statement count = {
        "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value,"
        " (SELECT count(*) FROM email_address WHERE organization_id = $3 AND entity_id = $4 AND NOT is_primary)"
        " AS used",
        4};
    DB_QUEUE(db, &count, account_id, limit_rows[LIMIT_ALIASES_PER_USER].code, organization_id, entity_id);
}

void limit_queue_devices(struct db *db, const char *account_id, const char *organization_id,
                         const char *entity_id)
{
    static const struct statement count = {
        "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value,"
        " (SELECT count(*) FROM mobile_device WHERE organization_id = $3 AND entity_id = $4) AS used",
        4};
    DB_QUEUE(db, &count, account_id, limit_rows[LIMIT_DEVICES_PER_USER].code, organization_id, entity_id);
}

/* One less than there are now: what was written is the one more that there has to be room for. */
void limit_queue_sender_patterns(struct db *db, const char *account_id, const char *organization_id,
                                 const char *flow_rule_id)
{
#define COUNT_PATTERNS                                                                       \
    "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value," \
    " coalesce(sum(cardinality(sender_patterns)), 0) - 1 AS used FROM flow_rule WHERE organization_id = $3"
    static const struct statement count_rule = {COUNT_PATTERNS " AND flow_rule_id = $4", 4};
    static const struct statement count_all = {COUNT_PATTERNS, 3};
#undef COUNT_PATTERNS
    DB_QUEUE(db, &count_rule, account_id, limit_rows[LIMIT_SENDER_PATTERNS_PER_RULE].code, organization_id,
             flow_rule_id);
    DB_QUEUE(db, &count_all, account_id, limit_rows[LIMIT_SENDER_PATTERNS_PER_ORGANIZATION].code,
             organization_id);
}

void limit_queue_domains(struct db *db, const char *account_id, const char *organization_id)
{
    static const struct statement count = {
        "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value,"
        " (SELECT count(*) FROM mail_domain WHERE organization_id = $3 AND NOT is_test_domain) AS used",
        3};
    DB_QUEUE(db, &count, account_id, limit_rows[LIMIT_DOMAINS_PER_ORGANIZATION].code, organization_id);
}

#define VALUE  "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value, "
#define ACTIVE " AS used FROM account WHERE account_id = $1 AND status = 'ACTIVE'"

void limit_queue_identities(struct db *db, const char *account_id, enum limit limit)
{
    static const struct statement counts[LIMIT_COUNT] = {
        [LIMIT_IAM_USERS] = {VALUE "(SELECT count(*) FROM iam_user WHERE account_id = $1) - 1" ACTIVE, 2},
        [LIMIT_IAM_GROUPS] = {VALUE "(SELECT count(*) FROM iam_group WHERE account_id = $1) - 1" ACTIVE, 2},
        [LIMIT_POLICIES] = {VALUE "(SELECT count(*) FROM policy WHERE account_id = $1) - 1" ACTIVE, 2},
    };
    DB_QUEUE(db, &counts[limit], account_id, limit_rows[limit].code);
}

void limit_queue_of_identity(struct db *db, const char *account_id, enum limit limit, const char *id)
{
    /* A user and a group never have the same id. */
    static const struct statement counts[LIMIT_COUNT] = {
        [LIMIT_ACCESS_KEYS_PER_USER] =
            {VALUE "(SELECT count(*) FROM access_key WHERE account_id = $1 AND iam_user_id = $3) - 1" ACTIVE,
             3},
        [LIMIT_POLICIES_PER_IDENTITY] =
            {VALUE "(SELECT count(*) FROM iam_user_policy WHERE account_id = $1 AND iam_user_id = $3)"
                   " + (SELECT count(*) FROM iam_group_policy WHERE account_id = $1 AND iam_group_id = $3)"
                   " - 1" ACTIVE,
             3},
        [LIMIT_GROUPS_PER_USER] =
            {VALUE
             "(SELECT count(*) FROM iam_group_member WHERE account_id = $1 AND iam_user_id = $3) - 1" ACTIVE,
             3},
    };
    DB_QUEUE(db, &counts[limit], account_id, limit_rows[limit].code, id);
}

static void queue_trial_users(struct db *db, const char *account_id)
{
    static const struct statement lock = {"SELECT pg_advisory_xact_lock(hashtextextended($1, 7266))", 1};
    static const struct statement count = {
        "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value,"
        " (SELECT count(*) FROM active_period p JOIN organization o ON o.organization_id = p.organization_id"
        "  WHERE o.account_id = $1 AND o.state NOT IN ('DELETING', 'DELETED') AND p.ended_at IS NULL) AS used",
        2};
    db_queue_silently(db, &lock, &account_id, 1);
    DB_QUEUE(db, &count, account_id, limit_rows[LIMIT_TRIAL_USERS].code);
}

enum code limit_trial_user(struct db *db, const char *account_id, struct problem *problem)
{
    queue_trial_users(db, account_id);
    return limit_collect(db, LIMIT_TRIAL_USERS, problem);
}

static int64_t value_of(enum limit limit, const char *set)
{
    return set != NULL ? strtoll(set, NULL, 10) : limit_rows[limit].value;
}

enum code limit_trial_room(struct db *db, const char *account_id, struct problem *problem, int64_t *ret_room)
{
    DB_RESULT result = NULL;
    queue_trial_users(db, account_id);
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    int64_t room = value_of(LIMIT_TRIAL_USERS, row_text(problem->arena, result, 0, "value")) -
                   strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    *ret_room = room > 0 ? room : 0;
    return CODE_OK;
}

enum code limit_value(struct db *db, const char *account_id, enum limit limit, struct problem *problem,
                      int64_t *ret_value)
{
    static const struct statement find = {
        "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) AS value", 2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &find, account_id, limit_rows[limit].code);
    if (code == CODE_OK)
        *ret_value = value_of(limit, row_text(problem->arena, result, 0, "value"));
    return code;
}

enum code limit_collect(struct db *db, enum limit limit, struct problem *problem)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return problem_set(problem, CODE_UNAUTHENTICATED, "The account is closed.");
    const struct limit_row *row = &limit_rows[limit];
    int64_t value = value_of(limit, PQgetisnull(result, 0, 0) ? NULL : PQgetvalue(result, 0, 0));
    if (strtoll(PQgetvalue(result, 0, 1), NULL, 10) >= value)
        return problem_set(problem, CODE_LIMIT_EXCEEDED,
                           "%s: %lld for each %s. The operator can raise it (limit %s).", row->error,
                           (long long)value, row->scope, row->code);
    return CODE_OK;
}

enum code limit_list(struct db *db, const char *account_id, struct problem *problem, struct buffer *out)
{
    static const struct statement list = {"SELECT code, value FROM account_limit WHERE account_id = $1", 1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &list, account_id);
    if (code != CODE_OK)
        return code;

    out_begin_object(out);
    out_name(out, "items");
    out_begin_array(out);
    for (unsigned i = 0; i < LIMIT_COUNT; i++) {
        int64_t value = limit_rows[i].value;
        for (int row = 0; row < PQntuples(result); row++)
            if (strcmp(PQgetvalue(result, row, 0), limit_rows[i].code) == 0)
                value = strtoll(PQgetvalue(result, row, 1), NULL, 10);
        out_begin_object(out);
        out_member(out, "code", limit_rows[i].code);
        out_member_integer(out, "value", value);
        out_member_integer(out, "default", limit_rows[i].value);
        out_member(out, "scope", limit_rows[i].scope);
        out_end_object(out);
    }
    out_end_array(out);
    out_end_object(out);
    return CODE_OK;
}

struct setting {
    const char *code;
    int64_t value;
    bool known;
};

static void write_value(struct arena *arena, int64_t value, struct buffer *out)
{
    *out = (struct buffer){.arena = arena};
    out_begin_object(out);
    out_member_integer(out, "value", value);
    out_end_object(out);
}

static enum code set_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement lock = {
        "SELECT (SELECT value FROM account_limit WHERE account_id = $1 AND code = $2) FROM account"
        " WHERE account_id = $1 FOR NO KEY UPDATE",
        2};
    static const struct statement set = {
        "INSERT INTO account_limit (account_id, code, value) VALUES ($1, $2, $3)"
        " ON CONFLICT (account_id, code) DO UPDATE SET value = excluded.value",
        3};
    struct setting *setting = argument;
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &lock, change->account_id, setting->code);
    if (code != CODE_OK)
        return code;
    setting->known = PQntuples(result) == 1;
    if (!setting->known)
        return CODE_OK;
    DB_QUEUE(db, &set, change->account_id, setting->code, row_integer(change->arena, setting->value));
    int64_t before = PQgetisnull(result, 0, 0) ? limit_find(setting->code)->value
                                               : strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    write_value(change->arena, before, &change->audit.before);
    write_value(change->arena, setting->value, &change->audit.after);
    change->audit.target = arena_printf(change->arena, "/v1/account/limits/%s", setting->code);
    return CODE_OK;
}

enum code limit_set(struct db *db, struct change *change, const char *code, int64_t value, bool *ret_known)
{
    struct setting setting = {.code = code, .value = value};
    enum code status = tx_run(db, change, set_body, &setting);
    if (status == CODE_OK)
        *ret_known = setting.known;
    return status;
}
