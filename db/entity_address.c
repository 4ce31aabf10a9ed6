#include "db/entity.h"

#include <string.h>

#include "db/address.h"
#include "db/entity_change.h"
#include "db/limit.h"
#include "db/row.h"
#include "model/text.h"

/* What the bodies of the transactions below are given. */
struct address_work {
    struct entity_key key;
    const char *email;
};

#define ALIAS_COLUMNS "a.email, a.is_primary, a.created_at"

static const struct field alias_query_fields[] = {LIST_PAGE_ROWS(struct alias_query)};
const struct field_table alias_query_table = FIELD_TABLE("list_aliases_query", alias_query_fields);

enum code entity_list_aliases(struct db *db, const char *account_id, const struct entity_key *key,
                              struct alias_query *query, struct problem *problem, struct buffer *out,
                              const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &alias_table,
        .columns = ALIAS_COLUMNS,
        .from = "FROM email_address a WHERE a.organization_id = $1 AND a.entity_id = $2",
        .fixed = 2,
        .orders = {{"created_at", "a.created_at", "timestamptz"}},
        .default_order = "created_at",
        .id = "a.email",
        .id_type = "text",
    };
    return entity_list_parts(db, account_id, key, &list, &query->page, problem, out, ret_next_token);
}

/* The addresses of one that is not are in quarantine. */
static enum code need_enabled(struct change *change, const struct entity_key *key,
                              const struct entity_locked *locked)
{
    enum code code = entity_need_editable(change, key, locked);
    if (code == CODE_OK && !entity_is_state(locked, "ENABLED"))
        code = entity_wrong_state(change, key, locked,
                                  "Enable it first; its primary address can be given then.");
    return code;
}

static const struct statement get_alias = {
    "SELECT " ALIAS_COLUMNS " FROM email_address a"
    " WHERE a.organization_id = $1 AND a.entity_id = $2 AND a.email = $3",
    3};

static enum code add_alias_body(struct db *db, struct change *change, void *argument)
{
    struct address_work *work = argument;
    const struct entity_key *key = &work->key;
    struct entity_locked locked = {0};
    struct email email;
    DB_RESULT before = NULL;
    DB_RESULT after = NULL;

    enum code code = entity_lock(db, change, key, &locked, NULL);
    if (code == CODE_OK)
        code = need_enabled(change, key, &locked);
    if (code == CODE_OK)
        code = address_resolve(db, change, &locked.organization, work->email, locked.name, &email);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &before, &get_alias, key->organization_id, key->entity_id,
                      email.address);
    if (code == CODE_OK)
        code = tx_before(change, before, &alias_table);
    if (code != CODE_OK)
        return code;
    change->answer.location = change->audit.target =
        arena_printf(change->arena, "%s/aliases/%s", entity_path(change->arena, key),
                     text_percent_encode(change->arena, email.address));
    if (PQntuples(before) > 0) {
        change->answer.status = 200;
        return row_write(before, 0, 0, &alias_table, &change->answer.body);
    }

    limit_queue_aliases(db, change->account_id, key->organization_id, key->entity_id);
    code = limit_collect(db, LIMIT_ALIASES_PER_USER, change->problem);
    if (code != CODE_OK)
        return code;
    address_queue_add(db, key->organization_id, key->entity_id, email.address);
    DB_QUEUE(db, &get_alias, key->organization_id, key->entity_id, email.address);
    entity_queue_touch(db, key->organization_id, key->entity_id);
    code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &after);
    if (code != CODE_OK)
        return code;
    return row_write(after, 0, 0, &alias_table, &change->answer.body);
}

enum code entity_add_alias(struct db *db, struct change *change, const struct entity_key *key,
                           const char *email)
{
    struct address_work work = {.key = *key, .email = email};
    return tx_run(db, change, add_alias_body, &work);
}

static enum code remove_alias_body(struct db *db, struct change *change, void *argument)
{
    const struct address_work *work = argument;
    const struct entity_key *key = &work->key;
    struct entity_locked locked = {0};
    DB_RESULT result = NULL;

    enum code code = entity_lock(db, change, key, &locked, NULL);
    if (code == CODE_OK)
        code = need_enabled(change, key, &locked);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &result, &get_alias, key->organization_id, key->entity_id,
                      work->email);
    if (code == CODE_OK)
        code = tx_before(change, result, &alias_table);
    if (code != CODE_OK || PQntuples(result) == 0)
        return code;
    if (row_flag(result, 0, "is_primary"))
        return problem_set(change->problem, CODE_PRIMARY_ADDRESS,
                           "Make another address the primary one first; the old one then is an alias.");
    address_queue_remove(db, key->organization_id, key->entity_id, work->email);
    entity_queue_touch(db, key->organization_id, key->entity_id);
    return CODE_OK;
}

enum code entity_remove_alias(struct db *db, struct change *change, const struct entity_key *key,
                              const char *email)
{
    struct address_work work = {.key = *key, .email = email};
    return tx_run(db, change, remove_alias_body, &work);
}

/* A new primary address makes one alias more of the old one. */
enum code entity_room_for_address(struct db *db, struct change *change, const struct entity_key *key,
                                  const char *email, bool *ret_is_primary)
{
    DB_RESULT before = NULL;
    enum code code =
        DB_RUN(db, change->problem, &before, &get_alias, key->organization_id, key->entity_id, email);
    if (code != CODE_OK)
        return code;
    if (PQntuples(before) == 0) {
        limit_queue_aliases(db, change->account_id, key->organization_id, key->entity_id);
        return limit_collect(db, LIMIT_ALIASES_PER_USER, change->problem);
    }
    if (ret_is_primary != NULL)
        *ret_is_primary = row_flag(before, 0, "is_primary");
    return CODE_OK;
}

enum code entity_queue_primary_email(struct db *db, struct change *change, const struct entity_key *key,
                                     const struct entity_locked *locked, const char *email, int *ret_pending)
{
    struct email parsed;
    bool is_primary = false;

    enum code code = need_enabled(change, key, locked);
    if (code == CODE_OK)
        code = address_resolve(db, change, &locked->organization, email, locked->name, &parsed);
    if (code == CODE_OK)
        code = entity_room_for_address(db, change, key, parsed.address, &is_primary);
    if (code != CODE_OK)
        return code;
    if (!is_primary) {
        address_queue_add(db, key->organization_id, key->entity_id, parsed.address);
        address_queue_make_primary(db, key->organization_id, key->entity_id, parsed.address);
    }
    *ret_pending = is_primary ? 0 : 3;
    return CODE_OK;
}

static enum code primary_body(struct db *db, struct change *change, void *argument)
{
    const struct address_work *work = argument;
    struct entity_locked locked = {0};
    int pending = 0;

    enum code code = entity_lock(db, change, &work->key, &locked, NULL);
    if (code == CODE_OK)
        code = entity_queue_primary_email(db, change, &work->key, &locked, work->email, &pending);
    if (code != CODE_OK)
        return code;
    return pending > 0 ? entity_touch_and_show(db, change, &work->key, pending)
                       : entity_show(db, change, &work->key);
}

enum code entity_set_primary_email(struct db *db, struct change *change, const struct entity_key *key,
                                   const char *email)
{
    struct address_work work = {.key = *key, .email = email};
    return tx_run(db, change, primary_body, &work);
}
