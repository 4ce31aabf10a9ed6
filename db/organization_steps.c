#include "db/organization_steps.h"

#include "db/row.h"
#include "model/id.h"

#define BATCH "1000" /* entities moved in one transaction */
/* Looked up by their keys: a join would read all that is left of the organization for each batch. */
#define IN_BATCH " = ANY (ARRAY(SELECT b.entity_id FROM batch b))"

/* --- set-up --- */

void organization_make_directory(struct db *db, struct change *change, const struct organization_row *row)
{
    static const struct statement insert = {
        "INSERT INTO directory (directory_id, account_id, type, name, region, organization_id)"
        " VALUES ($1, $2, 'WORKMAIL', $3, $4, $5) ON CONFLICT (organization_id) DO NOTHING",
        5};
    static const struct statement attach = {
        "UPDATE organization o SET directory_id = d.directory_id, version = o.version + 1, updated_at = now()"
        " FROM directory d WHERE o.organization_id = $1 AND d.organization_id = $1",
        1};
    /* One directory more than once in a blue moon: 40 bits. The primary key refuses it, and the step runs again. */
    DB_QUEUE(db, &insert, id_new_directory(change->arena), change->account_id, row->alias, row->region,
             row->organization_id);
    DB_QUEUE(db, &attach, row->organization_id);
}

/* Once all entries are there: who is in what. */
static enum code import_memberships(struct db *db, struct change *change, const struct organization_row *row,
                                    bool *ret_more)
{
    static const struct statement import = {
        "WITH batch AS (DELETE FROM directory_membership WHERE directory_id = $2 AND (group_id, member_id) IN"
        "  (SELECT group_id, member_id FROM directory_membership WHERE directory_id = $2 LIMIT " BATCH ")"
        "  RETURNING group_id, member_id),"
        " made AS (INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)"
        "  SELECT $1, 'MEMBER', b.group_id, b.member_id, m.kind FROM batch b"
        "  JOIN entity m ON m.organization_id = $1 AND m.entity_id = b.member_id"
        "  JOIN entity g ON g.organization_id = $1 AND g.entity_id = b.group_id)"
        " SELECT count(*) = " BATCH " FROM batch",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &import, row->organization_id, row->directory_id);
    if (code == CODE_OK)
        *ret_more = PQgetvalue(result, 0, 0)[0] == 't';
    return code;
}

enum code organization_import_directory(struct db *db, struct change *change,
                                        const struct organization_row *row, bool *ret_more)
{
    static const struct statement import = {
        "WITH batch AS (DELETE FROM directory_entry WHERE directory_id = $2 AND id IN"
        "  (SELECT id FROM directory_entry WHERE directory_id = $2 LIMIT " BATCH ")"
        "  RETURNING id, kind, document::jsonb AS document, document::jsonb -> 'detail' AS detail),"
        " made AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state,"
        "  hidden_from_address_list, search_text, created_at)"
        "  SELECT $1, id, kind, document ->> 'name', document ->> 'display_name', 'DISABLED',"
        "   (document ->> 'hidden_from_address_list')::boolean, search_text(document ->> 'name',"
        "   document ->> 'display_name', detail ->> 'first_name', detail ->> 'last_name'),"
        "   coalesce((document ->> 'created_at')::timestamptz, now()) FROM batch),"
        " linked AS (INSERT INTO external_entry (organization_id, external_id, entity_id, dn, is_read_only, generation)"
        "  SELECT $1, document ->> 'external_id', id, document ->> 'dn', true, 0 FROM batch"
        "  WHERE document ->> 'external_id' IS NOT NULL),"
        " detailed AS (INSERT INTO user_detail (organization_id, entity_id, type, first_name, last_name, initials,"
        "  street, city, zip_code, country, telephone, job_title, department, company, office, quota_mb, password_hash)"
        "  SELECT $1, b.id, d.type, d.first_name, d.last_name, d.initials, d.street, d.city, d.zip_code, d.country,"
        "   d.telephone, d.job_title, d.department, d.company, d.office, d.quota_mb, d.password_hash"
        "  FROM batch b, jsonb_populate_record(NULL::user_detail, b.detail) d WHERE b.kind = 'USER'),"
        " described AS (INSERT INTO group_detail (organization_id, entity_id, type, description)"
        "  SELECT $1, b.id, d.type, d.description"
        "  FROM batch b, jsonb_populate_record(NULL::group_detail, b.detail) d WHERE b.kind = 'GROUP')"
        " SELECT count(*) > 0 FROM batch",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &import, row->organization_id, row->directory_id);
    if (code != CODE_OK)
        return code;
    *ret_more = PQgetvalue(result, 0, 0)[0] == 't';
    return *ret_more ? CODE_OK : import_memberships(db, change, row, ret_more);
}

