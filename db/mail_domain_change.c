#include <stdlib.h>
#include <string.h>

#include "db/job.h"
#include "db/limit.h"
#include "db/mail_domain.h"

#include "db/dkim.h"
#include "db/operation.h"
#include "db/row.h"
#include "model/id.h"
#include "model/json_out.h"
#include "model/operation.h"

#define MOST_USERS 20 /* named when a domain cannot be removed */

struct work {
    const char *organization_id;
    const char *domain;
    const struct mail_domain_name *name;
    const bool *allow_subdomains;
    const char *confirm;
};

/* --- registering --- */

enum code mail_domain_add(struct db *db, struct change *change, const char *organization_id,
                          const struct mail_domain_name *name, bool allow_subdomains)
{
    static const struct statement insert = {
        "INSERT INTO mail_domain (organization_id, domain, unicode_name, allow_subdomains, next_check_at)"
        " VALUES ($1, $2, $3, $4, now())",
        4};
    const char *above = NULL;

    limit_queue_domains(db, change->account_id, organization_id);
    enum code code = limit_collect(db, LIMIT_DOMAINS_PER_ORGANIZATION, change->problem);
    if (code == CODE_OK)
        code = mail_domain_find_above(db, change->problem, organization_id, name->domain, &above);
    if (code != CODE_OK)
        return code;
    if (above != NULL)
        return problem_set(
            change->problem, CODE_MAIL_DOMAIN_IN_USE,
            "%s belongs to another organization, which does not let others have domains below it.", above);
    db_note_job(db);
    DB_QUEUE(db, &insert, organization_id, name->domain, name->unicode_name, row_boolean(allow_subdomains));
    dkim_hurry(db, change->arena, organization_id);
    return db_finish(db, change->problem);
}

static enum code register_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    struct organization_row organization;

    organization_queue(db, change->account_id, work->organization_id, ORGANIZATION_UPDATE);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, change->problem);
    if (code == CODE_OK)
        code = mail_domain_add(db, change, work->organization_id, work->name, *work->allow_subdomains);
    if (code != CODE_OK)
        return code;
    change->answer.location = mail_domain_path(change->arena, work->organization_id, work->name->domain);
    return mail_domain_show(db, change, work->organization_id, work->name->domain);
}

enum code mail_domain_register(struct db *db, struct change *change, const char *organization_id,
                               const struct mail_domain_name *name, bool allow_subdomains)
{
    struct work work = {
        .organization_id = organization_id, .name = name, .allow_subdomains = &allow_subdomains};
    return tx_run(db, change, register_body, &work);
}

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE mail_domain SET allow_subdomains = $3, version = version + 1, updated_at = now()"
        " WHERE organization_id = $1 AND domain = $2 AND allow_subdomains <> $3",
        3};
    const struct work *work = argument;
    struct mail_domain_row row;
    enum code code =
        mail_domain_lock(db, change, work->organization_id, work->domain, ORGANIZATION_SHARE, &row);
    if (code != CODE_OK)
        return code;
    if (work->allow_subdomains != NULL)
        DB_QUEUE(db, &update, work->organization_id, work->domain, row_boolean(*work->allow_subdomains));
    return mail_domain_show(db, change, work->organization_id, work->domain);
}

enum code mail_domain_update(struct db *db, struct change *change, const char *organization_id,
                             const char *domain, const bool *allow_subdomains)
{
    struct work work = {
        .organization_id = organization_id, .domain = domain, .allow_subdomains = allow_subdomains};
    return tx_run(db, change, update_body, &work);
}

/* --- checking now --- */

/* The operation that waits for a check which has not begun: its answer is that of whoever asks now, too. */
static enum code find_wanted(struct db *db, struct change *change, const struct work *work,
                             const char **ret_operation_id)
{
    static const struct statement find = {
        "SELECT o.operation_id FROM mail_domain m JOIN operation o ON o.operation_id = m.wanted_operation_id"
        " AND o.status = 'PENDING' WHERE m.organization_id = $1 AND m.domain = $2",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &find, work->organization_id, work->domain);
    if (code == CODE_OK)
        *ret_operation_id =
            PQntuples(result) == 1 ? row_text(change->arena, result, 0, "operation_id") : NULL;
    return code;
}

static enum code check_body(struct db *db, struct change *change, void *argument)
{
    static const char *const steps[] = {"ask_name_servers", NULL};
    /* A check that runs is left to end: another one follows it. */
    static const struct statement update = {
        "UPDATE mail_domain SET wanted_operation_id = $3, check_attempts = 0,"
        " next_check_at = CASE WHEN check_started_at IS NULL THEN now() ELSE next_check_at END,"
        " pending_since = CASE WHEN ownership_status = 'FAILED' THEN now() ELSE pending_since END,"
        " ownership_status = CASE WHEN ownership_status = 'FAILED' THEN 'PENDING' ELSE ownership_status END,"
        " version = version + (ownership_status = 'FAILED')::integer, updated_at = now()"
        " WHERE organization_id = $1 AND domain = $2",
        3};
    const struct work *work = argument;
    const char *operation_id = NULL;
    struct mail_domain_row row;
    bool over;

