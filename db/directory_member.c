#include <string.h>

#include "db/directory_rows.h"
#include "db/row.h"
#include "model/json_out.h"

/* What is expected of an edge: the group names the member where the member is. Looked up by keys, whatever the planner
 * thinks of tables that were empty a moment ago. */
#define NAMES(group, member)                                                                                         \
    " EXISTS (SELECT FROM external_entry x JOIN external_member m ON m.organization_id = $1 AND m.group_id = " group \
    " AND m.member_dn = x.dn_folded WHERE x.organization_id = $1 AND x.entity_id = " member ")"

/* Of groups $2, and of what is in any group $3: group, member and its kind. */
#define PAIRS                                                                                                \
    "WITH pairs AS MATERIALIZED (SELECT p.group_id, p.member_id, e.kind FROM ("                              \
    "  SELECT m.group_id, x.entity_id AS member_id FROM external_member m CROSS JOIN LATERAL ("              \
    "   SELECT y.entity_id FROM external_entry y WHERE y.organization_id = $1 AND y.dn_folded = m.member_dn" \
    "   OFFSET 0) x WHERE m.organization_id = $1 AND m.group_id = ANY ($2::uuid[])"                          \
    "  UNION SELECT m.group_id, x.entity_id FROM external_entry x CROSS JOIN LATERAL ("                      \
    "   SELECT y.group_id FROM external_member y WHERE y.organization_id = $1 AND y.member_dn = x.dn_folded" \
    "   OFFSET 0) m WHERE x.organization_id = $1 AND x.entity_id = ANY ($3::uuid[])) p"                      \
    "  CROSS JOIN LATERAL (SELECT y.kind FROM entity y WHERE y.organization_id = $1"                         \
    "   AND y.entity_id = p.member_id AND y.state <> 'DELETED' OFFSET 0) e WHERE p.group_id <> p.member_id)"

/* Who shows them has changed. */
#define SHOWN(changed)                                                                         \
    " UPDATE entity e SET version = e.version + 1, updated_at = now() WHERE e.organization_id" \
    " = $1 AND e.entity_id IN (SELECT owner_id FROM " changed ")"

/* What the groups of the batch say of their members. */
static void queue_members(struct directory_work *work)
{
    static const struct statement replace = {
        "WITH g AS MATERIALIZED (SELECT * FROM json_to_recordset($2::json) AS r (group_id uuid, entry json)),"
        " wanted AS MATERIALIZED (SELECT DISTINCT g.group_id, lower(m COLLATE \"und-x-icu\") COLLATE \"C\" AS dn"
        "  FROM g CROSS JOIN LATERAL json_array_elements_text(g.entry -> 'members') AS m),"
        " gone AS (DELETE FROM external_member x USING g WHERE x.organization_id = $1 AND x.group_id = g.group_id"
        "  AND NOT EXISTS (SELECT FROM wanted w WHERE w.group_id = x.group_id AND w.dn = x.member_dn))"
        " INSERT INTO external_member (organization_id, group_id, member_dn)"
        " SELECT $1, w.group_id, w.dn FROM wanted w ON CONFLICT DO NOTHING",
        2};
    struct buffer out = {.arena = work->change->arena};
    bool any = false;
    out_begin_array(&out);
    for (size_t i = 0; i < work->count; i++) {
        const struct directory_line *line = &work->lines[i];
        if (line->error != NULL || line->is_same || !line->entry->is_group)
            continue;
        out_begin_object(&out);
        out_member(&out, "group_id", line->entity_id);
        out_name(&out, "entry");
        out_raw(&out, line->json, strlen(line->json));
        out_end_object(&out);
        any = true;
    }
    out_end_array(&out);
    const char *const parameters[] = {work->claim->organization_id, buffer_string(&out)};
    if (any)
        db_queue_silently(work->db, &replace, parameters, 2);
}

static void add_id(struct buffer *list, const char *id)
{
    buffer_printf(list, "%s%s", list->length > 1 ? "," : "", id);
}

/* Array literals: the groups whose members are looked at, and the entities that are looked for in all groups. Groups that
 * were left out of others because of a cycle are tried again: it may be broken. */
static enum code find_concerned(struct directory_work *work, const char **ret_groups,
                                const char **ret_entities)
{
    static const struct statement cycles = {
        "WITH tried AS (DELETE FROM directory_error WHERE directory_id = $2 AND code = 'membership_cycle'"
        "  RETURNING external_id) SELECT x.entity_id FROM tried t JOIN external_entry x"
        " ON x.organization_id = $1 AND x.external_id = t.external_id",
        2};
    struct buffer groups = {.arena = work->change->arena};
    struct buffer entities = {.arena = work->change->arena};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(work->db, work->change->problem, &result, &cycles, work->claim->organization_id,
                            work->claim->directory_id);
    if (code != CODE_OK)
        return code;
    buffer_byte(&groups, '{');
    buffer_byte(&entities, '{');
    for (int row = 0; row < PQntuples(result); row++)
        add_id(&groups, PQgetvalue(result, row, 0));
    for (size_t i = 0; i < work->count; i++) {
        const struct directory_line *line = &work->lines[i];
        if (line->error != NULL || line->is_same)
            continue;
        add_id(&entities, line->entity_id);
        if (line->entry->is_group)
            add_id(&groups, line->entity_id);
    }
    buffer_byte(&groups, '}');
    buffer_byte(&entities, '}');
    *ret_groups = buffer_string(&groups);
    *ret_entities = buffer_string(&entities);
    return CODE_OK;
}

