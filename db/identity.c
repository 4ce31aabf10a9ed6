#include "db/identity.h"

#include <stdio.h>
#include <string.h>

#include "db/account.h"
#include "db/iam.h"
#include "db/limit.h"
#include "db/master_key.h"
#include "db/notifier.h"
#include "db/root_access_key.h"
#include "db/row.h"
#include "model/account.h"
#include "model/fault_point.h"
#include "model/id.h"
#include "model/json_out.h"
#include "model/secret.h"

void identity_queue_notice(struct db *db)
{
    static const struct statement notice = {"SELECT pg_notify('" NOTIFIER_IDENTITY_CHANNEL "', '')", 0};
    db_queue_silently(db, &notice, NULL, 0);
    db_note_identities(
        db); /* this process need not wait for the notice: who was told of the change is refused by it */
}

/* --- secrets --- */

bool identity_new_key(struct access_key *key)
{
    memcpy(key->access_key_id, "PRAK", 4);
    return secret_random_text(key->access_key_id + 4, ACCESS_KEY_ID_LENGTH - 4,
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") &&
           secret_random_text(key->secret_access_key, ACCESS_KEY_SECRET_LENGTH, SECRET_ALPHANUMERIC);
}

/* --- making and changing --- */

struct making {
    const struct secret_key *key;
    struct access_key access_key;
    const char *folder;
    const struct new_account *account;
    const char *account_id;
    const char *name;
    const char *const *policies;
    const char *iam_user_id;
    bool done;
};

static enum code queue_access_key(struct db *db, struct change *change, const struct making *making,
                                  const char *account_id)
{
    static const struct statement insert = {
        "INSERT INTO access_key (access_key_id, account_id, iam_user_id, sealed_secret) VALUES ($1, $2, $3, $4)",
        4};
    const char *sealed = sealed_parameter(change->arena, making->key, making->access_key.access_key_id,
                                          making->access_key.secret_access_key, ACCESS_KEY_SECRET_LENGTH);
    if (sealed == NULL)
        return CODE_INTERNAL_ERROR;
    DB_QUEUE(db, &insert, making->access_key.access_key_id, account_id, making->iam_user_id, sealed);
    return CODE_OK;
}

/* The last statements of a transaction that makes a root access key, and writing it down. */
static enum code write_down(struct db *db, const struct change *change, const struct making *making,
                            const char *account_id)
{
    enum code code = db_finish(db, change->problem);
    if (code == CODE_OK)
        code = root_access_key_write(change->problem, making->folder, &making->access_key, account_id);
    if (code == CODE_OK)
        FAULT_POINT("root_access_key.before_commit");
    return code;
}

static enum code settle_body(struct db *db, struct change *change, void *argument)
{
    return root_access_key_settle(db, change->problem, argument);
}

/* After the transaction, however it ended: what `code` says of it stays, but that the key is not in place yet. */
static enum code settle(struct db *db, const struct change *change, const char *folder, enum code code)
{
    struct problem problem = {.arena = change->arena};
    struct change settling = {.arena = change->arena, .problem = &problem, .actor = change->actor};
    FAULT_POINT("root_access_key.after_commit");
    if (tx_run(db, &settling, settle_body, (void *)(uintptr_t)folder) == CODE_OK || code != CODE_OK)
        return code;
    return problem_set(
        change->problem, CODE_DATABASE_UNAVAILABLE,
        "The new root access key is valid, but stands in %s/root-access-key.json.next still; the next "
        "command puts it in place.",
        folder);
}

/* For the audit log. */
static void note_access_key(struct change *change, const char *access_key_id, const char *iam_user_id,
                            const char *status)
{
    const char *owner = iam_user_id != NULL ? iam_user_id : "root";
    change->audit.target =
        arena_printf(change->arena, "/v1/iam/users/%s/access-keys/%s", owner, access_key_id);
    change->audit.after = (struct buffer){.arena = change->arena};
    out_begin_object(&change->audit.after);
    out_member(&change->audit.after, "access_key_id", access_key_id);
    out_member(&change->audit.after, "status", status);
    out_end_object(&change->audit.after);
}

static void note_user(struct change *change, const struct making *making)
{
    struct buffer *after = &change->audit.after;
    change->audit.target = arena_printf(change->arena, "/v1/iam/users/%s", making->iam_user_id);
    after->arena = change->arena;
    out_begin_object(after);
    out_member(after, "iam_user_id", making->iam_user_id);
    out_member(after, "name", making->name);
    out_name(after, "policies");
    out_begin_array(after);
    for (const char *const *policy = making->policies; *policy != NULL; policy++)
        out_string(after, *policy);
    out_end_array(after);
    out_member(after, "access_key_id", making->access_key.access_key_id);
    out_end_object(after);
}

static void note_account(struct change *change, const struct making *making)
{
    struct buffer *after = &change->audit.after;
    change->account_id = making->account_id;
    change->audit.target = "/v1/account";
    after->arena = change->arena;
    out_begin_object(after);
    out_member(after, "account_id", making->account_id);
    out_member(after, "name", making->account->name);
    out_member_boolean(after, "is_trial", making->account->is_trial);
    out_member(after, "access_key_id", making->access_key.access_key_id);
    out_end_object(after);
}

/* Queues an account and its root access key. */
static enum code queue_account(struct db *db, struct change *change, struct making *making)
{
    static const struct statement insert = {
        "INSERT INTO account (account_id, name, is_trial, is_operator) VALUES ($1, $2, $3, $4)", 4};
    char account_id[ACCOUNT_ID_LENGTH + 1];
    if (!secret_random_text(account_id, ACCOUNT_ID_LENGTH, "123456789") ||
        !identity_new_key(&making->access_key))
        return CODE_INTERNAL_ERROR;
    making->account_id = arena_string(change->arena, account_id);
    DB_QUEUE(db, &insert, making->account_id, making->account->name, row_boolean(making->account->is_trial),
             row_boolean(making->account->is_operator));
    enum code code = master_key_queue_default(db, change->arena, making->key, making->account_id);
    if (code != CODE_OK)
        return code;
    note_account(change, making);
    return queue_access_key(db, change, making, making->account_id);
}

static enum code bootstrap_body(struct db *db, struct change *change, void *argument)
{
    /* Two services that start at once: the second waits, and finds the account. */
    static const struct statement lock = {"LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE", 0};
    static const struct statement count = {"SELECT count(*) FROM account", 0};
    struct making *making = argument;
    DB_RESULT result = NULL;

    db_queue_parameters(db, &lock, NULL, 0);
    db_queue_parameters(db, &count, NULL, 0);
    enum code code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    making->done = strcmp(PQgetvalue(result, 0, 0), "0") == 0;
    code = root_access_key_settle(db, change->problem, making->folder);
    if (code != CODE_OK || !making->done)
        return code;
    code = queue_account(db, change, making);
    return code == CODE_OK ? write_down(db, change, making, making->account_id) : code;
}

enum code identity_bootstrap(struct db *db, struct change *change, const struct secret_key *key,
                             const char *folder, bool *ret_created)
{
    static const struct new_account first = {.name = "Postreeve", .is_operator = true};
    struct making making = {.key = key, .folder = folder, .account = &first};
    enum code code = tx_run(db, change, bootstrap_body, &making);
    if (making.done)
        code = settle(db, change, folder, code);
    if (code == CODE_OK)
        *ret_created = making.done;
    secret_wipe(&making.access_key, sizeof(making.access_key));
    return code;
}

static enum code create_account_body(struct db *db, struct change *change, void *argument)
{
    return queue_account(db, change, argument);
}

enum code identity_create_account(struct db *db, struct change *change, const struct secret_key *key,
                                  const struct new_account *wanted, const char **ret_account_id,
                                  struct access_key *ret_key)
{
    struct making making = {.key = key, .account = wanted};
    enum code code = tx_run(db, change, create_account_body, &making);
    if (code == CODE_OK) {
        *ret_account_id = making.account_id;
        *ret_key = making.access_key;
    }
    secret_wipe(&making.access_key, sizeof(making.access_key));
    return code;
}

static enum code reset_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement remove = {
        "DELETE FROM access_key WHERE account_id = $1 AND iam_user_id IS NULL", 1};
    struct making *making = argument;
    enum code code = account_lock(db, change);
    if (code != CODE_OK)
        return code;
    code = root_access_key_settle(db, change->problem, making->folder);
    if (code != CODE_OK)
        return code;
    if (!identity_new_key(&making->access_key))
        return CODE_INTERNAL_ERROR;
    DB_QUEUE(db, &remove, change->account_id);
    note_access_key(change, making->access_key.access_key_id, NULL, "ACTIVE");
    code = queue_access_key(db, change, making, change->account_id);
    identity_queue_notice(db);
    return code == CODE_OK ? write_down(db, change, making, change->account_id) : code;
}