    enum code code =
        mail_domain_lock(db, change, work->organization_id, work->domain, ORGANIZATION_SHARE, &row);
    if (code == CODE_OK && row.is_test_domain)
        code = problem_set(change->problem, CODE_MAIL_DOMAIN_STATE,
                           "%s is the test domain, which the service has made and publishes itself.",
                           work->domain);
    if (code == CODE_OK)
        code = find_wanted(db, change, work, &operation_id);
    if (code != CODE_OK)
        return code;
    if (operation_id == NULL) {
        operation_id = id_new_uuid(change->arena);
        operation_insert(db, change, operation_id, work->organization_id,
                         mail_domain_path(change->arena, work->organization_id, work->domain), steps);
    }
    DB_QUEUE(db, &update, work->organization_id, work->domain, operation_id);
    db_note_job(db);
    code = db_finish(db, change->problem);
    if (code != CODE_OK)
        return code;
    change->answer.location = arena_printf(change->arena, "/v1/operations/%s", operation_id);
    operation_queue(db, change->account_id, NULL, operation_id);
    return operation_collect(db, change->problem, &change->answer.body, &over);
}

enum code mail_domain_check_now(struct db *db, struct change *change, const char *organization_id,
                                const char *domain)
{
    struct work work = {.organization_id = organization_id, .domain = domain};
    return tx_run(db, change, check_body, &work);
}

/* --- removing --- */

/* Those that are there: of a deleted one only the addresses are kept for a while. */
static enum code need_unused(struct db *db, struct change *change, const struct work *work)
{
    static const struct statement find = {
        "SELECT lower(e.kind), e.name, count(*) OVER () AS total FROM entity e WHERE e.organization_id = $1"
        " AND e.state <> 'DELETED' AND EXISTS (SELECT FROM email_address a WHERE a.organization_id = $1"
        "  AND a.entity_id = e.entity_id AND split_part(a.email, '@', 2) = $2)"
        " ORDER BY e.kind DESC, e.name_folded LIMIT $3",
        3};
    struct buffer users = {.arena = change->arena};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &find, work->organization_id, work->domain,
                            row_integer(change->arena, MOST_USERS));
    int count = code == CODE_OK ? PQntuples(result) : 0;
    if (count == 0)
        return code;
    for (int i = 0; i < count; i++)
        buffer_printf(&users, "%s%s \"%s\"", i > 0 ? ", " : "", PQgetvalue(result, i, 0),
                      PQgetvalue(result, i, 1));
    return problem_set(change->problem, CODE_MAIL_DOMAIN_IN_USE,
                       "%s have addresses in %s: %s%s. Remove these addresses first.",
                       PQgetvalue(result, 0, 2), work->domain, buffer_string(&users),
                       strtol(PQgetvalue(result, 0, 2), NULL, 10) > count ? ", …" : "");
}

static void queue_removal(struct db *db, const struct work *work)
{
    static const struct statement end_operations = {
        "UPDATE operation o SET status = 'CANCELED', error = 'The domain was removed.', finished_at = clock_timestamp()"
        " FROM mail_domain m WHERE m.organization_id = $1 AND m.domain = $2"
        " AND o.operation_id IN (m.wanted_operation_id, m.check_operation_id)",
        2};
    static const struct statement release_addresses = {
        "WITH gone AS (DELETE FROM email_address WHERE organization_id = $1 AND split_part(email, '@', 2) = $2"
        "  RETURNING email) DELETE FROM address_registry r USING gone WHERE r.email = gone.email",
        2};
    static const struct statement remove = {
        "DELETE FROM mail_domain WHERE organization_id = $1 AND domain = $2", 2};
    /* Who waited for it need not wait any longer: a check that runs may have looked too early, and counts no more. Not so
     * when it was not the organization's own: it must not hold up what others prove. */
    static const struct statement give_up = {
        "WITH gone AS (DELETE FROM verified_domain WHERE organization_id = $1 AND domain = $2 RETURNING domain)"
        " UPDATE mail_domain m SET next_check_at = now(), check_claims = m.check_claims + 1, check_started_at = NULL"
        " FROM gone WHERE m.domain = gone.domain AND m.organization_id <> $1 AND m.ownership_status = 'PENDING'",
        2};
    static const struct statement *const statements[] = {&end_operations, &release_addresses, &remove,
                                                         &give_up};
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        DB_QUEUE(db, statements[i], work->organization_id, work->domain);
    db_note_operation(db, NULL);
    db_note_job(db);
}

