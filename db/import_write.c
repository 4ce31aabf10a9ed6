#include <string.h>

#include "db/address.h"
#include "db/import_rows.h"
#include "db/row.h"
#include "model/id.h"
#include "model/json_out.h"

#define BIT(member) (UINT64_C(1) << (member))
#define FLUSH_EVERY 3 /* lines whose statements go out together: a queue holds a few dozen */

/* --- what the audit log tells --- */

static void write_members(struct buffer *out, const char *name, const struct import_entry *entry,
                          uint64_t bits)
{
    out_name(out, name);
    out_begin_object(out);
    for (unsigned i = 0; i < IMPORT_MEMBER_COUNT; i++) {
        const struct field *field = &import_entry_table.fields[i];
        const char *at = (const char *)entry + field->offset;
        if ((bits & BIT(i)) == 0 || (field->flags & FIELD_WRITE_ONLY) != 0)
            continue;
        if (field->kind == FIELD_BOOLEAN)
            out_member_boolean(out, field->name, *(const bool *)at);
        else if (field->kind == FIELD_INTEGER)
            out_member_integer(out, field->name, *(const int64_t *)(const void *)at);
        else if (field->kind != FIELD_STRINGS)
            out_member(out, field->name, *(const char *const *)(const void *)at);
    }
}

static void write_list(struct buffer *out, const char *name, const char *const *list)
{
    if (list == NULL || *list == NULL)
        return;
    out_name(out, name);
    out_begin_array(out);
    for (; *list != NULL; list++)
        out_string(out, *list);
    out_end_array(out);
}

/* Lists are what was added; that there is a password now is told, not which. */
static const char *changes_of(struct arena *arena, const struct import_line *line)
{
    struct buffer out = {.arena = arena};
    uint64_t bits = line->changed | (line->is_new ? BIT(IMPORT_NAME) : 0);
    buffer_reserve(&out, 512);
    out_begin_object(&out);
    if (!line->is_new) {
        write_members(&out, "before", &line->present, bits);
        if (line->enables || line->makes_primary) {
            out_member(&out, "state", line->state);
            out_member(&out, "email", line->email);
        }
        out_end_object(&out);
    }
    write_members(&out, "after", &line->entry, bits);
    if (line->enables || line->makes_primary) {
        out_member(&out, "state", "ENABLED");
        out_member(&out, "email", line->primary);
    } else if (line->is_new) {
        out_member(&out, "state", "DISABLED");
    }
    if ((line->changed & BIT(IMPORT_PASSWORD_HASH)) != 0)
        out_member_boolean(&out, "has_password", true);
    write_list(&out, "aliases", (const char *const *)line->new_aliases);
    write_list(&out, "members", line->entry.members);
    out_end_object(&out);
    out_end_object(&out);
    return buffer_string(&out);
}

/* --- new ones, all at once --- */

/* Those that it names and the one of the test domain, unless somebody has that: the first is the primary one. */
static void write_addresses(struct buffer *out, const struct import_line *line)
{
    const char *test = line->test_alias;
    out_name(out, "emails");
    out_begin_array(out);
    if (line->enables) {
        out_string(out, line->primary);
        for (const char **alias = line->new_aliases; *alias != NULL; alias++) {
            out_string(out, *alias);
            if (test != NULL && strcmp(*alias, test) == 0)
                test = NULL;
        }
        for (const struct import_known *owner = line->owners; test != NULL && owner != NULL;
             owner = owner->next)
            if (strcmp(owner->name, test) == 0)
                test = NULL;
        if (test != NULL && strcmp(test, line->primary) != 0)
            out_string(out, test);
    }
    out_end_array(out);
}

static void write_new(struct buffer *out, const struct import_line *line)
{
    const struct import_entry *entry = &line->entry;
    const struct {
        const char *name, *value;
    } texts[] = {
        {"entity_id", line->entity_id},
        {"kind", line->is_group ? "GROUP" : "USER"},
        {"state", line->enables ? "ENABLED" : "DISABLED"},
        {"name", entry->name},
        {"display_name", entry->display_name},
        {"first_name", entry->first_name},
        {"last_name", entry->last_name},
        {"initials", entry->initials},
        {"street", entry->street},
        {"city", entry->city},
        {"zip_code", entry->zip_code},
        {"country", entry->country},
        {"telephone", entry->telephone},
        {"job_title", entry->job_title},
        {"department", entry->department},
        {"company", entry->company},
        {"office", entry->office},
        {"password_hash", entry->password_hash},
        {"description", entry->description},
        {"mailbox_id", line->enables && !line->is_group ? id_new_uuid(out->arena) : NULL},
    };
    out_begin_object(out);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        out_member(out, texts[i].name, texts[i].value);
    out_member_boolean(out, "hidden", entry->hidden_from_address_list);
    if (!line->is_group)
        out_member_integer(out, "quota_mb", entry->quota_mb);
    write_addresses(out, line);
    out_end_object(out);
}

