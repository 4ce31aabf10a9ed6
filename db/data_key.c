#include "db/data_key.h"

#include <stdlib.h>
#include <string.h>

#include "db/master_key.h"
#include "db/row.h"
#include "model/json_out.h"

#define PROBE "A secret that is none."

/* --- what is bound to what --- */

static const char *key_row(struct arena *arena, const char *organization_id, const char *key_id,
                           const char *generation)
{
    return arena_printf(arena, "data_key\n%s\n%s\n%s", organization_id, key_id, generation);
}

/* Two organizations have two keys; this also holds where both were copied. */
static const char *secret_row(struct arena *arena, const char *organization_id, const char *row)
{
    return arena_printf(arena, "%s\n%s", organization_id, row);
}

/* --- opening --- */

static const char *value(const PGresult *result, int row, const char *column)
{
    return PQgetvalue(result, row, PQfnumber(result, column));
}

/* The data key of a row with DATA_KEY_COLUMNS. */
static bool unwrap(struct db *db, struct arena *arena, const PGresult *result, int row,
                   struct secret_key *ret_key)
{
    const char *key_id = value(result, row, "key_id");
    const char *generation = value(result, row, "generation");
    struct secret_key material;
    bool good = master_key_open(arena, db_secret_key(db), value(result, row, "account_id"), key_id,
                                generation, value(result, row, "sealed_material"), &material) &&
                sealed_open_key(arena, &material,
                                key_row(arena, value(result, row, "organization_id"), key_id, generation),
                                value(result, row, "wrapped_key"), ret_key);
    secret_wipe(&material, sizeof(material));
    return good;
}

/* A value that is sealed under the data key of a row. NULL when one of them does not open. */
static const char *open_with(struct db *db, struct arena *arena, const PGresult *result, int row,
                             const char *bound_to, const char *column)
{
    struct secret_key key;
    size_t size = 0;
    const char *plain = NULL;
    if (!PQgetisnull(result, row, PQfnumber(result, "wrapped_key")) && unwrap(db, arena, result, row, &key))
        plain = sealed_open(arena, &key, secret_row(arena, value(result, row, "organization_id"), bound_to),
                            value(result, row, column), &size);
    secret_wipe(&key, sizeof(key));
    return plain;
}

bool data_key_opens(struct db *db, struct arena *arena, const PGresult *result, int row)
{
    const char *probe = open_with(db, arena, result, row, "data_key", "sealed_probe");
    return probe != NULL && strcmp(probe, PROBE) == 0;
}

bool data_key_opens_secret(struct db *db, struct arena *arena, const PGresult *result, int row)
{
    return open_with(db, arena, result, row, value(result, row, "bound_to"), "sealed") != NULL;
}

static enum code find(struct db *db, const char *organization_id, struct problem *problem,
                      struct secret_key *ret_key)
{
    static const struct statement get = {
        "SELECT " DATA_KEY_COLUMNS
        ", k.status = 'ENABLED' AS is_enabled FROM data_key d JOIN " DATA_KEY_MATERIAL
        " JOIN master_key k ON k.account_id = d.account_id AND k.key_id = d.key_id WHERE d.organization_id = $1",
        1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &get, organization_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return problem_set(problem, CODE_NOT_READY, "The organization's data key is being made.");
    code = master_key_need_enabled(value(result, 0, "key_id"), row_flag(result, 0, "is_enabled"), problem);
    if (code == CODE_OK && !unwrap(db, problem->arena, result, 0, ret_key))
        code = CODE_INTERNAL_ERROR;
    return code;
}

enum code data_key_seal(struct db *db, const char *organization_id, const char *row, const char *plain,
                        size_t size, struct problem *problem, const char **ret_parameter)
{
    struct secret_key key;
    enum code code = find(db, organization_id, problem, &key);
    if (code != CODE_OK)
        return code;
    const char *sealed =
        sealed_parameter(problem->arena, &key, secret_row(problem->arena, organization_id, row), plain, size);
    secret_wipe(&key, sizeof(key));
    if (sealed == NULL)
        return CODE_INTERNAL_ERROR;
    *ret_parameter = sealed;
    return CODE_OK;
}

enum code data_key_open(struct db *db, const char *organization_id, const char *row, const char *column,
                        struct problem *problem, const char **ret_plain, size_t *ret_size)
{
    struct secret_key key;
    enum code code = find(db, organization_id, problem, &key);
    if (code != CODE_OK)
        return code;
    const char *plain =
        sealed_open(problem->arena, &key, secret_row(problem->arena, organization_id, row), column, ret_size);
    secret_wipe(&key, sizeof(key));
    if (plain == NULL)
        return CODE_INTERNAL_ERROR;
    *ret_plain = plain;
    return CODE_OK;
}

/* --- wrapping --- */

/* The material that wraps now. */
static enum code find_material(struct db *db, struct change *change, const struct master_key_row *master,
                               struct secret_key *ret_material)
{
    static const struct statement get = {"SELECT sealed_material FROM master_key_material"
                                         " WHERE account_id = $1 AND key_id = $2 AND generation = $3",
                                         3};
    DB_RESULT result = NULL;
    enum code code =
        DB_RUN(db, change->problem, &result, &get, change->account_id, master->key_id, master->generation);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0 ||
        !master_key_open(change->arena, db_secret_key(db), change->account_id, master->key_id,
                         master->generation, PQgetvalue(result, 0, 0), ret_material))
        return CODE_INTERNAL_ERROR;
    return CODE_OK;
}

