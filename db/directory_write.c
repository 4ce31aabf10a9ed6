#include <stdlib.h>
#include <string.h>

#include "db/directory_rows.h"
#include "db/limit.h"
#include "db/row.h"
#include "model/job.h"
#include "model/json_out.h"
#include "model/user.h"

#define TEXT_OF(number)   #number
#define DIGITS_OF(number) TEXT_OF(number)

/* What directory_look made of an entry, with the entity that it is. */
#define INPUT                                                                                                \
    "WITH w AS MATERIALIZED (SELECT x.*, r.entity_id, r.digest, r.is_new FROM jsonb_to_recordset($2::jsonb)" \
    "  AS r (entity_id uuid, digest text, is_new boolean, entry jsonb) CROSS JOIN LATERAL"                   \
    "  jsonb_to_record(r.entry) AS x (external_id text, dn text, kind text, type text, name text,"           \
    "   display_name text, first_name text, last_name text, initials text, street text, city text,"          \
    "   zip_code text, country text, telephone text, job_title text, department text, company text,"         \
    "   office text, description text, proposed_email text, is_disabled boolean, is_hidden boolean))"

static bool is_written(const struct directory_line *line)
{
    return line->error == NULL && !line->is_same;
}

static const char *input_of(struct directory_work *work)
{
    struct buffer out = {.arena = work->change->arena};
    buffer_reserve(&out, work->count * 600 + 16);
    out_begin_array(&out);
    for (size_t i = 0; i < work->count; i++) {
        const struct directory_line *line = &work->lines[i];
        if (!is_written(line))
            continue;
        out_begin_object(&out);
        out_member(&out, "entity_id", line->entity_id);
        out_member(&out, "digest", line->digest);
        out_member_boolean(&out, "is_new", !line->is_there);
        out_name(&out, "entry");
        out_raw(&out, line->json, strlen(line->json));
        out_end_object(&out);
    }
    out_end_array(&out);
    return buffer_string(&out);
}

/* Names that change hands within the batch are given up before anybody gets them. */
static void queue_give_up_names(struct directory_work *work)
{
    static const struct statement park = {
        "UPDATE entity SET name = entity_id::text WHERE organization_id = $1"
        " AND entity_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb))::uuid[])",
        2};
    struct buffer out = {.arena = work->change->arena};
    bool any = false;
    out_begin_array(&out);
    for (size_t i = 0; i < work->count; i++) {
        const struct directory_line *line = &work->lines[i];
        if (!is_written(line) || line->old_folded == NULL || strcmp(line->old_folded, line->folded) == 0)
            continue;
        out_string(&out, line->entity_id);
        any = true;
    }
    out_end_array(&out);
    const char *const parameters[] = {work->claim->organization_id, buffer_string(&out)};
    if (any)
        db_queue_silently(work->db, &park, parameters, 2);
}

static void queue_insert(struct directory_work *work, const char *input)
{
    static const struct statement insert = {
        INPUT
        ", n AS MATERIALIZED (SELECT * FROM w WHERE w.is_new),"
        " entities AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state,"
        "   hidden_from_address_list, search_text)"
        "  SELECT $1, n.entity_id, n.kind, n.name, n.display_name, 'DISABLED', n.is_hidden,"
        "   search_text(n.name, n.display_name, n.first_name, n.last_name) FROM n),"
        " users AS (INSERT INTO user_detail (organization_id, entity_id, type, first_name, last_name, initials, street,"
        "   city, zip_code, country, telephone, job_title, department, company, office, quota_mb)"
        "  SELECT $1, n.entity_id, n.type, n.first_name, n.last_name, n.initials, n.street, n.city, n.zip_code,"
        "   n.country, n.telephone, n.job_title, n.department, n.company, n.office, $5::integer"
        "  FROM n WHERE n.kind = 'USER'),"
        " groups AS (INSERT INTO group_detail (organization_id, entity_id, type, description)"
        "  SELECT $1, n.entity_id, n.type, n.description FROM n WHERE n.kind = 'GROUP')"
        " INSERT INTO external_entry (organization_id, external_id, entity_id, dn, is_read_only, is_disabled,"
        "  proposed_email, digest, generation)"
        " SELECT $1, n.external_id, n.entity_id, n.dn, $3::boolean, n.is_disabled, n.proposed_email, n.digest,"
        "  $4::bigint FROM n",
        5};
    DB_QUEUE(work->db, &insert, work->claim->organization_id, input, row_boolean(work->is_read_only),
             row_integer(work->change->arena, work->generation), DIGITS_OF(USER_QUOTA_DEFAULT_MB));
}

/* Active Directory tells of a member that is moved, not of its groups, which go on naming it. In an order, so that all old names
 * are gone before the first new one comes: it may be the old one of another. */
