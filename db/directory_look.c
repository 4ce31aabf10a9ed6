#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "db/address.h"
#include "db/directory_rows.h"
#include "db/row.h"
#include "model/digest.h"
#include "model/email.h"
#include "model/entity.h"
#include "model/group.h"
#include "model/id.h"
#include "model/json_out.h"
#include "model/text.h"

/* --- what is stored of an entry --- */

static int compare(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* In one order, whatever order the server has. */
static void write_members(struct buffer *out, const struct directory_entry *entry)
{
    const char **sorted = arena_alloc_raw(out->arena, (entry->member_count + 1) * sizeof(*sorted));
    for (size_t i = 0; i < entry->member_count; i++)
        sorted[i] = entry->members[i];
    qsort(sorted, entry->member_count, sizeof(*sorted), compare);
    out_name(out, "members");
    out_begin_array(out);
    for (size_t i = 0; i < entry->member_count; i++)
        if (strlen(sorted[i]) <= DIRECTORY_DN_MAX)
            out_string(out, sorted[i]);
    out_end_array(out);
}

static const char *json_of(struct arena *arena, const struct directory_line *line)
{
    const struct directory_entry *entry = line->entry;
    const struct user *user = &entry->user;
    const struct {
        const char *name, *value;
    } texts[] = {
        {"external_id", entry->external_id},
        {"dn", entry->dn},
        {"kind", entry->is_group ? "GROUP" : "USER"},
        {"type", user->type != NULL ? user->type
                 : entry->is_group  ? "GROUP"
                                    : "USER"},
        {"name", line->name},
        {"display_name",
         user->display_name != NULL && user->display_name[0] != '\0' ? user->display_name : line->name},
        {"first_name", user->first_name},
        {"last_name", user->last_name},
        {"initials", user->initials},
        {"street", user->street},
        {"city", user->city},
        {"zip_code", user->zip_code},
        {"country", user->country},
        {"telephone", user->telephone},
        {"job_title", user->job_title},
        {"department", user->department},
        {"company", user->company},
        {"office", user->office},
        {"description", entry->description},
        {"proposed_email", entry->proposed_email},
    };
    struct buffer out = {.arena = arena};
    out_begin_object(&out);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        out_member(&out, texts[i].name, texts[i].value);
    out_member_boolean(&out, "is_disabled", entry->is_disabled);
    out_member_boolean(&out, "is_hidden", user->hidden_from_address_list);
    if (entry->is_group)
        write_members(&out, entry);
    out_end_object(&out);
    return buffer_string(&out);
}

static const char *digest_of(struct arena *arena, const char *json)
{
    unsigned char digest[DIGEST_SIZE];
    char *hex = arena_alloc(arena, 2 * DIGEST_SIZE + 1);
    digest_sha256(json, strlen(json), digest);
    digest_to_hex(digest, sizeof(digest), hex);
    return hex;
}

/* --- what can be taken --- */

static void fail(struct directory_line *line, const char *code, const char *detail)
{
    if (line->error == NULL) {
        line->error = code;
        line->detail = detail;
    }
}

static void check(const struct db *db, struct arena *arena, struct directory_line *line)
{
    const struct directory_entry *entry = line->entry;
    const char *detail = "The name has to have 1 to 256 characters.";
    size_t most = entry->is_group ? GROUP_NAME_MAX : USER_NAME_MAX;
    size_t length = text_characters(line->name);
    if (length < 1 || length > most || (!entry->is_group && !entity_check_name(line->name, &detail)))
        fail(line, "name_invalid",
             arena_printf(arena, "Its name cannot be a %s's here: %s", entry->is_group ? "group" : "user",
                          length > most ? "it is too long." : detail));
    else if (address_is_reserved(db, email_local_part_of_name(arena, line->name)))
        fail(line, "reserved_name", "Its name is kept for the sender of journal records.");
    if (strlen(entry->dn) > DIRECTORY_DN_MAX)
        fail(line, "dn_too_long", "Its distinguished name is longer than 2,000 bytes.");
}

/* --- what is there --- */

static void queue_look(struct directory_work *work)
{
    static const struct statement lock = {
        "SELECT FROM entity e WHERE e.organization_id = $1 AND e.entity_id = ANY (ARRAY(SELECT x.entity_id"
        "  FROM jsonb_to_recordset($2::jsonb) AS w (external_id text) CROSS JOIN LATERAL (SELECT y.entity_id"
        "   FROM external_entry y WHERE y.organization_id = $1 AND y.external_id = w.external_id OFFSET 0) x))"
        " ORDER BY e.entity_id FOR NO KEY UPDATE OF e",
        2};
    static const struct statement look = {
        "SELECT w.n, w.folded, x.entity_id, x.digest, x.is_disabled, x.was_enabled, e.kind, e.state,"
        " CASE WHEN e.state <> 'DELETED' THEN e.name_folded END AS old_folded, h.entity_id AS holder"
        " FROM (SELECT n, external_id, lower(name COLLATE \"und-x-icu\") COLLATE \"C\" AS folded"
        "  FROM jsonb_to_recordset($2::jsonb) AS r (n integer, external_id text, name text)) w"
        " LEFT JOIN LATERAL (SELECT y.* FROM external_entry y WHERE y.organization_id = $1"
        "  AND y.external_id = w.external_id OFFSET 0) x ON true"
        " LEFT JOIN LATERAL (SELECT y.* FROM entity y WHERE y.organization_id = $1"
        "  AND y.entity_id = x.entity_id OFFSET 0) e ON true"
        " LEFT JOIN LATERAL (SELECT y.entity_id FROM entity y WHERE y.organization_id = $1"
        "  AND y.state <> 'DELETED' AND y.name_folded = w.folded OFFSET 0) h ON true ORDER BY w.n",
        2};
    struct buffer out = {.arena = work->change->arena};
    buffer_reserve(&out, work->count * 128 + 16);
    out_begin_array(&out);
    for (size_t i = 0; i < work->count; i++) {
        out_begin_object(&out);
        out_member_integer(&out, "n", (int64_t)i);
        out_member(&out, "external_id", work->lines[i].entry->external_id);
        out_member(&out, "name", work->lines[i].name);
        out_end_object(&out);
    }
    out_end_array(&out);
    const char *const parameters[] = {work->claim->organization_id, buffer_string(&out)};
    db_queue_silently(work->db, &lock, parameters, 2);
    db_queue_parameters(work->db, &look, parameters, 2);
}

static void read_line(struct arena *arena, const PGresult *result, int row, struct directory_line *line)
{
    line->folded = row_text(arena, result, row, "folded");
    line->holder = row_text(arena, result, row, "holder");
    line->entity_id = row_text(arena, result, row, "entity_id");
    line->is_there = line->entity_id != NULL;
    if (!line->is_there) {
        line->entity_id = id_new_uuid(arena);
        return;
    }
    const char *state = row_text(arena, result, row, "state");
    line->is_deleted = strcmp(state, "DELETED") == 0;
    line->is_enabled = strcmp(state, "ENABLED") == 0;
    line->was_group = strcmp(row_text(arena, result, row, "kind"), "GROUP") == 0;
    line->is_same = !line->is_deleted && strcmp(row_text(arena, result, row, "digest"), line->digest) == 0;
    line->was_enabled_there = !row_flag(result, row, "is_disabled");
    line->returns = row_flag(result, row, "was_enabled");
    line->old_folded = row_text(arena, result, row, "old_folded");
    if (line->was_group != line->entry->is_group)
        fail(line, "kind_changed", "It was a user and is a group now, or the other way round.");
}

/* --- names --- */

static bool is_renamed(const struct directory_line *line)
{
    return line->old_folded == NULL || strcmp(line->old_folded, line->folded) != 0;
}

/* A name is had by who has it and does not give it up, then by the first that wants it. Who does not get the name that he
 * wants keeps his, so that others may not get that: until nothing changes. */
static void settle_names(struct directory_work *work)
{
    bool changed = true;
    while (changed) {
        json_t *held = json_object();
        changed = false;
        /* Of lines that keep their names, and of those who give theirs up. */
        for (size_t i = 0; i < work->count; i++) {
            const struct directory_line *line = &work->lines[i];
            if (line->old_folded != NULL && (line->error != NULL || !is_renamed(line)))
                json_object_set_new(held, line->old_folded, json_true());
            else if (line->old_folded != NULL && json_object_get(held, line->old_folded) == NULL)
                json_object_set_new(held, line->old_folded, json_false());
        }
        for (size_t i = 0; i < work->count; i++) {
            struct directory_line *line = &work->lines[i];
            if (line->error != NULL || !is_renamed(line))
                continue;
            const json_t *here = json_object_get(held, line->folded);
            /* Somebody has it whom this batch is not about, or who keeps it, or an earlier line gets it. */
            bool is_taken = json_is_true(here) || (line->holder != NULL && here == NULL);
            if (is_taken) {
                fail(line, "name_taken", "Another user, group or resource of the organization has its name.");
                changed = true;
                break;
            }
            json_object_set_new(held, line->folded, json_true());
        }
        json_decref(held);
    }
}

enum code directory_look(struct directory_work *work)
{
    struct arena *arena = work->change->arena;
    DB_RESULT result = NULL;
    work->count = work->batch->changed_count;
    work->lines = arena_alloc(arena, (work->count + 1) * sizeof(*work->lines));
    for (size_t i = 0; i < work->count; i++) {
        struct directory_line *line = &work->lines[i];
        line->entry = &work->batch->changed[i];
        line->name = line->entry->user.name != NULL ? line->entry->user.name : "";
        line->json = json_of(arena, line);
        line->digest = digest_of(arena, line->json);
    }
    if (work->count == 0)
        return CODE_OK;
    queue_look(work);
    enum code code = db_collect(work->db, work->change->problem, &result);
    if (code != CODE_OK)
        return code;
    for (size_t i = 0; i < work->count; i++) {
        read_line(arena, result, (int)i, &work->lines[i]);
        check(work->db, arena, &work->lines[i]);
    }
    settle_names(work);
    return CODE_OK;
}