static enum code create_all(struct import_work *work, struct import_line **lines, size_t count)
{
    /* Each row is written once, as it is in the end. */
    static const struct statement insert = {
        "WITH w AS MATERIALIZED (SELECT * FROM jsonb_to_recordset($2::jsonb) AS w (entity_id uuid, kind text, state text,"
        "  name text, display_name text, first_name text, last_name text, initials text, street text, city text,"
        "  zip_code text, country text, telephone text, job_title text, department text, company text, office text,"
        "  password_hash text, description text, mailbox_id uuid, hidden boolean, quota_mb integer, emails jsonb)),"
        " entities AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state,"
        "   hidden_from_address_list, enabled_at, search_text)"
        "  SELECT $1, w.entity_id, w.kind, w.name, w.display_name, w.state, w.hidden,"
        "   CASE w.state WHEN 'ENABLED' THEN now() END,"
        "   search_text(VARIADIC ARRAY[w.name, w.display_name, w.first_name, w.last_name]"
        "    || ARRAY(SELECT m FROM jsonb_array_elements_text(w.emails) AS m ORDER BY m COLLATE \"C\"))"
        "  FROM w),"
        " users AS (INSERT INTO user_detail (organization_id, entity_id, type, first_name, last_name, initials, street,"
        "   city, zip_code, country, telephone, job_title, department, company, office, quota_mb, password_hash)"
        "  SELECT $1, w.entity_id, 'USER', w.first_name, w.last_name, w.initials, w.street, w.city, w.zip_code,"
        "   w.country, w.telephone, w.job_title, w.department, w.company, w.office, w.quota_mb, w.password_hash"
        "  FROM w WHERE w.kind = 'USER'),"
        " groups AS (INSERT INTO group_detail (organization_id, entity_id, type, description)"
        "  SELECT $1, w.entity_id, 'GROUP', w.description FROM w WHERE w.kind = 'GROUP'),"
        " mailboxes AS (INSERT INTO mailbox (organization_id, mailbox_id, entity_id)"
        "  SELECT $1, w.mailbox_id, w.entity_id FROM w WHERE w.mailbox_id IS NOT NULL),"
        " periods AS (INSERT INTO active_period (organization_id, entity_id)"
        "  SELECT $1, w.entity_id FROM w WHERE w.mailbox_id IS NOT NULL),"
        " addresses AS MATERIALIZED (SELECT w.entity_id, m.email, m.place FROM w"
        "  CROSS JOIN LATERAL jsonb_array_elements_text(w.emails) WITH ORDINALITY AS m (email, place)),"
        " registered AS (INSERT INTO address_registry (email, organization_id, entity_id)"
        "  SELECT a.email, $1, a.entity_id FROM addresses a)"
        " INSERT INTO email_address (organization_id, entity_id, email, is_primary)"
        " SELECT $1, a.entity_id, a.email, a.place = 1 FROM addresses a",
        2};
    struct buffer out = {.arena = work->change->arena};
    bool any = false;
    buffer_reserve(&out, count * 600 + 16);
    out_begin_array(&out);
    for (size_t i = 0; i < count; i++) {
        if (lines[i]->problem.first_fault != NULL || !lines[i]->is_new)
            continue;
        write_new(&out, lines[i]);
        any = true;
    }
    out_end_array(&out);
    if (!any)
        return CODE_OK;
    return DB_RUN(work->db, work->change->problem, NULL, &insert, work->organization->organization_id,
                  buffer_string(&out));
}

/* --- those that are there --- */