static void queue_moves(struct directory_work *work, const char *input)
{
    static const struct statement move = {
        INPUT
        ", moved AS MATERIALIZED (SELECT x.dn_folded AS old_dn, lower(w.dn COLLATE \"und-x-icu\") COLLATE \"C\" AS new_dn"
        "  FROM w JOIN external_entry x ON x.organization_id = $1 AND x.external_id = w.external_id WHERE NOT w.is_new),"
        " gone AS (DELETE FROM external_member m USING moved v WHERE m.organization_id = $1"
        "  AND m.member_dn = v.old_dn AND v.old_dn <> v.new_dn RETURNING m.group_id, v.new_dn)"
        " INSERT INTO external_member (organization_id, group_id, member_dn)"
        " SELECT $1, g.group_id, g.new_dn FROM gone g ORDER BY 3, 2 ON CONFLICT DO NOTHING",
        2};
    const char *const parameters[] = {work->claim->organization_id, input};
    db_queue_silently(work->db, &move, parameters, 2);
}

/* One that was deleted, and is there again before it was purged, is what it was. */
static void queue_update(struct directory_work *work, const char *input)
{
    static const struct statement update = {
        INPUT
        ", o AS MATERIALIZED (SELECT * FROM w WHERE NOT w.is_new),"
        " users AS (UPDATE user_detail d SET type = o.type, first_name = o.first_name, last_name = o.last_name,"
        "   initials = o.initials, street = o.street, city = o.city, zip_code = o.zip_code, country = o.country,"
        "   telephone = o.telephone, job_title = o.job_title, department = o.department, company = o.company,"
        "   office = o.office FROM o WHERE d.organization_id = $1 AND d.entity_id = o.entity_id),"
        " groups AS (UPDATE group_detail d SET type = o.type, description = o.description FROM o"
        "  WHERE d.organization_id = $1 AND d.entity_id = o.entity_id),"
        " links AS (UPDATE external_entry x SET dn = o.dn, is_read_only = $3::boolean, is_disabled = o.is_disabled,"
        "   proposed_email = o.proposed_email, digest = o.digest, generation = $4::bigint"
        "  FROM o WHERE x.organization_id = $1 AND x.external_id = o.external_id)"
        " UPDATE entity e SET name = o.name, display_name = o.display_name, version = e.version + 1, updated_at = now(),"
        "  state = CASE e.state WHEN 'DELETED' THEN 'DISABLED' ELSE e.state END, deleted_at = NULL,"
        "  search_text = search_text(VARIADIC ARRAY[o.name, o.display_name, o.first_name, o.last_name]"
        "   || ARRAY(SELECT a.email FROM email_address a WHERE a.organization_id = $1 AND a.entity_id = e.entity_id"
        "    ORDER BY a.email))"
        " FROM o WHERE e.organization_id = $1 AND e.entity_id = o.entity_id",
        4};
    DB_QUEUE(work->db, &update, work->claim->organization_id, input, row_boolean(work->is_read_only),
             row_integer(work->change->arena, work->generation));
}

/* Those that are as they were, and those that keep what they had because of an error, have been seen. */
static void queue_seen(struct directory_work *work)
{
    static const struct statement seen = {
        "UPDATE external_entry x SET generation = $3 WHERE x.organization_id = $1 AND x.generation <> $3::bigint"
        " AND x.external_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))",
        3};
    struct buffer out = {.arena = work->change->arena};
    bool any = false;
    out_begin_array(&out);
    for (size_t i = 0; i < work->count; i++) {
        const struct directory_line *line = &work->lines[i];
        if (is_written(line) || !line->is_there)
            continue;
        out_string(&out, line->entry->external_id);
        any = true;
    }
    out_end_array(&out);
    const char *const parameters[] = {work->claim->organization_id, buffer_string(&out),
                                      row_integer(work->change->arena, work->generation)};
    if (any)
        db_queue_silently(work->db, &seen, parameters, 3);
}

/* --- errors --- */

