#include <stdlib.h>
#include <string.h>

#include "db/address.h"
#include "db/import_rows.h"
#include "db/limit.h"
#include "db/row.h"
#include "model/json_out.h"

#define WANTED " jsonb_to_recordset($2::jsonb) AS w (n integer, name text, emails jsonb, members jsonb)"
/* In the collation of the column, or its index is of no use. */
#define FOLDED(name) "lower(" name " COLLATE \"und-x-icu\") COLLATE \"C\""

/* Looked up one by one, whatever the planner thinks of their number: of a table that was empty it thinks that all of it is
 * quickly read. OFFSET keeps the two apart. */
#define NAMED(folded_of)                                                                       \
    " LATERAL (SELECT y.* FROM entity y WHERE y.organization_id = $1 AND y.state <> 'DELETED'" \
    "  AND y.name_folded = " FOLDED(folded_of) " OFFSET 0)"
#define OF_ENTITY(table)                                                                \
    " LATERAL (SELECT y.* FROM " table " y WHERE y.organization_id = e.organization_id" \
    "  AND y.entity_id = e.entity_id OFFSET 0)"

/* --- what holds for all lines --- */

static bool has_members(const struct import_chunk *chunk)
{
    for (size_t i = 0; i < chunk->count; i++)
        if (chunk->lines[i].entry.members != NULL)
            return true;
    return false;
}

static bool may_enable(const struct import_chunk *chunk)
{
    for (size_t i = 0; i < chunk->count; i++) {
        const struct import_entry *entry = &chunk->lines[i].entry;
        if (!chunk->lines[i].is_group && (entry->email != NULL || entry->password_hash != NULL))
            return true;
    }
    return false;
}

/* Those of an import that keeps nothing are counted among its keys. */
static enum code find_trial_room(struct import_work *work)
{
    static const struct statement count = {
        "SELECT count(*) FROM import_trial_key WHERE import_id = $1 AND key LIKE 'user %'", 1};
    DB_RESULT result = NULL;
    struct problem *problem = work->change->problem;
    enum code code = limit_trial_room(work->db, work->change->account_id, problem, &work->trial_room);
    if (code != CODE_OK || !work->chunk->validate_only)
        return code;
    code = DB_RUN(work->db, problem, &result, &count, work->chunk->import_id);
    if (code == CODE_OK)
        work->trial_room -= strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    if (work->trial_room < 0)
        work->trial_room = 0;
    return code;
}

enum code import_enter(struct import_work *work)
{
    static const struct statement nesting = {"SELECT pg_advisory_xact_lock(hashtextextended($1, 7265))", 1};
    static const struct statement find_domains = {
        "SELECT domain, ownership_status = 'VERIFIED' AS is_verified FROM mail_domain WHERE organization_id = $1",
        1};
    /* The chunks before made the tables many times larger: what was planned for small ones reads all of an organization for
     * each row. */
    static const struct statement plan_anew = {"DISCARD PLANS", 0};
    struct arena *arena = work->change->arena;
    const char *organization_id = work->organization->organization_id;
    DB_RESULT domains = NULL;

    db_queue_silently(work->db, &plan_anew, NULL, 0);
    if (has_members(work->chunk))
        db_queue_silently(work->db, &nesting, &organization_id, 1);
    DB_QUEUE(work->db, &find_domains, organization_id);
    enum code code = db_collect(work->db, work->change->problem, &domains);
    if (code == CODE_OK)
        code = limit_value(work->db, work->change->account_id, LIMIT_ALIASES_PER_USER, work->change->problem,
                           &work->alias_limit);
    if (code != CODE_OK)
        return code;
    work->domains = NULL;
    for (int row = 0; row < PQntuples(domains); row++) {
        struct import_known *domain = arena_alloc(arena, sizeof(*domain));
        *domain = (struct import_known){.name = row_text(arena, domains, row, "domain"),
                                        .is_verified = row_flag(domains, row, "is_verified"),
                                        .next = work->domains};
        work->domains = domain;
    }
    work->trial_room = -1;
    return work->organization->is_on_trial && may_enable(work->chunk) ? find_trial_room(work) : CODE_OK;
}

/* --- addresses --- */

