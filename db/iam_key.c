#include <string.h>

#include "db/iam.h"
#include "db/identity.h"
#include "db/limit.h"
#include "db/row.h"

#define COLUMNS                                                                                                     \
    "k.access_key_id, NULL::text AS secret_access_key, k.status, k.expires_at, k.allowed_networks, k.last_used_at," \
    " k.created_at, k.updated_at"

static const struct field query_fields[] = {LIST_PAGE_ROWS(struct iam_query)};
const struct field_table access_key_query_table = FIELD_TABLE("list_access_keys_query", query_fields);

enum code iam_list_keys(struct db *db, const char *account_id, const char *iam_user_id,
                        struct iam_query *query, struct problem *problem, struct buffer *out,
                        const char **ret_next_token)
{
    static const struct statement find = {"SELECT FROM iam_user WHERE account_id = $1 AND iam_user_id = $2",
                                          2};
    static const struct list_spec list = {
        .table = &access_key_table,
        .columns = COLUMNS,
        .from = "FROM access_key k WHERE k.account_id = $1 AND k.iam_user_id = $2",
        .fixed = 2,
        .orders = {{"created_at", "k.created_at", "timestamptz"}},
        .default_order = "created_at",
        .id = "k.access_key_id",
        .id_type = "text",
    };
    const char *const fixed[] = {account_id, iam_user_id};
    return iam_list_of(db, &find, CODE_IAM_USER_NOT_FOUND, &list, &query->page, fixed, problem, out,
                       ret_next_token);
}

enum code iam_describe_key(struct db *db, const char *account_id, const char *iam_user_id,
                           const char *access_key_id, struct problem *problem, struct answer *answer)
{
    static const struct statement get = {
        "SELECT " COLUMNS ", k.version FROM access_key k"
        " WHERE k.account_id = $1 AND k.iam_user_id = $2 AND k.access_key_id = $3",
        3};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &get, account_id, iam_user_id, access_key_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return CODE_ACCESS_KEY_NOT_FOUND;
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, 0, &access_key_table, &answer->body);
}

/* An array literal: networks hold nothing that it would quote. */
static const char *array_of(struct arena *arena, const char *const *texts)
{
    struct buffer out = {.arena = arena};
    buffer_byte(&out, '{');
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
        buffer_printf(&out, "%s%s", i > 0 ? "," : "", texts[i]);
    buffer_byte(&out, '}');
    return buffer_string(&out);
}

struct work {
    struct grant grant;
    const struct secret_key *key;
    const char *iam_user_id;
    const char *access_key_id;
    const struct iam_key *wanted; /* new, or a patch */
    uint64_t set;
};

static const char *status_of(const struct iam_key *key)
{
    return key->status != NULL ? key->status : "ACTIVE";
}

static enum code show(struct db *db, struct change *change, const struct work *work,
                      const char *access_key_id, const char *secret)
{
    struct answer view = {.body.arena = change->arena};
    struct buffer *body = &change->answer.body;
    enum code code =
        iam_describe_key(db, change->account_id, work->iam_user_id, access_key_id, change->problem, &view);
    if (code != CODE_OK)
        return code;
    change->answer.etag = view.etag;
    change->audit.after = view.body;
    /* The secret is never a column: it stands before the others. */
    if (secret != NULL)
        buffer_printf(body, "{\"secret_access_key\":\"%s\",", secret);
    buffer_append(body, view.body.data + (secret != NULL), view.body.length - (secret != NULL));
    return CODE_OK;
}

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement find = {"SELECT FROM iam_user WHERE account_id = $1 AND iam_user_id = $2",
                                          2};
    static const struct statement insert = {
        "INSERT INTO access_key (access_key_id, account_id, iam_user_id, sealed_secret, status, expires_at,"
        " allowed_networks) VALUES ($1, $2, $3, $4, $5, $6, $7::text[])",
        7};
    struct work *work = argument;
    const struct iam_key *wanted = work->wanted;
    struct access_key made;
    if (!identity_new_key(&made))
        return CODE_INTERNAL_ERROR;
    iam_queue_begin(db, change, &work->grant);
    DB_QUEUE(db, &find, change->account_id, work->iam_user_id);
    DB_RESULT result = NULL;
    enum code code = iam_collect_grant(db, change, &work->grant);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code == CODE_OK && PQntuples(result) == 0)
        code = CODE_IAM_USER_NOT_FOUND;
    if (code == CODE_OK)
        code = iam_check_credential(db, change, &work->grant, work->iam_user_id, wanted->allowed_networks,
                                    wanted->expires_at);
    if (code != CODE_OK)
        return code;
    const char *sealed = sealed_parameter(change->arena, work->key, made.access_key_id,
                                          made.secret_access_key, ACCESS_KEY_SECRET_LENGTH);
    if (sealed == NULL)
        return CODE_INTERNAL_ERROR;
    code = DB_RUN(db, change->problem, NULL, &insert, made.access_key_id, change->account_id,
                  work->iam_user_id, sealed, status_of(wanted), wanted->expires_at,
                  array_of(change->arena, wanted->allowed_networks));
    if (code == CODE_OK) {
        limit_queue_of_identity(db, change->account_id, LIMIT_ACCESS_KEYS_PER_USER, work->iam_user_id);
        code = limit_collect(db, LIMIT_ACCESS_KEYS_PER_USER, change->problem);
    }
    if (code == CODE_OK)
        code = show(db, change, work, made.access_key_id, made.secret_access_key);
    change->answer.location =
        arena_printf(change->arena, "/v1/iam/users/%s/access-keys/%s", work->iam_user_id, made.access_key_id);
    secret_wipe(&made, sizeof(made));
    return code;
}