/* Groups that go into groups one by one: each may close a cycle with those before it. */
static enum code nest(struct directory_work *work, const PGresult *pairs)
{
    static const struct statement add = {
        "WITH RECURSIVE above (group_id) AS (SELECT $2::uuid UNION SELECT m.owner_id FROM above a JOIN entity_edge m"
        "  ON m.organization_id = $1 AND m.relation = 'MEMBER' AND m.member_id = a.group_id),"
        " added AS (INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)"
        "  SELECT $1, 'MEMBER', $2, $3, 'GROUP' WHERE NOT EXISTS (SELECT FROM above WHERE group_id = $3)"
        "  RETURNING owner_id), shown AS (" SHOWN("added") ") SELECT count(*) FROM added",
        3};
    static const struct statement tell = {
        "INSERT INTO directory_error (directory_id, external_id, dn, code, detail, generation)"
        " SELECT $4, x.external_id, x.dn, 'membership_cycle',"
        "  'The group ' || e.name || ' is not put into it: each would contain itself.', $5::bigint"
        " FROM external_entry x JOIN entity e ON e.organization_id = $1 AND e.entity_id = $3"
        " WHERE x.organization_id = $1 AND x.entity_id = $2 ON CONFLICT DO NOTHING",
        5};
    struct arena *arena = work->change->arena;
    for (int row = 0; row < PQntuples(pairs); row++)
        DB_QUEUE(work->db, &add, work->claim->organization_id, PQgetvalue(pairs, row, 0),
                 PQgetvalue(pairs, row, 1));
    for (int row = 0; row < PQntuples(pairs); row++) {
        DB_RESULT added = NULL;
        enum code code = db_collect(work->db, work->change->problem, &added);
        if (code != CODE_OK)
            return code;
        if (PQgetvalue(added, 0, 0)[0] != '0')
            continue;
        const char *const told[] = {work->claim->organization_id, PQgetvalue(pairs, row, 0),
                                    PQgetvalue(pairs, row, 1), work->claim->directory_id,
                                    row_integer(arena, work->generation)};
        db_queue_silently(work->db, &tell, told, 5);
    }
    return db_finish(work->db, work->change->problem);
}

enum code directory_connect(struct directory_work *work)
{
    static const struct statement disconnect = {
        "WITH gone AS (DELETE FROM entity_edge d WHERE d.organization_id = $1 AND d.relation = 'MEMBER'"
        "  AND (d.owner_id = ANY ($2::uuid[]) OR d.member_id = ANY ($3::uuid[]))"
        "  AND EXISTS (SELECT FROM external_entry g WHERE g.organization_id = $1 AND g.entity_id = d.owner_id)"
        "  AND NOT" NAMES("d.owner_id", "d.member_id") " RETURNING d.owner_id)" SHOWN("gone"),
        3};
    static const struct statement connect = {
        PAIRS
        ", added AS (INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)"
        "  SELECT $1, 'MEMBER', p.group_id, p.member_id, 'USER' FROM pairs p WHERE p.kind = 'USER'"
        "  ON CONFLICT DO NOTHING RETURNING owner_id)" SHOWN("added"),
        3};
    static const struct statement find_nested = {
        PAIRS
        " SELECT p.group_id, p.member_id FROM pairs p WHERE p.kind = 'GROUP' AND NOT EXISTS (SELECT"
        "  FROM entity_edge d WHERE d.organization_id = $1 AND d.owner_id = p.group_id AND d.relation = 'MEMBER'"
        "  AND d.member_id = p.member_id) ORDER BY 1, 2",
        3};
    const char *organization_id = work->claim->organization_id;
    const char *groups = NULL;
    const char *entities = NULL;
    DB_RESULT nested = NULL;

    if (work->created + work->updated + work->removed == 0)
        return CODE_OK;
    queue_members(work);
    enum code code = find_concerned(work, &groups, &entities);
    if (code != CODE_OK || (strlen(groups) == 2 && strlen(entities) == 2))
        return code;
    const char *const parameters[] = {organization_id, groups, entities};
    db_queue_silently(work->db, &disconnect, parameters, 3);
    db_queue_silently(work->db, &connect, parameters, 3);
    db_queue_parameters(work->db, &find_nested, parameters, 3);
    code = db_collect(work->db, work->change->problem, &nested);
    return code == CODE_OK ? nest(work, nested) : code;
}
