#include "db/master_key.h"

#include <stdlib.h>
#include <string.h>

#include "db/dkim.h"
#include "db/limit.h"
#include "db/organization_health.h"
#include "db/row.h"
#include "model/id.h"
#include "model/job.h"

#define COLUMNS                                                                                       \
    "k.key_id, k.alias, k.description, k.origin, k.status, EXISTS (SELECT FROM master_key_material m" \
    "  WHERE m.account_id = k.account_id AND m.key_id = k.key_id AND m.generation < k.generation)"    \
    " AS is_rotating, k.rotated_at, k.created_at, k.updated_at"

static enum code not_found(struct problem *problem)
{
    return problem_set(problem, CODE_KEY_NOT_FOUND, "No key of this account has this id.");
}

enum code master_key_need_enabled(const char *key_id, bool is_enabled, struct problem *problem)
{
    return is_enabled
               ? CODE_OK
               : problem_set(problem, CODE_KEY_STATE, "The master key %s is DISABLED; enable it.", key_id);
}

/* --- reading --- */

static void queue_view(struct db *db, const char *account_id, const char *key_id)
{
    static const struct statement get = {
        "SELECT " COLUMNS ", k.version FROM master_key k WHERE k.account_id = $1 AND k.key_id = $2", 2};
    DB_QUEUE(db, &get, account_id, key_id);
}

static enum code collect_view(struct db *db, struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return not_found(problem);
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, 0, &key_table, &answer->body);
}

enum code master_key_describe(struct db *db, const char *account_id, const char *key_id,
                              struct problem *problem, struct answer *answer)
{
    queue_view(db, account_id, key_id);
    return collect_view(db, problem, answer);
}

static const char *const statuses[] = {"ENABLED", "DISABLED", NULL};
static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct key_query),
    FIELD_STRING_ROW(struct key_query, alias, 0, 1, 64),
    FIELD_ENUM_ROW(struct key_query, status, 0, statuses),
};
const struct field_table key_query_table = FIELD_TABLE("list_keys_query", query_fields);

enum code master_key_list(struct db *db, const char *account_id, void *asked, struct problem *problem,
                          struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &key_table,
        .columns = COLUMNS,
        .from = "FROM master_key k WHERE k.account_id = $1",
        .fixed = 1,
        .filters = {" AND k.alias = $?", " AND k.status = $?"},
        .orders = {{"created_at", "k.created_at", "timestamptz"}},
        .default_order = "created_at",
        .visible = " AND k.key_id = ANY($?::uuid[])",
        .id = "k.key_id",
        .id_type = "uuid",
    };
    struct key_query *query = asked;
    query->page.filters[0] = query->alias;
    query->page.filters[1] = query->status;
    return list_run(db, &list, &query->page, &account_id, problem, out, ret_next_token);
}

/* --- material --- */

/* What sealed material is bound to. */
static const char *row_of(struct arena *arena, const char *account_id, const char *key_id,
                          const char *generation)
{
    return arena_printf(arena, "master_key_material\n%s\n%s\n%s", account_id, key_id, generation);
}

static enum code queue_material(struct db *db, struct arena *arena, const struct secret_key *secret_key,
                                const char *account_id, const char *key_id, const char *generation)
{
    static const struct statement insert = {
        "INSERT INTO master_key_material (account_id, key_id, generation, sealed_material) VALUES ($1, $2, $3, $4)",
        4};
    struct secret_key material;
    if (!secret_random(material.bytes, sizeof(material.bytes)))
        return CODE_INTERNAL_ERROR;
    const char *sealed = sealed_parameter(arena, secret_key, row_of(arena, account_id, key_id, generation),
                                          (const char *)material.bytes, sizeof(material.bytes));
    secret_wipe(&material, sizeof(material));
    if (sealed == NULL)
        return CODE_INTERNAL_ERROR;
    DB_QUEUE(db, &insert, account_id, key_id, generation, sealed);
    return CODE_OK;
}

bool master_key_open(struct arena *arena, const struct secret_key *secret_key, const char *account_id,
                     const char *key_id, const char *generation, const char *column,
                     struct secret_key *ret_material)
{
    return sealed_open_key(arena, secret_key, row_of(arena, account_id, key_id, generation), column,
                           ret_material);
}

/* --- making --- */

