#include "db/setting.h"

#include "db/organization.h"
#include "db/row.h"

static void queue_see(struct db *db, const struct setting *setting, const char *organization_id)
{
    DB_QUEUE(db, &setting->see, organization_id, setting->text(db));
}

static enum code collect_see(struct db *db, const struct setting *setting, struct problem *problem,
                             struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    if (code == CODE_OK)
        code = row_write(result, 0, 0, setting->table, &answer->body);
    if (code == CODE_OK)
        answer->etag =
            tx_etag_observed(problem->arena, row_text(problem->arena, result, 0, "version"), &answer->body);
    return code;
}

void setting_queue(struct db *db, const struct setting *setting, const char *account_id,
                   const char *organization_id)
{
    organization_queue(db, account_id, organization_id, ORGANIZATION_READ);
    queue_see(db, setting, organization_id);
}

enum code setting_collect(struct db *db, const struct setting *setting, struct problem *problem,
                          struct answer *answer)
{
    struct organization_row organization;
    enum code code = organization_collect(db, problem->arena, problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, problem);
    return code == CODE_OK ? collect_see(db, setting, problem, answer) : code;
}

enum code setting_lock(struct db *db, struct change *change, const struct setting *setting,
                       const char *organization_id)
{
    DB_RESULT before = NULL;
    DB_QUEUE(db, &setting->make, organization_id);
    DB_QUEUE(db, &setting->lock, organization_id);
    queue_see(db, setting, organization_id);
    enum code code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &before);
    if (code == CODE_OK)
        code = tx_before(change, before, setting->table);
    return code == CODE_OK ? tx_match(change, row_text(change->arena, before, 0, "version")) : code;
}

enum code setting_show(struct db *db, struct change *change, const struct setting *setting,
                       const char *organization_id)
{
    queue_see(db, setting, organization_id);
    enum code code = db_collect(db, change->problem, NULL);
    return code == CODE_OK ? collect_see(db, setting, change->problem, &change->answer) : code;
}