/* CODE_OK, or why the organization cannot use it; then the fault is added. */
static enum code resolve(struct import_work *work, struct import_line *line, const char *member,
                         const char *text, const char **ret_address)
{
    const struct organization_row *organization = work->organization;
    struct problem *problem = &line->problem;
    struct email email;
    const char *detail;
    if (!email_parse(work->change->arena, text, organization->default_domain, &email, &detail)) {
        problem_add_member(problem, member, "invalid_format", "%s", detail);
        return CODE_VALIDATION_FAILED;
    }
    enum code code = address_may_be_used(work->db, organization, &email, problem->arena, &detail);
    const struct import_known *domain = work->domains;
    while (code == CODE_OK && domain != NULL && strcmp(domain->name, email.domain) != 0)
        domain = domain->next;
    if (code == CODE_OK && (domain == NULL || !domain->is_verified)) {
        code = domain == NULL ? CODE_MAIL_DOMAIN_NOT_REGISTERED : CODE_MAIL_DOMAIN_STATE;
        detail = arena_printf(problem->arena, "%s is no verified domain of this organization.", email.domain);
    }
    if (code != CODE_OK)
        problem_add_member(problem, member, code_name(code), "%s", detail);
    else
        *ret_address = email.address;
    return code;
}

/* All addresses that a line is about: known before anything is asked. */
static void find_addresses(struct import_work *work, struct import_line *line)
{
    const struct import_entry *entry = &line->entry;
    struct arena *arena = work->change->arena;
    const char *local = email_local_part_of_name(arena, entry->name);
    const char *detail;
    struct email email;
    size_t count = 0;
    while (entry->aliases != NULL && entry->aliases[count] != NULL)
        count++;
    line->addresses = arena_alloc(arena, (count + 3) * sizeof(char *));
    line->aliases = arena_alloc(arena, (count + 1) * sizeof(char *));
    line->address_count = 0;
    line->primary = line->test_alias = NULL;
    if (entry->email != NULL)
        resolve(work, line, "email", entry->email, &line->primary);
    else if (entry->password_hash != NULL)
        resolve(work, line, "email", local, &line->primary);
    if (line->primary != NULL)
        line->addresses[line->address_count++] = line->primary;
    if (!line->is_group && email_parse(arena, local, work->organization->test_domain, &email, &detail)) {
        line->test_alias = email.address;
        line->addresses[line->address_count++] = email.address;
    }
    for (size_t i = 0, kept = 0; i < count; i++) {
        if (resolve(work, line, "aliases", entry->aliases[i], &line->aliases[kept]) == CODE_OK)
            line->addresses[line->address_count++] = line->aliases[kept++];
    }
}

/* --- names --- */

static size_t member_count(const struct import_line *line)
{
    size_t count = 0;
    while (line->entry.members != NULL && line->entry.members[count] != NULL)
        count++;
    return count;
}

enum code import_name_lines(struct import_work *work)
{
    static const struct statement fold = {
        "SELECT " FOLDED(
            "n.name") " FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS n (name, place)"
                      " ORDER BY n.place",
        1};
    const struct import_chunk *chunk = work->chunk;
    struct arena *arena = work->change->arena;
    struct buffer names = {.arena = arena};
    DB_RESULT folded = NULL;

    out_begin_array(&names);
    for (size_t i = 0; i < chunk->count; i++) {
        struct import_line *line = &chunk->lines[i];
        if (line->problem.first_fault != NULL)
            continue;
        find_addresses(work, line);
        out_string(&names, line->entry.name);
        for (size_t k = 0; k < member_count(line); k++)
            out_string(&names, line->entry.members[k]);
    }
    out_end_array(&names);
    enum code code = DB_RUN(work->db, work->change->problem, &folded, &fold, buffer_string(&names));
    int row = 0;
    for (size_t i = 0; code == CODE_OK && i < chunk->count; i++) {
        struct import_line *line = &chunk->lines[i];
        size_t members = member_count(line);
        if (line->decoded.first_fault != NULL)
            continue;
        line->folded = arena_string(arena, PQgetvalue(folded, row++, 0));
        line->folded_members = arena_alloc(arena, (members + 1) * sizeof(char *));
        for (size_t k = 0; k < members; k++)
            line->folded_members[k] = arena_string(arena, PQgetvalue(folded, row++, 0));
    }
    return code;
}

/* --- what is there --- */