static enum code queue_key(struct db *db, struct arena *arena, const struct secret_key *secret_key,
                           const char *account_id, const char *key_id, const char *origin,
                           const struct key *key)
{
    static const struct statement insert = {
        "INSERT INTO master_key (account_id, key_id, origin, alias, description) VALUES ($1, $2, $3, $4, $5)",
        5};
    DB_QUEUE(db, &insert, account_id, key_id, origin, key->alias, key->description);
    return queue_material(db, arena, secret_key, account_id, key_id, "1");
}

enum code master_key_queue_default(struct db *db, struct arena *arena, const struct secret_key *secret_key,
                                   const char *account_id)
{
    return queue_key(db, arena, secret_key, account_id, id_new_uuid(arena), "DEFAULT", &(struct key){0});
}

struct work {
    const char *key_id;
    const struct key *key;
    uint64_t set;
};

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    limit_queue_keys(db, change->account_id);
    enum code code = limit_collect(db, LIMIT_CUSTOM_KEYS, change->problem);
    if (code == CODE_OK)
        code = queue_key(db, change->arena, db_secret_key(db), change->account_id, work->key_id, "CUSTOM",
                         work->key);
    if (code != CODE_OK)
        return code;
    queue_view(db, change->account_id, work->key_id);
    code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, NULL);
    if (code != CODE_OK)
        return code;
    change->answer.location = arena_printf(change->arena, "/v1/keys/%s", work->key_id);
    return collect_view(db, change->problem, &change->answer);
}

enum code master_key_create(struct db *db, struct change *change, const struct key *key)
{
    struct work work = {.key_id = id_new_uuid(change->arena), .key = key};
    return tx_run(db, change, create_body, &work);
}

/* --- using --- */

enum code master_key_lock(struct db *db, struct change *change, const char *key_id, enum master_key_lock lock,
                          struct master_key_row *ret_row)
{
#define OWN_ONE                                                                   \
    "SELECT key_id, generation, status = 'ENABLED' AS is_enabled FROM master_key" \
    " WHERE account_id = $1 AND (key_id = $2 OR ($2 IS NULL AND origin = 'DEFAULT'))"
    static const struct statement locks[] = {
        [MASTER_KEY_SHARE] = {OWN_ONE " FOR SHARE", 2},
        [MASTER_KEY_UPDATE] = {OWN_ONE " FOR NO KEY UPDATE", 2},
    };
#undef OWN_ONE
    for (int tries = 0; tries < 2; tries++) {
        DB_RESULT result = NULL;
        enum code code = DB_RUN(db, change->problem, &result, &locks[lock], change->account_id, key_id);
        if (code != CODE_OK)
            return code;
        if (PQntuples(result) == 1) {
            *ret_row = (struct master_key_row){
                .key_id = row_text(change->arena, result, 0, "key_id"),
                .generation = row_text(change->arena, result, 0, "generation"),
                .is_enabled = row_flag(result, 0, "is_enabled"),
            };
            return CODE_OK;
        }
        if (key_id != NULL)
            return not_found(change->problem);
        /* An account that is older than keys. When two are at it, one of them violates the index and comes again. */
        code = master_key_queue_default(db, change->arena, db_secret_key(db), change->account_id);
        if (code == CODE_OK)
            code = db_finish(db, change->problem);
        if (code != CODE_OK)
            return code;
    }
    return CODE_INTERNAL_ERROR;
}

/* Jobs that wrap the data keys under a key anew, where that is needed and nobody is to do it already. */
static void queue_wrap(struct db *db, const char *account_id, const char *key_id)
{
    static const struct statement insert = {
        "INSERT INTO job (kind, organization_id) SELECT '" JOB_DATA_KEY "', d.organization_id FROM data_key d"
        " JOIN master_key k ON k.account_id = d.account_id AND k.key_id = d.key_id"
        " WHERE d.account_id = $1 AND d.key_id = $2 AND d.generation < k.generation AND NOT EXISTS (SELECT FROM job j"
        "  WHERE j.organization_id = d.organization_id AND j.kind = '" JOB_DATA_KEY
        "' AND j.state = 'PENDING')",
        2};
    DB_QUEUE(db, &insert, account_id, key_id);
    db_note_job(db);
}