enum code organization_make_test_domain(struct db *db, struct change *change,
                                        const struct organization_row *row)
{
    static const struct statement claim = {
        "INSERT INTO verified_domain (domain, organization_id) VALUES ($1, $2) ON CONFLICT (domain) DO NOTHING",
        2};
    static const struct statement owner = {
        "SELECT organization_id = $2 FROM verified_domain WHERE domain = $1", 2};
    static const struct statement insert = {
        "INSERT INTO mail_domain (organization_id, domain, is_test_domain, ownership_status, verified_at)"
        " VALUES ($1, $2, true, 'VERIFIED', now()) ON CONFLICT (organization_id, domain) DO NOTHING",
        2};
    DB_RESULT result = NULL;
    DB_QUEUE(db, &claim, row->test_domain, row->organization_id);
    DB_QUEUE(db, &owner, row->test_domain, row->organization_id);
    DB_QUEUE(db, &insert, row->organization_id, row->test_domain);
    enum code code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) != 1 || PQgetvalue(result, 0, 0)[0] != 't')
        return problem_set(change->problem, CODE_MAIL_DOMAIN_STATE,
                           "The test domain %s belongs to another organization.", row->test_domain);
    return db_collect(db, change->problem, NULL);
}

void organization_make_defaults(struct db *db, const struct organization_row *row)
{
    static const struct statement insert = {
        "INSERT INTO mobile_policy (organization_id) VALUES ($1) ON CONFLICT (organization_id) DO NOTHING",
        1};
    DB_QUEUE(db, &insert, row->organization_id);
}

void organization_follow_directory(struct db *db, const struct organization_row *row)
{
    static const struct statement follow = {
        "UPDATE directory SET sync_due_at = now() WHERE organization_id = $1 AND connection IS NOT NULL", 1};
    DB_QUEUE(db, &follow, row->organization_id);
    db_note_job(db);
}

void organization_mark_completed(struct db *db, const struct organization_row *row)
{
    static const struct statement update = {
        "UPDATE organization SET completed_at = now() WHERE organization_id = $1", 1};
    DB_QUEUE(db, &update, row->organization_id);
}

/* --- removal --- */

enum code organization_remove_entities(struct db *db, struct change *change,
                                       const struct organization_row *row, bool keep_directory,
                                       bool *ret_more)
{
    static const struct statement remove = {
        "WITH batch AS MATERIALIZED (SELECT entity_id FROM entity WHERE organization_id = $1 LIMIT " BATCH
        "),"
        " kept AS (INSERT INTO directory_entry (directory_id, id, kind, document)"
        "  SELECT $2, e.entity_id, e.kind, json_build_object('name', e.name, 'display_name', e.display_name,"
        "   'hidden_from_address_list', e.hidden_from_address_list, 'created_at', e.created_at,"
        "   'external_id', x.external_id, 'dn', x.dn,"
        "   'detail', coalesce(to_jsonb(d), to_jsonb(g)) - 'organization_id' - 'entity_id') FROM entity e"
        "  LEFT JOIN user_detail d ON d.organization_id = e.organization_id AND d.entity_id = e.entity_id"
        "  LEFT JOIN group_detail g ON g.organization_id = e.organization_id AND g.entity_id = e.entity_id"
        "  LEFT JOIN external_entry x ON x.organization_id = e.organization_id AND x.entity_id = e.entity_id"
        "  WHERE $3::boolean AND e.organization_id = $1 AND e.entity_id" IN_BATCH
        "   AND e.state <> 'DELETED' AND e.kind <> 'RESOURCE'),"
        /* Before one end of it goes: the other may be in another batch. */
        " grouped AS (INSERT INTO directory_membership (directory_id, group_id, member_id)"
        "  SELECT $2, m.owner_id, m.member_id FROM entity_edge m WHERE $3::boolean AND m.organization_id = $1"
        "   AND m.relation = 'MEMBER' AND m.owner_id" IN_BATCH
        "  UNION SELECT $2, m.owner_id, m.member_id FROM entity_edge m WHERE $3::boolean AND m.organization_id = $1"
        "   AND m.relation = 'MEMBER' AND m.member_id" IN_BATCH "  ON CONFLICT DO NOTHING),"
        " released AS (DELETE FROM address_registry r USING email_address a"
        "  WHERE a.organization_id = $1 AND a.entity_id" IN_BATCH " AND r.email = a.email),"
        " ended AS (UPDATE active_period p SET ended_at = clock_timestamp()"
        "  WHERE p.organization_id = $1 AND p.entity_id" IN_BATCH " AND p.ended_at IS NULL),"
        " removed AS (DELETE FROM entity e WHERE e.organization_id = $1 AND e.entity_id" IN_BATCH ")"
        " SELECT count(*) = " BATCH " FROM batch",
        3};
    DB_RESULT result = NULL;
    bool keep = keep_directory && row->directory_id != NULL;
    enum code code = DB_RUN(db, change->problem, &result, &remove, row->organization_id, row->directory_id,
                            row_boolean(keep));
    if (code == CODE_OK)
        *ret_more = PQgetvalue(result, 0, 0)[0] == 't';
    return code;
}

