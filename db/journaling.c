#include "db/journaling.h"

#include "db/entity_change.h"
#include "db/row.h"

static const char *sender(const struct db *db)
{
    return db_settings(db)->journaling_sender;
}

const struct setting journaling_setting = {
    .table = &journaling_table,
    .see = {"SELECT coalesce(s.enabled, false) AS enabled, s.journaling_address, s.report_address,"
            " $2::text || '@' || o.test_domain AS sender_address, " SETTING_TIMES SETTING_FROM(
                "journaling") " WHERE o.organization_id = $1",
            2},
    .make = SETTING_MAKE("journaling"),
    .lock = SETTING_LOCK("journaling"),
    .text = sender,
};

struct work {
    const char *organization_id;
    const struct journaling *journaling;
};

static enum code put_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE journaling SET enabled = $2, journaling_address = $3, report_address = $4, version = version + 1,"
        " updated_at = now() WHERE organization_id = $1"
        " AND (enabled, journaling_address, report_address) IS DISTINCT FROM ($2::boolean, $3::text, $4::text)",
        4};
    const struct work *work = argument;
    struct journaling wanted = *work->journaling;
    struct organization_row organization;

    enum code code = entity_enter(db, change, work->organization_id, &organization);
    if (code == CODE_OK)
        code = journaling_check(&wanted,
                                arena_printf(change->arena, "%s@%s", sender(db), organization.test_domain),
                                change->problem);
    if (code == CODE_OK)
        code = setting_lock(db, change, &journaling_setting, work->organization_id);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &update, work->organization_id, row_boolean(wanted.enabled), wanted.journaling_address,
             wanted.report_address);
    return setting_show(db, change, &journaling_setting, work->organization_id);
}

enum code journaling_put(struct db *db, struct change *change, const char *organization_id,
                         const struct journaling *journaling)
{
    struct work work = {organization_id, journaling};
    return tx_run(db, change, put_body, &work);
}