enum code iam_create_key(struct db *db, struct change *change, const struct granter *granter,
                         const struct secret_key *key, const char *iam_user_id, const struct iam_key *wanted)
{
    struct work work = {
        .grant = {.granter = granter}, .key = key, .iam_user_id = iam_user_id, .wanted = wanted};
    return iam_run(db, change, &work.grant, create_body, &work);
}

static enum code lock_key(struct db *db, struct change *change, struct work *work, struct iam_key *ret_key)
{
    static const struct statement get = {
        "SELECT status, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS expires_at,"
        " allowed_networks AS networks, version FROM access_key"
        " WHERE account_id = $1 AND iam_user_id = $2 AND access_key_id = $3",
        3};
    DB_RESULT result = NULL;
    iam_queue_begin(db, change, &work->grant);
    DB_QUEUE(db, &get, change->account_id, work->iam_user_id, work->access_key_id);
    enum code code = iam_collect_grant(db, change, &work->grant);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return CODE_ACCESS_KEY_NOT_FOUND;
    struct answer before = {.body.arena = change->arena};
    code = iam_describe_key(db, change->account_id, work->iam_user_id, work->access_key_id, change->problem,
                            &before);
    if (code != CODE_OK)
        return code;
    change->audit.before = before.body;
    row_read(change->arena, result, 0, &access_key_table, ret_key);
    ret_key->allowed_networks =
        authority_read_texts(change->arena, row_text(change->arena, result, 0, "networks"));
    return tx_match(change, PQgetvalue(result, 0, PQfnumber(result, "version")));
}

/* Who can only take away needs to hold nothing: a key that is disabled is of no use, whatever its limits. */
static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE access_key SET status = $4, expires_at = $5, allowed_networks = $6::text[], version = version + 1,"
        " updated_at = now() WHERE account_id = $1 AND iam_user_id = $2 AND access_key_id = $3",
        6};
    struct work *work = argument;
    struct iam_key key = {0};
    enum code code = lock_key(db, change, work, &key);
    if (code != CODE_OK)
        return code;
    field_merge(&access_key_table, work->set, work->wanted, &key);
    if (strcmp(key.status, "ACTIVE") == 0)
        code = iam_check_credential(db, change, &work->grant, work->iam_user_id, key.allowed_networks,
                                    key.expires_at);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, NULL, &update, change->account_id, work->iam_user_id,
                      work->access_key_id, key.status, key.expires_at,
                      array_of(change->arena, key.allowed_networks));
    return code == CODE_OK ? show(db, change, work, work->access_key_id, NULL) : code;
}

enum code iam_update_key(struct db *db, struct change *change, const struct granter *granter,
                         const char *iam_user_id, const char *access_key_id, const struct iam_key *patch,
                         uint64_t set)
{
    struct work work = {.grant = {.granter = granter},
                        .iam_user_id = iam_user_id,
                        .access_key_id = access_key_id,
                        .wanted = patch,
                        .set = set};
    return iam_run(db, change, &work.grant, update_body, &work);
}

static enum code delete_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement delete = {
        "DELETE FROM access_key WHERE account_id = $1 AND iam_user_id = $2 AND access_key_id = $3", 3};
    struct work *work = argument;
    struct iam_key key = {0};
    enum code code = lock_key(db, change, work, &key);
    return code == CODE_OK ? DB_RUN(db, change->problem, NULL, &delete, change->account_id, work->iam_user_id,
                                    work->access_key_id)
                           : code;
}

enum code iam_delete_key(struct db *db, struct change *change, const char *iam_user_id,
                         const char *access_key_id)
{
    struct work work = {.iam_user_id = iam_user_id, .access_key_id = access_key_id};
    return tx_run(db, change, delete_body, &work);
}