enum code identity_reset_root_key(struct db *db, struct change *change, const struct secret_key *key,
                                  const char *folder)
{
    struct making making = {.key = key, .folder = folder};
    enum code code = settle(db, change, folder, tx_run(db, change, reset_body, &making));
    secret_wipe(&making.access_key, sizeof(making.access_key));
    return code;
}

/* As through the API: the policy shows who has it, so it has a version more. */
static enum code attach_by_name(struct db *db, struct change *change, const char *iam_user_id,
                                const char *name)
{
    static const struct statement attach = {
        "INSERT INTO iam_user_policy (account_id, iam_user_id, policy_id)"
        " SELECT $1, $2, policy_id FROM policy WHERE name = $3 AND (account_id IS NULL OR account_id = $1)"
        " ORDER BY account_id NULLS FIRST LIMIT 1"
        " ON CONFLICT (account_id, iam_user_id, policy_id) DO UPDATE SET policy_id = excluded.policy_id"
        " RETURNING policy_id",
        3};
    static const struct statement touch = {
        "UPDATE policy SET version = version + 1, updated_at = now() WHERE account_id = $1 AND policy_id = $2",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &attach, change->account_id, iam_user_id, name);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return problem_set(change->problem, CODE_POLICY_NOT_FOUND, "There is no policy %s.", name);
    DB_QUEUE(db, &touch, change->account_id, row_text(change->arena, result, 0, "policy_id"));
    limit_queue_of_identity(db, change->account_id, LIMIT_POLICIES_PER_IDENTITY, iam_user_id);
    code = db_collect(db, change->problem, NULL);
    return code == CODE_OK ? limit_collect(db, LIMIT_POLICIES_PER_IDENTITY, change->problem) : code;
}

