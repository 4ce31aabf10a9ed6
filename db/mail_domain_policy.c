#include <string.h>

#include "db/mail_domain.h"
#include "db/row.h"
#include "model/identity_policy.h"
#include "model/json_out.h"

struct work {
    const char *organization_id;
    const char *domain;
    const char *document;
};

static struct identity_policy_facts facts_of(struct db *db, const char *account_id, const char *region,
                                             const char *domain)
{
    return (struct identity_policy_facts){.domain = domain,
                                          .region = region,
                                          .account_id = account_id,
                                          .service_domain = db_settings(db)->service_domain};
}

/* What it warns of is said whenever it is shown: the domain may get another meaning by the operator's settings. */
static enum code write_policy(const struct identity_policy_facts *facts, const char *stored,
                              const char *version, struct problem *problem, struct answer *answer)
{
    struct buffer warnings = {.arena = problem->arena};
    struct problem ignored = {.arena = problem->arena};
    struct buffer *out = &answer->body;
    const char *document = stored != NULL ? stored : identity_policy_default(problem->arena, facts);

    out_begin_array(&warnings);
    identity_policy_check(facts, document, &ignored, &warnings);
    out_end_array(&warnings);
    out_begin_object(out);
    out_name(out, "document");
    out_raw(out, document, strlen(document));
    out_member_boolean(out, "is_default", stored == NULL);
    out_name(out, "warnings");
    out_raw(out, warnings.data, warnings.length);
    out_end_object(out);
    answer->etag = tx_etag(problem->arena, version);
    return CODE_OK;
}

enum code mail_domain_get_policy(struct db *db, const char *account_id, const char *organization_id,
                                 const char *domain, struct problem *problem, struct answer *answer)
{
    static const struct statement get = {
        "SELECT identity_policy, version FROM mail_domain WHERE organization_id = $1 AND domain = $2", 2};
    struct organization_row organization;
    DB_RESULT result = NULL;
    organization_queue(db, account_id, organization_id, ORGANIZATION_READ);
    DB_QUEUE(db, &get, organization_id, domain);
    enum code code = organization_collect(db, problem->arena, problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, problem);
    if (code == CODE_OK)
        code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return mail_domain_not_found(problem);
    struct identity_policy_facts facts = facts_of(db, account_id, organization.region, domain);
    return write_policy(&facts, row_text(problem->arena, result, 0, "identity_policy"),
                        row_text(problem->arena, result, 0, "version"), problem, answer);
}

static enum code put_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement read = {
        "SELECT identity_policy FROM mail_domain WHERE organization_id = $1 AND domain = $2", 2};
    static const struct statement update = {
        "UPDATE mail_domain SET identity_policy = ($3::text)::json, version = version + 1, updated_at = now()"
        " WHERE organization_id = $1 AND domain = $2 AND identity_policy::text IS DISTINCT FROM $3::text RETURNING version",
        3};
    const struct work *work = argument;
    struct mail_domain_row row;
    struct answer before = {.body.arena = change->arena};
    struct buffer warnings = {.arena = change->arena};
    DB_RESULT stored = NULL;
    DB_RESULT updated = NULL;

    enum code code =
        mail_domain_lock(db, change, work->organization_id, work->domain, ORGANIZATION_SHARE, &row);
    if (code != CODE_OK)
        return code;
    struct identity_policy_facts facts =
        facts_of(db, change->account_id, row.organization.region, work->domain);
    code = identity_policy_check(&facts, work->document, change->problem, &warnings);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &stored, &read, work->organization_id, work->domain);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &updated, &update, work->organization_id, work->domain,
                      work->document);
    if (code != CODE_OK)
        return code;
    write_policy(&facts, row_text(change->arena, stored, 0, "identity_policy"), row.version, change->problem,
                 &before);
    change->audit.before = before.body;
    return write_policy(&facts, work->document,
                        PQntuples(updated) == 1 ? row_text(change->arena, updated, 0, "version")
                                                : row.version,
                        change->problem, &change->answer);
}

enum code mail_domain_put_policy(struct db *db, struct change *change, const char *organization_id,
                                 const char *domain, const char *document)
{
    struct work work = {.organization_id = organization_id, .domain = domain, .document = document};
    return tx_run(db, change, put_body, &work);
}