void organization_remove_settings(struct db *db, const struct organization_row *row)
{
    static const struct statement remove[] = {
        {"DELETE FROM organization_health WHERE organization_id = $1", 1},
        {"DELETE FROM availability_configuration WHERE organization_id = $1", 1},
        {"DELETE FROM mobile_policy WHERE organization_id = $1", 1},
        {"DELETE FROM journaling WHERE organization_id = $1", 1},
        {"DELETE FROM migration_setting WHERE organization_id = $1", 1},
        {"DELETE FROM flow_rule WHERE organization_id = $1", 1},
        {"UPDATE operation o SET status = 'CANCELED', finished_at = clock_timestamp(),"
         " error = 'The organization is being deleted.' FROM mail_domain m WHERE m.organization_id = $1"
         " AND o.operation_id IN (m.wanted_operation_id, m.check_operation_id)",
         1},
        /* Others wait for these; a check that runs may have looked too early, and counts no more. */
        {"UPDATE mail_domain m SET next_check_at = now(), check_claims = m.check_claims + 1, check_started_at = NULL"
         " FROM verified_domain v WHERE v.organization_id = $1"
         " AND m.domain = v.domain AND m.organization_id <> $1 AND m.ownership_status = 'PENDING'",
         1},
        {"DELETE FROM mail_domain WHERE organization_id = $1", 1},
        {"DELETE FROM verified_domain WHERE organization_id = $1", 1},
    };
    for (size_t i = 0; i < sizeof(remove) / sizeof(remove[0]); i++)
        DB_QUEUE(db, &remove[i], row->organization_id);
}

void organization_release_directory(struct db *db, const struct organization_row *row, bool keep_directory)
{
    /* Who follows it has lost it. */
    static const struct statement keep = {
        "UPDATE directory SET organization_id = NULL, version = version + 1, updated_at = now(),"
        " sync_status = CASE WHEN sync_status IS NOT NULL THEN 'PENDING' END, sync_due_at = NULL,"
        " sync_claims = sync_claims + 1, sync_cookie = NULL, compared_generation = 0, sync_full_wanted = false, sync_failures = 0,"
        " sync_lag_ms = NULL, sync_users = 0, sync_groups = 0, sync_changes = 0, sync_error_code = NULL,"
        " sync_error = NULL, sync_error_since = NULL, last_synced_at = NULL, last_compared_at = NULL,"
        " wanted_operation_id = NULL, sync_operation_id = NULL WHERE organization_id = $1",
        1};
    static const struct statement forget_errors = {
        "DELETE FROM directory_error r USING directory d WHERE d.organization_id = $1"
        " AND r.directory_id = d.directory_id",
        1};
    static const struct statement end_operations = {
        "UPDATE operation o SET status = 'CANCELED', finished_at = clock_timestamp(),"
        " error = 'The organization is being deleted.' FROM directory d WHERE d.organization_id = $1"
        " AND o.operation_id IN (d.wanted_operation_id, d.sync_operation_id)",
        1};
    static const struct statement detach = {
        "UPDATE organization SET directory_id = NULL WHERE organization_id = $1", 1};
    static const struct statement remove = {"DELETE FROM directory WHERE organization_id = $1", 1};
    DB_QUEUE(db, &end_operations, row->organization_id);
    db_note_operation(db, NULL);
    if (keep_directory) {
        DB_QUEUE(db, &forget_errors, row->organization_id);
        DB_QUEUE(db, &keep, row->organization_id);
    } else {
        DB_QUEUE(db, &detach, row->organization_id);
        DB_QUEUE(db, &remove, row->organization_id);
    }
}

void organization_mark_deleted(struct db *db, const struct organization_row *row)
{
    static const struct statement update = {
        "UPDATE organization SET deleted_at = now() WHERE organization_id = $1", 1};
    DB_QUEUE(db, &update, row->organization_id);
}