static const char *wanted_rows(struct arena *arena, struct import_line **lines, size_t count)
{
    struct buffer out = {.arena = arena};
    buffer_reserve(&out, count * 200 + 16);
    out_begin_array(&out);
    for (size_t i = 0; i < count; i++) {
        const struct import_line *line = lines[i];
        out_begin_object(&out);
        out_member_integer(&out, "n", (int64_t)i);
        out_member(&out, "name", line->entry.name);
        out_name(&out, "emails");
        out_begin_array(&out);
        for (size_t k = 0; k < line->address_count; k++)
            out_string(&out, line->addresses[k]);
        out_end_array(&out);
        out_name(&out, "members");
        out_begin_array(&out);
        for (const char *const *name = line->entry.members; name != NULL && *name != NULL; name++)
            out_string(&out, *name);
        out_end_array(&out);
        out_end_object(&out);
    }
    out_end_array(&out);
    return buffer_string(&out);
}

static struct import_line *line_of(const PGresult *result, int row, struct import_line **lines)
{
    return lines[strtol(PQgetvalue(result, row, 0), NULL, 10)];
}

static void read_present(struct import_work *work, const PGresult *result, struct import_line **lines)
{
    struct arena *arena = work->change->arena;
    for (int row = 0; row < PQntuples(result); row++) {
        struct import_line *line = line_of(result, row, lines);
        line->entity_id = row_text(arena, result, row, "entity_id");
        line->is_there = line->entity_id != NULL;
        line->owners = line->members = NULL;
        line->was_tried = false;
        if (!line->is_there)
            continue;
        line->kind = row_text(arena, result, row, "entity_kind");
        line->type = row_text(arena, result, row, "type");
        line->state = row_text(arena, result, row, "state");
        line->email = row_text(arena, result, row, "email");
        line->alias_count = strtoll(PQgetvalue(result, row, PQfnumber(result, "alias_count")), NULL, 10);
        line->present = (struct import_entry){0};
        row_read(arena, result, row, &import_entry_table, &line->present);
    }
}

static void read_owners(struct import_work *work, const PGresult *result, struct import_line **lines)
{
    struct arena *arena = work->change->arena;
    for (int row = 0; row < PQntuples(result); row++) {
        struct import_line *line = line_of(result, row, lines);
        struct import_known *owner = arena_alloc(arena, sizeof(*owner));
        *owner = (struct import_known){.name = row_text(arena, result, row, "email"),
                                       .entity_id = row_text(arena, result, row, "entity_id"),
                                       .next = line->owners};
        line->owners = owner;
    }
}

static void read_members(struct import_work *work, const PGresult *result, struct import_line **lines)
{
    struct arena *arena = work->change->arena;
    for (int row = 0; row < PQntuples(result); row++) {
        struct import_line *line = line_of(result, row, lines);
        struct import_known *member = arena_alloc(arena, sizeof(*member));
        *member = (struct import_known){.name = row_text(arena, result, row, "name"),
                                        .entity_id = row_text(arena, result, row, "entity_id"),
                                        .is_group = row_flag(result, row, "is_group"),
                                        .is_in = row_flag(result, row, "is_in"),
                                        .next = line->members};
        line->members = member;
    }
}

/* What earlier chunks of an import that keeps nothing would have made. */
static enum code look_at_trial(struct import_work *work, struct import_line **lines, const char *wanted)
{
    static const struct statement find = {
        "SELECT w.n, k.what, k.name FROM" WANTED " CROSS JOIN LATERAL ("
        "  SELECT 'name' AS what, w.name AS name, 'name ' || " FOLDED(
            "w.name") " AS key"
                      "  UNION ALL SELECT 'email', m, 'mail ' || m FROM jsonb_array_elements_text(w.emails) AS m"
                      "  UNION ALL SELECT 'member', m, 'name ' || " FOLDED(
                          "m") " FROM jsonb_array_elements_text(w.members) AS m) k"
                               " JOIN import_trial_key t ON t.import_id = $1 AND t.key = k.key COLLATE \"C\"",
        2};
    struct arena *arena = work->change->arena;
    DB_RESULT result = NULL;
    if (!work->chunk->validate_only)
        return CODE_OK;
    enum code code = DB_RUN(work->db, work->change->problem, &result, &find, work->chunk->import_id, wanted);
    for (int row = 0; code == CODE_OK && row < PQntuples(result); row++) {
        struct import_line *line = line_of(result, row, lines);
        const char *what = PQgetvalue(result, row, 1);
        struct import_known *known = arena_alloc(arena, sizeof(*known));
        known->name = row_text(arena, result, row, "name");
        known->is_in = true; /* nothing is to be written */
        if (strcmp(what, "name") == 0) {
            line->was_tried = true;
        } else if (strcmp(what, "email") == 0) {
            known->next = line->owners;
            line->owners = known;
        } else {
            known->next = line->members;
            line->members = known;
        }
    }
    return code;
}

