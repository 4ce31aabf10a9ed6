#include "db/interoperability.h"

#include <string.h>

#include "db/row.h"
#include "model/directory.h"
#include "model/interoperability.h"

static void queue_see(struct db *db, const char *organization_id)
{
    static const struct statement see = {
        "SELECT interoperability_enabled AS enabled, interoperability_enabled_at AS enabled_at,"
        " interoperability_disabled_at AS disabled_at, version FROM organization WHERE organization_id = $1",
        1};
    DB_QUEUE(db, &see, organization_id);
}

static enum code write(struct problem *problem, const PGresult *result, struct answer *answer)
{
    answer->etag = tx_etag(problem->arena, row_text(problem->arena, result, 0, "version"));
    return row_write(result, 0, 0, &interoperability_table, &answer->body);
}

void interoperability_queue(struct db *db, const char *account_id, const char *organization_id)
{
    organization_queue(db, account_id, organization_id, ORGANIZATION_READ);
    queue_see(db, organization_id);
}

enum code interoperability_collect(struct db *db, struct problem *problem, struct answer *answer)
{
    struct organization_row organization;
    DB_RESULT result = NULL;
    enum code code = organization_collect(db, problem->arena, problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, problem);
    if (code == CODE_OK)
        code = db_collect(db, problem, &result);
    return code == CODE_OK ? write(problem, result, answer) : code;
}

enum code interoperability_refuse(const struct organization_row *organization, const char *what,
                                  struct problem *problem)
{
    if (!organization->is_interoperable)
        return CODE_OK;
    return problem_set(
        problem, CODE_INTEROPERABILITY_MODE,
        "The organization works beside Exchange: %s in the Exchange Admin Center or the directory, and"
        " come here from there.",
        what);
}

/* --- changing --- */

struct work {
    const char *organization_id;
    const char *confirm;
};

/* Which records are expected of its domains changes with it: what was seen of them says nothing any more, and a check that
 * runs may have looked with the old expectations. */
static void queue_look_anew(struct db *db, const char *organization_id)
{
    static const struct statement statements[] = {
        {"DELETE FROM mail_domain_record WHERE organization_id = $1 AND purpose IN ('MX', 'AUTODISCOVER')",
         1},
        {"UPDATE mail_domain SET next_check_at = now(), check_claims = check_claims + 1, check_started_at = NULL"
         " WHERE organization_id = $1 AND next_check_at IS NOT NULL",
         1},
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        db_queue_silently(db, &statements[i], &organization_id, 1);
    db_note_job(db);
}

static enum code lock(struct db *db, struct change *change, const char *organization_id,
                      struct organization_row *ret_row)
{
    DB_RESULT before = NULL;
    organization_queue(db, change->account_id, organization_id, ORGANIZATION_UPDATE);
    enum code code = organization_collect(db, change->arena, change->problem, ret_row);
    if (code == CODE_OK)
        code = organization_need_serving(ret_row, change->problem);
    if (code != CODE_OK)
        return code;
    queue_see(db, organization_id);
    code = db_collect(db, change->problem, &before);
    if (code == CODE_OK)
        code = tx_before(change, before, &interoperability_table);
    return code == CODE_OK ? tx_match(change, ret_row->version) : code;
}

static enum code show(struct db *db, struct change *change, const char *organization_id)
{
    DB_RESULT result = NULL;
    queue_see(db, organization_id);
    enum code code = db_collect(db, change->problem, &result);
    return code == CODE_OK ? write(change->problem, result, &change->answer) : code;
}

/* From then on the address book has only what is enabled, by itself. */
static enum code disable_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement disable = {
        "UPDATE organization SET interoperability_enabled = false, interoperability_disabled_at = now(),"
        " version = version + 1, updated_at = now() WHERE organization_id = $1",
        1};
    const struct work *work = argument;
    struct organization_row row;

    enum code code = lock(db, change, work->organization_id, &row);
    if (code == CODE_OK)
        code = organization_need_confirmed(change, &row, work->confirm);
    if (code != CODE_OK)
        return code;
    if (row.is_interoperable) {
        db_queue_silently(db, &disable, &work->organization_id, 1);
        queue_look_anew(db, work->organization_id);
    }
    return show(db, change, work->organization_id);
}

enum code interoperability_disable(struct db *db, struct change *change, const char *organization_id,
                                   const char *confirm)
{
    struct work work = {organization_id, confirm};
    return tx_run(db, change, disable_body, &work);
}

static enum code enable_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement look = {
        "SELECT d.type, o.interoperability_disabled_at IS NOT NULL AS is_over FROM organization o"
        " JOIN directory d ON d.directory_id = o.directory_id WHERE o.organization_id = $1",
        1};
    static const struct statement enable = {
        "UPDATE organization SET interoperability_enabled = true, interoperability_enabled_at = now(),"
        " version = version + 1, updated_at = now() WHERE organization_id = $1",
        1};
    const char *organization_id = argument;
    struct organization_row row;
    DB_RESULT facts = NULL;

    change->audit.organization_id = organization_id;
    change->audit.target = arena_printf(change->arena, "/v1/organizations/%s", organization_id);
    enum code code = lock(db, change, organization_id, &row);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &facts, &look, organization_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(facts) == 0 || strcmp(PQgetvalue(facts, 0, 0), DIRECTORY_AD_CONNECTOR) != 0)
        return problem_set(change->problem, CODE_INTEROPERABILITY_MODE,
                           "Interoperability needs a directory of type " DIRECTORY_AD_CONNECTOR ".");
    if (row_flag(facts, 0, "is_over"))
        return problem_set(change->problem, CODE_INTEROPERABILITY_MODE,
                           "Interoperability of this organization was disabled, which cannot be undone.");
    if (!row.is_interoperable) {
        db_queue_silently(db, &enable, &organization_id, 1);
        queue_look_anew(db, organization_id);
    }
    return show(db, change, organization_id);
}

enum code interoperability_enable(struct db *db, struct change *change, const char *organization_id)
{
    return tx_run(db, change, enable_body, arena_string(change->arena, organization_id));
}