static enum code create_user_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "INSERT INTO iam_user (account_id, iam_user_id, name) VALUES ($1, $2, $3)", 3};
    struct making *making = argument;
    if (!identity_new_key(&making->access_key))
        return CODE_INTERNAL_ERROR;
    iam_queue_begin(db, change, NULL);
    DB_QUEUE(db, &insert, change->account_id, making->iam_user_id, making->name);
    limit_queue_identities(db, change->account_id, LIMIT_IAM_USERS);
    enum code code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = limit_collect(db, LIMIT_IAM_USERS, change->problem);
    for (const char *const *policy = making->policies; code == CODE_OK && *policy != NULL; policy++)
        code = attach_by_name(db, change, making->iam_user_id, *policy);
    note_user(change, making);
    return code == CODE_OK ? queue_access_key(db, change, making, change->account_id) : code;
}

enum code identity_create_user(struct db *db, struct change *change, const struct secret_key *key,
                               const char *name, const char *const *policies, const char **ret_iam_user_id,
                               struct access_key *ret_key)
{
    struct making making = {
        .key = key, .name = name, .policies = policies, .iam_user_id = id_new_uuid(change->arena)};
    enum code code = tx_run(db, change, create_user_body, &making);
    if (code == CODE_OK) {
        *ret_iam_user_id = making.iam_user_id;
        *ret_key = making.access_key;
    }
    secret_wipe(&making.access_key, sizeof(making.access_key));
    return code;
}

struct disabling {
    const char *access_key_id;
    bool known;
};

static enum code disable_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement disable = {
        "UPDATE access_key SET status = 'DISABLED' WHERE access_key_id = $1 RETURNING account_id, iam_user_id",
        1};
    struct disabling *disabling = argument;
    DB_RESULT result = NULL;
    DB_QUEUE(db, &disable, disabling->access_key_id);
    identity_queue_notice(db);
    enum code code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    disabling->known = PQntuples(result) == 1;
    if (!disabling->known)
        return CODE_OK;
    change->account_id = row_text(change->arena, result, 0, "account_id");
    note_access_key(change, disabling->access_key_id, row_text(change->arena, result, 0, "iam_user_id"),
                    "DISABLED");
    return CODE_OK;
}

enum code identity_disable_key(struct db *db, struct change *change, const char *access_key_id,
                               bool *ret_known)
{
    struct disabling disabling = {.access_key_id = access_key_id};
    enum code code = tx_run(db, change, disable_body, &disabling);
    if (code == CODE_OK)
        *ret_known = disabling.known;
    return code;
}

enum code identity_only_account(struct db *db, struct problem *problem, struct arena *arena,
                                const char **ret_account_id)
{
    static const struct statement list = {
        "SELECT account_id FROM account WHERE status = 'ACTIVE' ORDER BY account_id LIMIT 2", 0};
    DB_RESULT result = NULL;
    db_queue_parameters(db, &list, NULL, 0);
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) != 1)
        return problem_set(problem, CODE_BAD_REQUEST,
                           PQntuples(result) == 0 ? "There is no account yet: start the service once."
                                                  : "There are several accounts: say which with --account.");
    *ret_account_id = row_text(arena, result, 0, "account_id");
    return CODE_OK;
}

enum code identity_check_root_key(struct db *db, struct problem *problem, const char *fingerprint,
                                  bool *ret_same)
{
    static const struct statement remember = {
        "INSERT INTO installation (root_key_fingerprint) VALUES ($1) ON CONFLICT (only_row) DO NOTHING", 1};
    static const struct statement compare = {"SELECT root_key_fingerprint = $1 FROM installation", 1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, NULL, &remember, fingerprint);
    if (code == CODE_OK)
        code = DB_RUN(db, problem, &result, &compare, fingerprint);
    if (code == CODE_OK)
        *ret_same = PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
    return code;
}