void master_key_queue_retire(struct db *db, const char *account_id, const char *key_id)
{
    static const struct statement retire = {
        "WITH gone AS (DELETE FROM master_key_material m USING master_key k"
        "  WHERE k.account_id = $1 AND k.key_id = $2 AND m.account_id = $1 AND m.key_id = $2"
        "  AND m.generation < k.generation AND NOT EXISTS (SELECT FROM data_key d WHERE d.account_id = $1"
        "   AND d.key_id = $2 AND d.generation = m.generation) RETURNING 1)"
        " UPDATE master_key SET version = version + 1, updated_at = now()"
        " WHERE account_id = $1 AND key_id = $2 AND EXISTS (SELECT FROM gone)",
        2};
    DB_QUEUE(db, &retire, account_id, key_id);
}

/* --- changing --- */

static enum code queue_rotation(struct db *db, struct change *change, const char *key_id,
                                const char *generation)
{
    static const struct statement rotate = {
        "UPDATE master_key SET generation = $3, rotated_at = now() WHERE account_id = $1 AND key_id = $2", 3};
    const char *next = row_integer(change->arena, strtoll(generation, NULL, 10) + 1);
    enum code code = queue_material(db, change->arena, db_secret_key(db), change->account_id, key_id, next);
    if (code == CODE_OK)
        DB_QUEUE(db, &rotate, change->account_id, key_id, next);
    return code;
}

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement lock = {
        "SELECT FROM master_key WHERE account_id = $1 AND key_id = $2 FOR NO KEY UPDATE", 2};
    static const struct statement see = {"SELECT " COLUMNS ", k.generation, k.version FROM master_key k"
                                         " WHERE k.account_id = $1 AND k.key_id = $2",
                                         2};
    static const struct statement update = {
        "UPDATE master_key SET alias = $3, description = $4, status = $5, version = version + 1, updated_at = now()"
        " WHERE account_id = $1 AND key_id = $2",
        5};
    const struct work *work = argument;
    struct key key = {0};
    DB_RESULT before = NULL;

    DB_QUEUE(db, &lock, change->account_id, work->key_id);
    DB_QUEUE(db, &see, change->account_id, work->key_id);
    enum code code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &before);
    if (code != CODE_OK)
        return code;
    if (PQntuples(before) == 0)
        return not_found(change->problem);
    code = tx_match(change, PQgetvalue(before, 0, PQfnumber(before, "version")));
    if (code == CODE_OK)
        code = tx_before(change, before, &key_table);
    if (code != CODE_OK)
        return code;
    row_read(change->arena, before, 0, &key_table, &key);
    field_merge(&key_table, work->set, work->key, &key);

    DB_QUEUE(db, &update, change->account_id, work->key_id, key.alias, key.description, key.status);
    bool is_enabled = strcmp(key.status, "ENABLED") == 0;
    bool is_other = strcmp(key.status, PQgetvalue(before, 0, PQfnumber(before, "status"))) != 0;
    if (key.rotate)
        code = master_key_need_enabled(work->key_id, is_enabled, change->problem);
    if (code == CODE_OK && key.rotate)
        code =
            queue_rotation(db, change, work->key_id, PQgetvalue(before, 0, PQfnumber(before, "generation")));
    if (code != CODE_OK)
        return code;
    /* What a rotation left undone, because the key was disabled meanwhile, is done once it is enabled. */
    if (is_enabled)
        queue_wrap(db, change->account_id, work->key_id);
    if (is_other) {
        organization_health_queue_under_key(db, change->account_id, work->key_id);
        dkim_hurry_under_key(db, change->account_id, work->key_id);
    }
    /* With no organization under it there is nothing to wait for. */
    master_key_queue_retire(db, change->account_id, work->key_id);
    for (int pending = 2 + is_enabled + 2 * key.rotate + 2 * is_other; pending > 0; pending--) {
        code = db_collect(db, change->problem, NULL);
        if (code != CODE_OK)
            return code;
    }
    queue_view(db, change->account_id, work->key_id);
    return collect_view(db, change->problem, &change->answer);
}

enum code master_key_update(struct db *db, struct change *change, const char *key_id, const struct key *patch,
                            uint64_t set)
{
    struct work work = {.key_id = key_id, .key = patch, .set = set};
    return tx_run(db, change, update_body, &work);
}
