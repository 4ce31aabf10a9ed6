#include "db/address.h"

#include <string.h>
#include <strings.h>

bool address_is_reserved(const struct db *db, const char *local_part)
{
    return strcasecmp(local_part, db_settings(db)->journaling_sender) == 0;
}

enum code address_may_be_used(const struct db *db, const struct organization_row *organization,
                              const struct email *email, struct arena *arena, const char **ret_detail)
{
    if (!address_is_reserved(db, email->local) || strcmp(email->domain, organization->test_domain) != 0)
        return CODE_OK;
    *ret_detail =
        arena_printf(arena, "%s is the sender of journal records; choose another address.", email->address);
    return CODE_RESERVED_NAME;
}

enum code address_resolve(struct db *db, struct change *change, const struct organization_row *organization,
                          const char *text, const char *name, struct email *ret_email)
{
    static const struct statement domain = {
        "SELECT ownership_status FROM mail_domain WHERE organization_id = $1 AND domain = $2", 2};
    struct email email;
    const char *detail;

    if (text == NULL)
        text = email_local_part_of_name(change->arena, name);
    if (!email_parse(change->arena, text, organization->default_domain, &email, &detail)) {
        problem_add_member(change->problem, "email", "invalid_format", "%s", detail);
        return CODE_VALIDATION_FAILED;
    }
    if (address_may_be_used(db, organization, &email, change->arena, &detail) != CODE_OK)
        return problem_set(change->problem, CODE_RESERVED_NAME, "%s", detail);

    DB_RESULT result = NULL;
    enum code code =
        DB_RUN(db, change->problem, &result, &domain, organization->organization_id, email.domain);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return problem_set(change->problem, CODE_MAIL_DOMAIN_NOT_REGISTERED,
                           "%s is not a domain of this organization; register and verify it first.",
                           email.domain);
    if (strcmp(PQgetvalue(result, 0, 0), "VERIFIED") != 0)
        return problem_set(change->problem, CODE_MAIL_DOMAIN_STATE,
                           "The domain %s is not verified yet; addresses are in verified domains only.",
                           email.domain);
    *ret_email = email;
    return CODE_OK;
}

void address_queue_add(struct db *db, const char *organization_id, const char *entity_id, const char *email)
{
    static const struct statement add = {
        "WITH wanted AS (SELECT $3::text AS email WHERE NOT EXISTS (SELECT FROM email_address"
        "  WHERE organization_id = $1 AND entity_id = $2 AND email = $3)),"
        " registered AS (INSERT INTO address_registry (email, organization_id, entity_id)"
        "  SELECT email, $1, $2 FROM wanted RETURNING email)"
        " INSERT INTO email_address (organization_id, entity_id, email, is_primary)"
        " SELECT $1, $2, email, false FROM registered",
        3};
    DB_QUEUE(db, &add, organization_id, entity_id, email);
}

void address_queue_add_if_free(struct db *db, const char *organization_id, const char *entity_id,
                               const char *email)
{
    static const struct statement add = {
        "WITH registered AS (INSERT INTO address_registry (email, organization_id, entity_id)"
        "  VALUES ($3, $1, $2) ON CONFLICT (email) DO NOTHING RETURNING email)"
        " INSERT INTO email_address (organization_id, entity_id, email, is_primary)"
        " SELECT $1, $2, email, false FROM registered",
        3};
    DB_QUEUE(db, &add, organization_id, entity_id, email);
}

void address_queue_make_primary(struct db *db, const char *organization_id, const char *entity_id,
                                const char *email)
{
    /* Two statements: the unique index on primary addresses is checked row by row. */
    static const struct statement demote = {
        "UPDATE email_address SET is_primary = false"
        " WHERE organization_id = $1 AND entity_id = $2 AND is_primary AND email <> $3",
        3};
    static const struct statement promote = {
        "UPDATE email_address SET is_primary = true WHERE organization_id = $1 AND entity_id = $2 AND email = $3",
        3};
    DB_QUEUE(db, &demote, organization_id, entity_id, email);
    DB_QUEUE(db, &promote, organization_id, entity_id, email);
}

void address_queue_remove(struct db *db, const char *organization_id, const char *entity_id,
                          const char *email)
{
    static const struct statement remove = {
        "WITH removed AS (DELETE FROM email_address WHERE organization_id = $1 AND entity_id = $2 AND email = $3"
        "  RETURNING email)"
        " DELETE FROM address_registry r USING removed WHERE r.email = removed.email",
        3};
    DB_QUEUE(db, &remove, organization_id, entity_id, email);
}

void address_queue_remove_all(struct db *db, const char *organization_id, const char *entity_id)
{
    static const struct statement remove = {
        "WITH removed AS (DELETE FROM email_address WHERE organization_id = $1 AND entity_id = $2 RETURNING email)"
        " DELETE FROM address_registry r USING removed WHERE r.email = removed.email",
        2};
    DB_QUEUE(db, &remove, organization_id, entity_id);
}