static enum code queue_store(struct db *db, struct change *change, const struct organization_row *row,
                             const struct master_key_row *master, const struct secret_key *material,
                             const struct secret_key *key)
{
    static const struct statement store = {
        "INSERT INTO data_key (organization_id, account_id, key_id, generation, wrapped_key, sealed_probe)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (organization_id) DO UPDATE SET"
        " generation = excluded.generation, wrapped_key = excluded.wrapped_key, updated_at = now()",
        6};
    const char *organization_id = row->organization_id;
    const char *wrapped = sealed_parameter(
        change->arena, material, key_row(change->arena, organization_id, master->key_id, master->generation),
        (const char *)key->bytes, sizeof(key->bytes));
    const char *probe = sealed_parameter(
        change->arena, key, secret_row(change->arena, organization_id, "data_key"), PROBE, sizeof(PROBE) - 1);
    if (wrapped == NULL || probe == NULL)
        return CODE_INTERNAL_ERROR;
    DB_QUEUE(db, &store, organization_id, change->account_id, master->key_id, master->generation, wrapped,
             probe);
    return CODE_OK;
}

/* The present data key, if there is one that another generation wraps; a new one if there is none. */
static enum code take_key(struct db *db, struct change *change, const struct organization_row *row,
                          const struct master_key_row *master, bool *ret_is_needed,
                          struct secret_key *ret_key)
{
    static const struct statement get = {"SELECT " DATA_KEY_COLUMNS " FROM data_key d JOIN " DATA_KEY_MATERIAL
                                         " WHERE d.organization_id = $1",
                                         1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &get, row->organization_id);
    if (code != CODE_OK)
        return code;
    bool is_there = PQntuples(result) == 1;
    *ret_is_needed = !is_there || strcmp(value(result, 0, "generation"), master->generation) != 0;
    if (!*ret_is_needed)
        return CODE_OK;
    bool good = is_there ? unwrap(db, change->arena, result, 0, ret_key)
                         : secret_random(ret_key->bytes, sizeof(ret_key->bytes));
    return good ? CODE_OK : CODE_INTERNAL_ERROR;
}

static enum code wrap(struct db *db, struct change *change, const struct organization_row *row,
                      const struct master_key_row *master)
{
    struct secret_key key = {0};
    struct secret_key material = {0};
    bool is_needed = false;

    enum code code = take_key(db, change, row, master, &is_needed, &key);
    if (code == CODE_OK && is_needed)
        code = find_material(db, change, master, &material);
    if (code == CODE_OK && is_needed)
        code = queue_store(db, change, row, master, &material, &key);
    secret_wipe(&key, sizeof(key));
    secret_wipe(&material, sizeof(material));
    return code;
}

/* An organization that is older than keys gets the default one. */
static enum code lock_master(struct db *db, struct change *change, const struct organization_row *row,
                             enum master_key_lock lock, struct master_key_row *ret_master)
{
    static const struct statement get = {"SELECT key_id FROM organization WHERE organization_id = $1", 1};
    static const struct statement set = {
        "UPDATE organization SET key_id = $2, version = version + 1, updated_at = now() WHERE organization_id = $1",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &get, row->organization_id);
    if (code != CODE_OK)
        return code;
    const char *key_id = row_text(change->arena, result, 0, "key_id");
    code = master_key_lock(db, change, key_id, lock, ret_master);
    if (code == CODE_OK && key_id == NULL)
        code = DB_RUN(db, change->problem, NULL, &set, row->organization_id, ret_master->key_id);
    return code;
}

enum code data_key_make(struct db *db, struct change *change, const struct organization_row *row)
{
    struct master_key_row master;
    enum code code = lock_master(db, change, row, MASTER_KEY_SHARE, &master);
    if (code == CODE_OK)
        code = master_key_need_enabled(master.key_id, master.is_enabled, change->problem);
    return code == CODE_OK ? wrap(db, change, row, &master) : code;
}

/* For the audit log. */
static void note_wrapping(struct change *change, const struct organization_row *row,
                          const struct master_key_row *master)
{
    struct buffer *after = &change->audit.after;
    change->audit.target = arena_printf(change->arena, "/v1/organizations/%s", row->organization_id);
    after->arena = change->arena;
    out_begin_object(after);
    out_member(after, "key_id", master->key_id);
    out_member_integer(after, "generation", strtoll(master->generation, NULL, 10));
    out_end_object(after);
}

enum code data_key_wrap(struct db *db, struct change *change, const struct organization_row *row)
{
    struct master_key_row master;
    enum code code = lock_master(db, change, row, MASTER_KEY_UPDATE, &master);
    if (code != CODE_OK || !master.is_enabled)
        return code;
    code = wrap(db, change, row, &master);
    if (code == CODE_OK)
        note_wrapping(change, row, &master);
    if (code == CODE_OK)
        master_key_queue_retire(db, change->account_id, master.key_id);
    return code;
}

enum code data_key_remove(struct db *db, struct change *change, const struct organization_row *row)
{
    static const struct statement remove = {"DELETE FROM data_key WHERE organization_id = $1", 1};
    struct master_key_row master;
    enum code code = lock_master(db, change, row, MASTER_KEY_UPDATE, &master);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &remove, row->organization_id);
    master_key_queue_retire(db, change->account_id, master.key_id);
    return CODE_OK;
}