static enum code deregister_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    struct mail_domain_row row;
    /* For update: nobody takes an address in it meanwhile. */
    enum code code =
        mail_domain_lock(db, change, work->organization_id, work->domain, ORGANIZATION_UPDATE, &row);
    if (code != CODE_OK)
        return code;
    if (strcmp(work->confirm, work->domain) != 0)
        return problem_set(change->problem, CODE_CONFIRMATION_MISMATCH,
                           "Repeat the domain as `confirm`: it will have to be verified again.");
    if (row.is_test_domain)
        return problem_set(change->problem, CODE_MAIL_DOMAIN_STATE,
                           "The test domain stays as long as the organization.");
    if (row.is_default)
        return problem_set(change->problem, CODE_MAIL_DOMAIN_IN_USE,
                           "It is the default domain; make another one the default first.");
    code = need_unused(db, change, work);
    if (code == CODE_OK)
        queue_removal(db, work);
    return code;
}

enum code mail_domain_deregister(struct db *db, struct change *change, const char *organization_id,
                                 const char *domain, const char *confirm)
{
    struct work work = {.organization_id = organization_id, .domain = domain, .confirm = confirm};
    return tx_run(db, change, deregister_body, &work);
}

/* --- the default domain --- */

static enum code write_default(const struct organization_row *row, struct arena *arena, struct answer *answer)
{
    out_begin_object(&answer->body);
    out_member(&answer->body, "domain", row->default_domain);
    out_end_object(&answer->body);
    answer->etag = tx_etag(arena, row->version);
    return CODE_OK;
}

enum code mail_domain_get_default(struct db *db, const char *account_id, const char *organization_id,
                                  struct problem *problem, struct answer *answer)
{
    struct organization_row row;
    organization_queue(db, account_id, organization_id, ORGANIZATION_READ);
    enum code code = organization_collect(db, problem->arena, problem, &row);
    if (code == CODE_OK)
        code = organization_need_serving(&row, problem);
    return code == CODE_OK ? write_default(&row, problem->arena, answer) : code;
}

/* Whether the organization has it, verified. */
static enum code need_verified(struct db *db, struct change *change, const struct work *work)
{
    static const struct statement find = {
        "SELECT ownership_status FROM mail_domain WHERE organization_id = $1 AND domain = $2 FOR NO KEY UPDATE",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &find, work->organization_id, work->domain);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return problem_set(change->problem, CODE_MAIL_DOMAIN_NOT_REGISTERED,
                           "%s is not a domain of this organization; register and verify it first.",
                           work->domain);
    if (strcmp(PQgetvalue(result, 0, 0), "VERIFIED") != 0)
        return problem_set(change->problem, CODE_MAIL_DOMAIN_STATE,
                           "The domain %s is not verified yet; the default domain is a verified one.",
                           work->domain);
    return CODE_OK;
}

static enum code default_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE organization SET default_domain = $2, version = version + 1, updated_at = now()"
        " WHERE organization_id = $1",
        2};
    static const struct statement touch = {"UPDATE mail_domain SET version = version + 1, updated_at = now()"
                                           " WHERE organization_id = $1 AND domain IN ($2, $3)",
                                           3};
    const struct work *work = argument;
    struct organization_row row;
    struct answer before = {.body.arena = change->arena};

    organization_queue(db, change->account_id, work->organization_id, ORGANIZATION_UPDATE);
    enum code code = organization_collect(db, change->arena, change->problem, &row);
    if (code == CODE_OK)
        code = organization_need_serving(&row, change->problem);
    if (code == CODE_OK)
        code = tx_match(change, row.version);
    if (code == CODE_OK)
        code = need_verified(db, change, work);
    if (code != CODE_OK)
        return code;
    write_default(&row, change->arena, &before);
    change->audit.before = before.body;
    change->audit.target = arena_printf(change->arena, "/v1/organizations/%s", work->organization_id);
    if (strcmp(row.default_domain, work->domain) != 0) {
        DB_QUEUE(db, &update, work->organization_id, work->domain);
        DB_QUEUE(db, &touch, work->organization_id, row.default_domain, work->domain);
        organization_queue(db, change->account_id, work->organization_id, ORGANIZATION_READ);
        code = db_collect(db, change->problem, NULL);
        if (code == CODE_OK)
            code = db_collect(db, change->problem, NULL);
        if (code == CODE_OK)
            code = organization_collect(db, change->arena, change->problem, &row);
    }
    return code == CODE_OK ? write_default(&row, change->arena, &change->answer) : code;
}

enum code mail_domain_set_default(struct db *db, struct change *change, const char *organization_id,
                                  const char *domain)
{
    struct work work = {.organization_id = organization_id, .domain = domain};
    return tx_run(db, change, default_body, &work);
}
