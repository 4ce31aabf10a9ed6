#include "db/migration_setting.h"

#include <string.h>

#include "db/entity_change.h"
#include "db/entity_sql.h"
#include "db/row.h"
#include "model/id.h"

static const char *default_name(const struct db *db)
{
    (void)db;
    return MIGRATION_ADMIN_DEFAULT;
}

#define NAMED "e.name_folded = lower($2 COLLATE \"und-x-icu\") COLLATE \"C\""
#define WARNINGS                                                                                                     \
    "CASE WHEN s.user_id IS NOT NULL AND e.state <> 'ENABLED' THEN ARRAY['The user ' || e.name || ' is ' || e.state" \
    " || ': nobody administrates migrations. Enable this user, or choose another.'] ELSE ARRAY[]::text[] END"

const struct setting migration_setting = {
    .table = &migration_setting_table,
    .see =
        {"SELECT s.user_id AS migration_admin, e.entity_id AS \"user.user_id\", e.name AS \"user.name\","
         " e.display_name AS \"user.display_name\", e.email AS \"user.email\", e.state AS \"user.state\", " WARNINGS
         " AS warnings, " SETTING_TIMES SETTING_FROM(
             "migration_setting") " LEFT JOIN LATERAL"
                                  " (SELECT e.entity_id, e.name, e.display_name," ENTITY_EMAIL
                                  ", e.state FROM entity e"
                                  "  WHERE e.organization_id = $1 AND e.kind = 'USER' AND CASE WHEN s.user_id IS NOT NULL THEN"
                                  "  e.entity_id = s.user_id ELSE " NAMED
                                  " AND e.state = 'ENABLED' END) e ON true"
                                  " WHERE o.organization_id = $1",
         2},
    .make = SETTING_MAKE("migration_setting"),
    .lock = SETTING_LOCK("migration_setting"),
    .text = default_name,
};

struct work {
    const char *organization_id;
    const struct migration_setting *wanted;
};

/* Locked, so that it stays enabled until the setting says so. An id goes before a name that looks like one. */
static enum code find_user(struct db *db, struct change *change, const struct work *work,
                           const char **ret_user_id)
{
    static const struct statement find = {
        "SELECT e.entity_id, e.name, e.state FROM entity e WHERE e.organization_id = $1 AND e.kind = 'USER'"
        " AND e.state <> 'DELETED' AND (" NAMED " OR e.entity_id = $3::uuid)"
        " ORDER BY e.entity_id = $3::uuid DESC NULLS LAST LIMIT 1 FOR SHARE",
        3};
    const char *text = work->wanted->migration_admin;
    DB_RESULT result = NULL;

    enum code code = DB_RUN(db, change->problem, &result, &find, work->organization_id, text,
                            id_is_uuid(text) ? text : NULL);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0) {
        problem_add_member(change->problem, "migration_admin", "invalid_value",
                           "No user of this organization has this id or name.");
        return CODE_VALIDATION_FAILED;
    }
    const char *state = row_text(change->arena, result, 0, "state");
    if (strcmp(state, "ENABLED") != 0)
        return problem_set(change->problem, CODE_ENTITY_STATE,
                           "The user %s is %s; enable it first, or choose another one.",
                           row_text(change->arena, result, 0, "name"), state);
    *ret_user_id = row_text(change->arena, result, 0, "entity_id");
    return CODE_OK;
}

static enum code put_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE migration_setting SET user_id = $2, version = version + 1, updated_at = now()"
        " WHERE organization_id = $1 AND user_id IS DISTINCT FROM $2::uuid",
        2};
    const struct work *work = argument;
    struct organization_row organization;
    const char *user_id = NULL;

    enum code code = entity_enter(db, change, work->organization_id, &organization);
    if (code == CODE_OK && work->wanted->migration_admin != NULL)
        code = find_user(db, change, work, &user_id);
    if (code == CODE_OK)
        code = setting_lock(db, change, &migration_setting, work->organization_id);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &update, work->organization_id, user_id);
    return setting_show(db, change, &migration_setting, work->organization_id);
}

enum code migration_setting_put(struct db *db, struct change *change, const char *organization_id,
                                const struct migration_setting *wanted)
{
    struct work work = {organization_id, wanted};
    return tx_run(db, change, put_body, &work);
}