static void queue_errors(struct directory_work *work)
{
    static const struct statement clear = {
        "DELETE FROM directory_error WHERE directory_id = $1"
        " AND external_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))",
        2};
    static const struct statement add = {
        "INSERT INTO directory_error AS d (directory_id, external_id, dn, code, detail, name_folded, generation)"
        " SELECT $1, w.external_id, w.dn, w.code, w.detail, w.name, $3::bigint FROM jsonb_to_recordset($2::jsonb)"
        " AS w (external_id text, dn text, code text, detail text, name text)"
        " ON CONFLICT (directory_id, external_id) DO UPDATE SET dn = excluded.dn, detail = excluded.detail,"
        "  name_folded = excluded.name_folded, generation = excluded.generation, code = excluded.code,"
        "  since = CASE d.code WHEN excluded.code THEN d.since ELSE now() END",
        3};
    struct arena *arena = work->change->arena;
    struct buffer good = {.arena = arena};
    struct buffer bad = {.arena = arena};
    const char *generation = row_integer(arena, work->generation);
    out_begin_array(&good);
    out_begin_array(&bad);
    for (size_t i = 0; i < work->count; i++) {
        const struct directory_line *line = &work->lines[i];
        if (line->error == NULL) {
            out_string(&good, line->entry->external_id);
            continue;
        }
        out_begin_object(&bad);
        out_member(&bad, "external_id", line->entry->external_id);
        out_member(&bad, "dn", line->entry->dn);
        out_member(&bad, "code", line->error);
        out_member(&bad, "detail", line->detail);
        out_member(&bad, "name", strcmp(line->error, "name_taken") == 0 ? line->folded : NULL);
        out_end_object(&bad);
        work->errors++;
    }
    out_end_array(&good);
    out_end_array(&bad);
    const char *const cleared[] = {work->claim->directory_id, buffer_string(&good)};
    const char *const added[] = {work->claim->directory_id, buffer_string(&bad), generation};
    db_queue_silently(work->db, &clear, cleared, 2);
    if (work->errors > 0)
        db_queue_silently(work->db, &add, added, 3);
}

/* --- accounts that the directory disables, and enables again --- */

/* Array literal of the entities of lines that are to be disabled, or enabled again. */
static const char *collect_ids(struct directory_work *work, bool enables, int64_t most)
{
    struct buffer out = {.arena = work->change->arena};
    buffer_byte(&out, '{');
    for (size_t i = 0; i < work->count; i++) {
        const struct directory_line *line = &work->lines[i];
        bool is_disabled = line->entry->is_disabled;
        bool is_meant = enables ? line->returns && !is_disabled && !line->is_deleted && !line->is_enabled
                                : line->is_enabled && is_disabled;
        if (!is_written(line) || line->entry->is_group || !is_meant || most-- == 0)
            continue;
        buffer_printf(&out, "%s%s", out.length > 1 ? "," : "", line->entity_id);
    }
    buffer_byte(&out, '}');
    return out.length > 2 ? buffer_string(&out) : NULL;
}

#define PURGE_JOBS(changed)                                                             \
    " jobs AS (INSERT INTO job (kind, organization_id, entity_id, run_at)"              \
    "  SELECT '" JOB_ENTITY_PURGE "', $1, c.entity_id, c.purge_at FROM " changed " c)," \
    " ended AS (UPDATE active_period p SET ended_at = clock_timestamp() FROM " changed  \
    "  c WHERE p.organization_id = $1 AND p.entity_id = c.entity_id AND p.ended_at IS NULL)"

static void queue_disable(struct directory_work *work)
{
    static const struct statement disable = {
        "WITH changed AS (UPDATE entity e SET state = 'DISABLED', disabled_at = now(),"
        "  purge_at = now() + make_interval(secs => $3::bigint), version = e.version + 1, updated_at = now()"
        "  WHERE e.organization_id = $1 AND e.entity_id = ANY ($2::uuid[]) RETURNING e.entity_id, e.purge_at)," PURGE_JOBS(
            "changed") " UPDATE external_entry x SET was_enabled = true FROM changed c"
                       " WHERE x.organization_id = $1 AND x.entity_id = c.entity_id",
        3};
    const char *ids = collect_ids(work, false, -1);
    if (ids != NULL)
        DB_QUEUE(work->db, &disable, work->claim->organization_id, ids,
                 row_integer(work->change->arena, db_settings(work->db)->mailbox_retention_s));
}

/* Whose mailbox and address are still there; the others are enabled by hand, as when they were new. */
static enum code enable_again(struct directory_work *work)
{
    static const struct statement enable = {
        "WITH changed AS (UPDATE entity e SET state = 'ENABLED', enabled_at = now(), disabled_at = NULL,"
        "  purge_at = NULL, version = e.version + 1, updated_at = now()"
        "  WHERE e.organization_id = $1 AND e.entity_id = ANY ($2::uuid[]) AND e.state = 'DISABLED'"
        "  AND EXISTS (SELECT FROM mailbox m WHERE m.organization_id = $1 AND m.entity_id = e.entity_id)"
        "  AND EXISTS (SELECT FROM email_address a WHERE a.organization_id = $1 AND a.entity_id = e.entity_id"
        "   AND a.is_primary) RETURNING e.entity_id),"
        " begun AS (INSERT INTO active_period (organization_id, entity_id) SELECT $1, c.entity_id FROM changed c"
        "  ON CONFLICT (organization_id, entity_id) WHERE ended_at IS NULL DO NOTHING)"
        " UPDATE external_entry x SET was_enabled = false"
        " WHERE x.organization_id = $1 AND x.entity_id = ANY ($2::uuid[])",
        2};
    int64_t room = -1;
    if (collect_ids(work, true, room) == NULL)
        return CODE_OK;
    enum code code = CODE_OK;
    if (work->organization.is_on_trial)
        code = limit_trial_room(work->db, work->change->account_id, work->change->problem, &room);
    const char *ids = code == CODE_OK ? collect_ids(work, true, room) : NULL;
    return ids != NULL
               ? DB_RUN(work->db, work->change->problem, NULL, &enable, work->claim->organization_id, ids)
               : code;
}