static void queue_update(struct import_work *work, struct import_line *line, const struct entity_key *key)
{
    static const struct statement update_user = {
        "UPDATE user_detail SET first_name = $3, last_name = $4, initials = $5, street = $6, city = $7, zip_code = $8,"
        " country = $9, telephone = $10, job_title = $11, department = $12, company = $13, office = $14,"
        " quota_mb = $15, password_hash = $16 WHERE organization_id = $1 AND entity_id = $2",
        16};
    static const struct statement update_group = {
        "UPDATE group_detail SET description = $3 WHERE organization_id = $1 AND entity_id = $2", 3};
    struct import_entry entry = line->present;
    field_merge(&import_entry_table, line->changed, &line->entry, &entry);
    entity_queue_update(work->db, key, entry.name, entry.display_name, entry.hidden_from_address_list);
    if (line->is_group) {
        DB_QUEUE(work->db, &update_group, key->organization_id, key->entity_id, entry.description);
        edge_queue_touch_resources(work->db, key);
    } else {
        DB_QUEUE(work->db, &update_user, key->organization_id, key->entity_id, entry.first_name,
                 entry.last_name, entry.initials, entry.street, entry.city, entry.zip_code, entry.country,
                 entry.telephone, entry.job_title, entry.department, entry.company, entry.office,
                 row_integer(work->change->arena, entry.quota_mb), entry.password_hash);
    }
}

static void queue_aliases(struct import_work *work, const struct import_line *line,
                          const struct entity_key *key)
{
    static const struct statement add = {
        "WITH registered AS (INSERT INTO address_registry (email, organization_id, entity_id)"
        "  SELECT m, $1, $2 FROM jsonb_array_elements_text($3::jsonb) AS m RETURNING email)"
        " INSERT INTO email_address (organization_id, entity_id, email, is_primary)"
        " SELECT $1, $2, email, false FROM registered",
        3};
    struct buffer out = {.arena = work->change->arena};
    out_begin_array(&out);
    for (const char **alias = line->new_aliases; *alias != NULL; alias++)
        out_string(&out, *alias);
    out_end_array(&out);
    DB_QUEUE(work->db, &add, key->organization_id, key->entity_id, buffer_string(&out));
}

static void queue_line(struct import_work *work, struct import_line *line, const struct entity_key *key)
{
    if (!line->is_new && line->changed != 0)
        queue_update(work, line, key);
    if (!line->is_new && line->enables)
        entity_queue_enable(work->db, work->change, work->organization, key, line->entry.name, line->primary);
    if (!line->is_new && line->makes_primary) {
        address_queue_add(work->db, key->organization_id, key->entity_id, line->primary);
        address_queue_make_primary(work->db, key->organization_id, key->entity_id, line->primary);
    }
    if (!line->is_new && line->new_aliases[0] != NULL)
        queue_aliases(work, line, key);
}

static const struct import_known *find_member(const struct import_line *line, const char *name)
{
    const struct import_known *member = line->members;
    while (member != NULL && strcmp(member->name, name) != 0)
        member = member->next;
    return member;
}

/* Groups one by one: each may close a cycle with those before it. Users all at once. */
static enum code add_members(struct import_work *work, struct import_line *line, const struct entity_key *key)
{
    static const struct statement insert = {
        "INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)"
        " SELECT $1, 'MEMBER', $2, m::uuid, $4 FROM jsonb_array_elements_text($3::jsonb) AS m ON CONFLICT DO NOTHING",
        4};
    struct arena *arena = work->change->arena;
    struct buffer users = {.arena = arena};
    out_begin_array(&users);
    for (const char *const *name = line->entry.members; name != NULL && *name != NULL; name++) {
        const struct import_known *member = find_member(line, *name);
        if (member->is_in)
            continue;
        if (!member->is_group) {
            out_string(&users, member->entity_id);
            continue;
        }
        struct problem problem = {.arena = arena};
        struct change trying = *work->change;
        trying.problem = &problem;
        enum code code = edge_member.check(work->db, &trying, key, member->entity_id, true);
        if (code == CODE_MEMBERSHIP_CYCLE)
            problem_add_member(&line->problem, "members", code_name(code), "%s", problem.detail);
        else if (code == CODE_OK)
            code = DB_RUN(work->db, work->change->problem, NULL, &insert, key->organization_id,
                          key->entity_id, arena_printf(arena, "[\"%s\"]", member->entity_id), "GROUP");
        if (code != CODE_OK && code != CODE_MEMBERSHIP_CYCLE)
            return code;
    }
    out_end_array(&users);
    return DB_RUN(work->db, work->change->problem, NULL, &insert, key->organization_id, key->entity_id,
                  buffer_string(&users), "USER");
}

