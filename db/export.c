#include "db/export.h"

#include <stdlib.h>
#include <string.h>

#include "db/organization.h"

#define PAGE      1000
#define PAGE_TEXT "1000"
#define FIRST_ID  "00000000-0000-0000-0000-000000000000"
#define NAME_ROOM 2048 /* of 256 characters, folded */

/* One column for each member that has one, by its name; then the key. An address is shown of those that have it in use: a line
 * with one enables. The alias of the test domain comes by itself. */
#define ADDRESSES                                                                                                          \
    " CASE WHEN e.state = 'ENABLED' THEN (SELECT a.email FROM email_address a WHERE a.organization_id = e.organization_id" \
    "  AND a.entity_id = e.entity_id AND a.is_primary) END AS email,"                                                      \
    " CASE WHEN e.state = 'ENABLED' THEN (SELECT string_agg(a.email, E'\\n' ORDER BY a.email) FROM email_address a"        \
    "  WHERE a.organization_id = e.organization_id AND a.entity_id = e.entity_id AND NOT a.is_primary"                     \
    "  AND (e.kind <> 'USER' OR a.email <> lower(split_part(e.name, '@', 1)) || '@' || o.test_domain)) END AS aliases"
#define PAGE_OF(kind)                                               \
    " JOIN organization o ON o.organization_id = e.organization_id" \
    " WHERE e.organization_id = $1 AND e.kind = '" kind             \
    "' AND (e.name_folded, e.entity_id) > ($2, $3::uuid)"           \
    " AND e.state <> 'DELETED' AND d.type = '" kind "' ORDER BY e.name_folded, e.entity_id LIMIT " PAGE_TEXT

static const struct statement pages[] = {
    [EXPORT_USERS] =
        {"SELECT e.name, e.display_name, d.first_name, d.last_name, d.initials, e.hidden_from_address_list, d.street,"
         " d.city, d.zip_code, d.country, d.telephone, d.job_title, d.department, d.company, d.office, d.quota_mb," ADDRESSES
         ", e.name_folded, e.entity_id FROM entity e"
         " JOIN user_detail d ON d.organization_id = e.organization_id AND d.entity_id = e.entity_id" PAGE_OF(
             "USER"),
         3},
    [EXPORT_GROUPS] =
        {"SELECT 'GROUP' AS kind, e.name, e.display_name, e.hidden_from_address_list, d.description," ADDRESSES
         ", e.name_folded, e.entity_id FROM entity e"
         " JOIN group_detail d ON d.organization_id = e.organization_id AND d.entity_id = e.entity_id" PAGE_OF(
             "GROUP"),
         3},
    [EXPORT_MEMBERS] =
        {"SELECT 'GROUP' AS kind, e.name, m.name AS members, e.name_folded, e.entity_id, m.entity_id AS member_id"
         " FROM entity e JOIN group_detail d ON d.organization_id = e.organization_id AND d.entity_id = e.entity_id"
         " JOIN entity_edge x ON x.organization_id = e.organization_id AND x.relation = 'MEMBER'"
         "  AND x.owner_id = e.entity_id"
         " JOIN entity m ON m.organization_id = e.organization_id AND m.entity_id = x.member_id"
         " WHERE e.organization_id = $1 AND e.kind = 'GROUP' AND (e.name_folded, e.entity_id) >= ($2, $3::uuid)"
         " AND (e.name_folded, e.entity_id, x.member_id) > ($2, $3::uuid, $4::uuid)"
         " AND e.state <> 'DELETED' AND d.type = 'GROUP'"
         " ORDER BY e.name_folded, e.entity_id, x.member_id LIMIT " PAGE_TEXT,
         4},
};

static const char *text_at(const PGresult *result, int row, const char *column)
{
    int number = PQfnumber(result, column);
    return number < 0 || PQgetisnull(result, row, number) ? NULL : PQgetvalue(result, row, number);
}

static void begin_part(struct export *state, enum export_part part)
{
    state->part = part;
    state->name[0] = '\0';
    memcpy(state->id, FIRST_ID, sizeof(FIRST_ID));
    memcpy(state->member_id, FIRST_ID, sizeof(FIRST_ID));
}

static void read_values(const PGresult *result, int row, const char **values)
{
    for (unsigned i = 0; i < IMPORT_MEMBER_COUNT; i++)
        values[i] = text_at(result, row, import_entry_table.fields[i].name);
}

/* Members of one group that follow each other stand in one line. */
static void write_rows(const struct export *state, const PGresult *result, struct buffer *out)
{
    int rows = PQntuples(result);
    for (int row = 0; row < rows;) {
        const char *values[IMPORT_MEMBER_COUNT];
        read_values(result, row, values);
        const char *id = text_at(result, row, "entity_id");
        struct buffer members = {.arena = out->arena};
        do {
            if (state->part == EXPORT_MEMBERS)
                buffer_printf(&members, "%s%s", members.length > 0 ? "\n" : "",
                              text_at(result, row, "members"));
            row++;
        } while (state->part == EXPORT_MEMBERS && row < rows &&
                 strcmp(text_at(result, row, "entity_id"), id) == 0);
        if (state->part == EXPORT_MEMBERS)
            values[IMPORT_MEMBERS] = buffer_string(&members);
        import_write_line(state->format, values, out);
    }
}

static void go_on(struct export *state, const PGresult *result)
{
    int last = PQntuples(result) - 1;
    if (last + 1 < PAGE) {
        begin_part(state, (enum export_part)(state->part + 1));
        return;
    }
    strncpy(state->name, text_at(result, last, "name_folded"), NAME_ROOM - 1);
    memcpy(state->id, text_at(result, last, "entity_id"), 36);
    if (state->part == EXPORT_MEMBERS)
        memcpy(state->member_id, text_at(result, last, "member_id"), 36);
}

enum code export_next(struct db *db, struct export *state, struct problem *problem, struct buffer *out)
{
    struct organization_row organization;
    DB_RESULT result = NULL;
    if (state->name == NULL) {
        state->name = arena_alloc(state->arena, NAME_ROOM);
        begin_part(state, EXPORT_USERS);
        import_write_header(state->format, out);
    }
    const char *const parameters[] = {state->organization_id, state->name, state->id, state->member_id};
    organization_queue(db, state->account_id, state->organization_id, ORGANIZATION_READ);
    db_queue_parameters(db, &pages[state->part], parameters, pages[state->part].parameters);
    enum code code = organization_collect(db, out->arena, problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, problem);
    if (code == CODE_OK)
        code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    write_rows(state, result, out);
    go_on(state, result);
    return CODE_OK;
}