/* --- all of it --- */

enum code directory_write(struct directory_work *work)
{
    bool any_new = false;
    bool any_old = false;
    if (work->count == 0)
        return CODE_OK;
    for (size_t i = 0; i < work->count; i++) {
        const struct directory_line *line = &work->lines[i];
        if (!is_written(line))
            continue;
        bool comes = !line->is_there || line->is_deleted;
        any_new |= !line->is_there;
        any_old |= line->is_there;
        work->created += comes;
        work->updated += !comes;
        work->users += comes && !line->entry->is_group;
        work->groups += comes && line->entry->is_group;
    }
    const char *input = any_new || any_old ? input_of(work) : NULL;
    queue_give_up_names(work);
    if (any_old && work->claim->is_active_directory)
        queue_moves(work, input);
    if (any_old)
        queue_update(work, input);
    if (any_new)
        queue_insert(work, input);
    queue_seen(work);
    queue_errors(work);
    queue_disable(work);
    enum code code = db_finish(work->db, work->change->problem);
    return code == CODE_OK ? enable_again(work) : code;
}

enum code directory_remove(struct directory_work *work, const char *external_ids)
{
    static const struct statement lock = {
        "SELECT FROM entity e WHERE e.organization_id = $1 AND e.entity_id = ANY (ARRAY(SELECT x.entity_id"
        "  FROM external_entry x WHERE x.organization_id = $1"
        "  AND x.external_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))))"
        " ORDER BY e.entity_id FOR NO KEY UPDATE OF e",
        2};
    static const struct statement remove = {
        "WITH changed AS (UPDATE entity e SET state = 'DELETED', deleted_at = now(),"
        "  disabled_at = coalesce(e.disabled_at, now()),"
        "  purge_at = coalesce(e.purge_at, now() + make_interval(secs => $3::bigint)),"
        "  version = e.version + 1, updated_at = now()"
        "  FROM external_entry x WHERE x.organization_id = $1"
        "  AND x.external_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))"
        "  AND e.organization_id = $1 AND e.entity_id = x.entity_id AND e.state <> 'DELETED'"
        "  RETURNING e.entity_id, e.purge_at, e.kind)," PURGE_JOBS(
            "changed") ","
                       " links AS (UPDATE external_entry x SET was_enabled = false FROM changed c"
                       "  WHERE x.organization_id = $1 AND x.entity_id = c.entity_id),"
                       " members AS (DELETE FROM external_member m USING changed c"
                       "  WHERE m.organization_id = $1 AND m.group_id = c.entity_id),"
                       " left_by AS (DELETE FROM entity_edge d USING changed c WHERE d.organization_id = $1"
                       "  AND d.member_id = c.entity_id RETURNING d.owner_id),"
                       " emptied AS (DELETE FROM entity_edge d USING changed c WHERE d.organization_id = $1"
                       "  AND d.owner_id = c.entity_id AND d.member_id <> ALL (ARRAY(SELECT entity_id FROM changed))),"
                       " shown AS (UPDATE entity e SET version = e.version + 1, updated_at = now() WHERE e.organization_id = $1"
                       "  AND e.entity_id IN (SELECT owner_id FROM left_by) AND e.entity_id NOT IN (SELECT entity_id FROM changed)),"
                       " forgotten AS (DELETE FROM directory_error WHERE directory_id = $4"
                       "  AND external_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb))))"
                       " SELECT count(*) FILTER (WHERE kind = 'USER') AS users, count(*) FILTER (WHERE kind = 'GROUP') AS groups"
                       " FROM changed",
        4};
    DB_RESULT result = NULL;
    const char *const locked[] = {work->claim->organization_id, external_ids};
    db_queue_silently(work->db, &lock, locked, 2);
    enum code code =
        DB_RUN(work->db, work->change->problem, &result, &remove, work->claim->organization_id, external_ids,
               row_integer(work->change->arena, db_settings(work->db)->mailbox_retention_s),
               work->claim->directory_id);
    if (code != CODE_OK)
        return code;
    int64_t users = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    int64_t groups = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    work->removed += users + groups;
    work->users -= users;
    work->groups -= groups;
    return CODE_OK;
}