enum code import_look(struct import_work *work, struct import_line **lines, size_t count)
{
    static const struct statement lock = {
        "WITH found AS MATERIALIZED (SELECT DISTINCT x.entity_id FROM" WANTED
        "  CROSS JOIN LATERAL (SELECT w.name UNION ALL SELECT * FROM jsonb_array_elements_text(w.members)) AS m (name)"
        "  CROSS JOIN" NAMED(
            "m.name") " x ORDER BY 1)"
                      " SELECT FROM found CROSS JOIN LATERAL (SELECT FROM entity e WHERE e.organization_id = $1"
                      "  AND e.entity_id = found.entity_id OFFSET 0 FOR NO KEY UPDATE OF e) locked",
        2};
    static const struct statement find = {
        "SELECT w.n, e.entity_id, e.kind AS entity_kind, coalesce(u.type, g.type) AS type,"
        " e.state, e.display_name, e.hidden_from_address_list, u.first_name, u.last_name, u.initials, u.street, u.city,"
        " u.zip_code, u.country, u.telephone, u.job_title, u.department, u.company, u.office, u.quota_mb,"
        " u.password_hash, g.description,"
        " (SELECT a.email FROM email_address a WHERE a.organization_id = e.organization_id"
        "  AND a.entity_id = e.entity_id AND a.is_primary) AS email,"
        " (SELECT count(*) FROM email_address a WHERE a.organization_id = e.organization_id"
        "  AND a.entity_id = e.entity_id AND NOT a.is_primary) AS alias_count, e.name"
        " FROM" WANTED
        " LEFT JOIN" NAMED("w.name") " e ON true"
                                     " LEFT JOIN" OF_ENTITY("user_detail") " u ON true LEFT JOIN" OF_ENTITY(
                                         "group_detail") " g ON true",
        2};
    /* $1 is not needed, but the parameters are the same for all. */
    static const struct statement find_owners = {
        "SELECT w.n, r.email, r.entity_id FROM" WANTED
        " CROSS JOIN LATERAL jsonb_array_elements_text(w.emails) AS m"
        " CROSS JOIN LATERAL (SELECT x.email, x.entity_id FROM address_registry x WHERE x.email = m COLLATE \"C\" OFFSET 0) r"
        " WHERE $1::text IS NOT NULL",
        2};
    static const struct statement find_members = {
        "SELECT w.n, m.name, e.entity_id, e.kind = 'GROUP' AS is_group, EXISTS (SELECT FROM entity_edge d"
        "  WHERE d.organization_id = $1 AND d.relation = 'MEMBER' AND d.owner_id = o.entity_id"
        "  AND d.member_id = e.entity_id) AS is_in FROM" WANTED
        " CROSS JOIN LATERAL jsonb_array_elements_text(w.members) AS m (name)"
        " CROSS JOIN" NAMED("m.name") " e LEFT JOIN" NAMED("w.name") " o ON true WHERE e.kind <> 'RESOURCE'",
        2};
    struct problem *problem = work->change->problem;
    DB_RESULT present = NULL;
    DB_RESULT owners = NULL;
    DB_RESULT members = NULL;

    const char *wanted = wanted_rows(work->change->arena, lines, count);
    const char *const parameters[] = {work->organization->organization_id, wanted};
    db_queue_silently(work->db, &lock, parameters, 2);
    db_queue_parameters(work->db, &find, parameters, 2);
    db_queue_parameters(work->db, &find_owners, parameters, 2);
    db_queue_parameters(work->db, &find_members, parameters, 2);
    enum code code = db_collect(work->db, problem, &present);
    if (code == CODE_OK)
        code = db_collect(work->db, problem, &owners);
    if (code == CODE_OK)
        code = db_collect(work->db, problem, &members);
    if (code != CODE_OK)
        return code;
    read_present(work, present, lines);
    read_owners(work, owners, lines);
    read_members(work, members, lines);
    return look_at_trial(work, lines, wanted);
}