/* A line of which a part cannot be leaves nothing: it is undone as a whole. */
static enum code write_with_members(struct import_work *work, struct import_line *line)
{
    static const struct statement begin = {"SAVEPOINT line", 0};
    static const struct statement keep = {"RELEASE SAVEPOINT line", 0};
    static const struct statement undo = {"ROLLBACK TO SAVEPOINT line", 0};
    struct entity_key key = entity_key(line->is_group ? &group_kind : &user_kind,
                                       work->organization->organization_id, line->entity_id);
    db_queue_silently(work->db, &begin, NULL, 0);
    enum code code = create_all(work, &line, 1);
    if (code != CODE_OK || line->was_tried)
        return code;
    queue_line(work, line, &key);
    code = db_finish(work->db, work->change->problem);
    if (code == CODE_OK)
        code = add_members(work, line, &key);
    if (code == CODE_OK) {
        entity_queue_touch(work->db, key.organization_id, key.entity_id);
        code = db_finish(work->db, work->change->problem);
    }
    if (code != CODE_OK)
        return code;
    db_queue_silently(work->db, line->problem.first_fault != NULL ? &undo : &keep, NULL, 0);
    return db_finish(work->db, work->change->problem);
}

static enum code write_present(struct import_work *work, struct import_line **lines, size_t count)
{
    enum code code = CODE_OK;
    size_t queued = 0;
    for (size_t i = 0; i < count && code == CODE_OK; i++) {
        struct import_line *line = lines[i];
        if (line->problem.first_fault != NULL || line->is_new || line->was_tried ||
            strcmp(line->outcome, "UPDATED") != 0)
            continue;
        struct entity_key key = entity_key(line->is_group ? &group_kind : &user_kind,
                                           work->organization->organization_id, line->entity_id);
        queue_line(work, line, &key);
        entity_queue_touch(work->db, key.organization_id, key.entity_id);
        if (++queued % FLUSH_EVERY == 0)
            code = db_finish(work->db, work->change->problem);
    }
    return code == CODE_OK ? db_finish(work->db, work->change->problem) : code;
}

static bool has_changes(const struct import_line *line)
{
    return line->problem.first_fault == NULL && strcmp(line->outcome, "UNCHANGED") != 0;
}

enum code import_write(struct import_work *work, struct import_line **lines, size_t count)
{
    enum code code = CODE_OK;
    if (count > 0 && lines[0]->entry.members != NULL) {
        for (size_t i = 0; code == CODE_OK && i < count; i++)
            if (has_changes(lines[i]))
                code = write_with_members(work, lines[i]);
    } else {
        code = create_all(work, lines, count);
        if (code == CODE_OK)
            code = write_present(work, lines, count);
    }
    for (size_t i = 0; code == CODE_OK && i < count; i++)
        if (has_changes(lines[i]))
            lines[i]->changes = changes_of(work->change->arena, lines[i]);
    return code;
}

/* --- imports that keep nothing --- */

void import_queue_trial_keys(struct import_work *work)
{
    static const struct statement insert = {
        "INSERT INTO import_trial_key (import_id, key) SELECT $1, k.key FROM jsonb_to_recordset($2::jsonb)"
        " AS w (name text, emails jsonb, enables boolean) CROSS JOIN LATERAL ("
        "  SELECT 'name ' || lower(w.name COLLATE \"und-x-icu\") AS key"
        "  UNION ALL SELECT 'user ' || lower(w.name COLLATE \"und-x-icu\") WHERE w.enables"
        "  UNION ALL SELECT 'mail ' || m FROM jsonb_array_elements_text(w.emails) AS m) k ON CONFLICT DO NOTHING",
        2};
    struct import_chunk *chunk = work->chunk;
    struct buffer out = {.arena = work->change->arena};
    out_begin_array(&out);
    for (size_t i = 0; i < chunk->count; i++) {
        const struct import_line *line = &chunk->lines[i];
        if (line->problem.first_fault != NULL || !line->is_new)
            continue;
        out_begin_object(&out);
        out_member(&out, "name", line->entry.name);
        out_member_boolean(&out, "enables", line->enables && !line->is_group);
        write_addresses(&out, line);
        out_end_object(&out);
    }
    out_end_array(&out);
    DB_QUEUE(work->db, &insert, chunk->import_id, buffer_string(&out));
}
