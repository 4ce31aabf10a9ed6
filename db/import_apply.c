/* One chunk of an import: its lines are looked at together, decided one by one, and written together. Lines that are about
 * the same name or address as an earlier one of the chunk come in a later round, in which they see what that one did. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "db/address.h"
#include "db/audit.h"
#include "db/data_key.h"
#include "db/group.h"
#include "db/import.h"
#include "db/import_rows.h"
#include "db/limit.h"
#include "db/row.h"
#include "model/fault_point.h"
#include "model/id.h"
#include "model/json_out.h"
#include "model/password.h"
#include "model/password_format.h"

#define POINTER_MOST 128
#define DETAIL_MOST  512
#define NAME_MOST    1024 /* 256 characters, which is all of a name that is allowed */
#define HASHING_MS   1500 /* of one step: a lease is a few seconds, and a stop waits for it */

/* --- preparing --- */

static void decode(struct arena *arena, struct import_line *line)
{
    line->decoded = (struct problem){.arena = arena};
    if (line->json[0] == '!') {
        problem_add_at(&line->decoded, "", "malformed_csv", "%.*s", (int)line->length - 1, line->json + 1);
        return;
    }
    if (import_decode(line->json, line->length, &line->entry, &line->set, &line->decoded) ==
        CODE_MALFORMED_JSON)
        problem_add_at(&line->decoded, "", "malformed_json", "%s", line->decoded.detail);
    if (line->entry.password_hash != NULL)
        line->entry.password_hash = password_format_bare(line->entry.password_hash);
    line->is_group = line->entry.kind != NULL && strcmp(line->entry.kind, "GROUP") == 0;
}

static void decode_all(struct arena *arena, const char *text, size_t size, struct import_chunk *chunk)
{
    chunk->lines = arena_alloc(arena, (chunk->count + 1) * sizeof(*chunk->lines));
    size_t count = 0;
    for (const char *at = text, *end = text + size; at < end && count < chunk->count; count++) {
        struct import_line *line = &chunk->lines[count];
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        char *json;
        line->number = strtoll(at, &json, 10);
        line->json = json + 1;
        line->length = (size_t)((stop != NULL ? stop : end) - line->json);
        decode(arena, line);
        at = stop != NULL ? stop + 1 : end;
    }
    chunk->count = count;
}

/* Those that were made before, then as many more as there is time for. */
static enum code hash_passwords(struct arena *arena, const char *made, struct import_chunk *chunk)
{
    json_t *known = json_loads(made, 0, NULL);
    const char **passwords = arena_alloc(arena, (chunk->count + 1) * sizeof(*passwords));
    const char **hashes = arena_alloc(arena, (chunk->count + 1) * sizeof(*hashes));
    struct import_line **lines = arena_alloc(arena, (chunk->count + 1) * sizeof(struct import_line *));
    size_t count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        struct import_line *line = &chunk->lines[i];
        if (line->entry.password == NULL || line->decoded.first_fault != NULL)
            continue;
        const char *hash =
            json_string_value(json_object_get(known, arena_printf(arena, "%lld", (long long)line->number)));
        if (chunk->validate_only)
            hash = "*"; /* no password has it; it is rolled back with the rest */
        line->entry.password_hash = hash != NULL ? arena_string(arena, hash) : NULL;
        if (hash != NULL)
            continue;
        passwords[count] = line->entry.password;
        lines[count++] = line;
    }
    json_decref(known);
    if (count == 0)
        return CODE_OK;

    struct buffer out = {.arena = arena};
    size_t done = password_hash_gently(arena, passwords, count, HASHING_MS, hashes);
    if (done == 0)
        return CODE_INTERNAL_ERROR;
    out_begin_object(&out);
    for (size_t i = 0; i < done; i++) {
        lines[i]->entry.password_hash = hashes[i];
        out_member(&out, arena_printf(arena, "%lld", (long long)lines[i]->number), hashes[i]);
    }
    out_end_object(&out);
    chunk->new_hashes = done < count ? buffer_string(&out) : NULL;
    return CODE_OK;
}

enum code import_prepare(struct db *db, struct change *change, const char *import_id,
                         const char *organization_id, struct import_chunk **ret_chunk)
{
    static const struct statement find = {
        "SELECT c.number, c.line_count, c.sealed_lines, c.hashes, i.validate_only, i.actor, i.access_key_id,"
        " i.source_address, i.request_id, i.chunk_count FROM import_chunk c JOIN import i USING (import_id)"
        " WHERE c.import_id = $1 ORDER BY c.number LIMIT 1",
        1};
    struct arena *arena = change->arena;
    DB_RESULT result = NULL;
    const char *text = NULL;
    size_t size = 0;

    enum code code = DB_RUN(db, change->problem, &result, &find, import_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0) {
        *ret_chunk = NULL;
        return CODE_OK;
    }
    struct import_chunk *chunk = arena_alloc(arena, sizeof(*chunk));
    *chunk = (struct import_chunk){
        .import_id = import_id,
        .number = row_text(arena, result, 0, "number"),
        .count = (size_t)strtoul(PQgetvalue(result, 0, 1), NULL, 10),
        .validate_only = row_flag(result, 0, "validate_only"),
        .is_last = strtol(PQgetvalue(result, 0, 0), NULL, 10) + 1 ==
                   strtol(PQgetvalue(result, 0, PQfnumber(result, "chunk_count")), NULL, 10),
        .actor = row_text(arena, result, 0, "actor"),
        .access_key_id = row_text(arena, result, 0, "access_key_id"),
        .source_address = row_text(arena, result, 0, "source_address"),
        .request_id = row_text(arena, result, 0, "request_id"),
    };
    code = data_key_open(
        db, organization_id, arena_printf(arena, "import_chunk\n%s\n%s", import_id, chunk->number),
        PQgetvalue(result, 0, PQfnumber(result, "sealed_lines")), change->problem, &text, &size);
    if (code != CODE_OK)
        return code;
    decode_all(arena, text, size, chunk);
    code = hash_passwords(arena, PQgetvalue(result, 0, PQfnumber(result, "hashes")), chunk);
    if (code == CODE_OK)
        *ret_chunk = chunk;
    return code;
}

/* --- rounds --- */

static json_int_t later(json_int_t round, const json_t *other)
{
    json_int_t value = json_integer_value(other);
    return value > round ? value : round;
}

/* A line comes after those before it that have a name or an address of its own, or the name of one of its members. */
static unsigned assign_rounds(struct import_line **lines, size_t count)
{
    json_t *last = json_object(); /* the round of the last line that has it, by name or address */
    unsigned rounds = 0;
    for (size_t i = 0; i < count; i++) {
        struct import_line *line = lines[i];
        json_int_t before = json_integer_value(json_object_get(last, line->folded));
        for (size_t k = 0; k < line->address_count; k++)
            before = later(before, json_object_get(last, line->addresses[k]));
        for (size_t k = 0; line->entry.members != NULL && line->entry.members[k] != NULL; k++)
            before = later(before, json_object_get(last, line->folded_members[k]));
        line->round = (unsigned)before + 1;
        json_object_set_new(last, line->folded, json_integer(line->round));
        for (size_t k = 0; k < line->address_count; k++)
            json_object_set_new(last, line->addresses[k], json_integer(line->round));
        if (line->round > rounds)
            rounds = line->round;
    }
    json_decref(last);
    return rounds;
}

static enum code do_round(struct import_work *work, struct import_line **lines, size_t count)
{
    enum code code = import_look(work, lines, count);
    if (code != CODE_OK)
        return code;
    for (size_t i = 0; i < count; i++)
        import_decide(work, lines[i]);
    return import_write(work, lines, count);
}

static enum code do_rounds(struct import_work *work, bool with_members)
{
    struct import_chunk *chunk = work->chunk;
    struct arena *arena = work->change->arena;
    struct import_line **lines = arena_alloc(arena, (chunk->count + 1) * sizeof(struct import_line *));
    struct import_line **now = arena_alloc(arena, (chunk->count + 1) * sizeof(struct import_line *));
    enum code code = CODE_OK;
    size_t count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        struct import_line *line = &chunk->lines[i];
        if (line->decoded.first_fault == NULL && (line->entry.members != NULL) == with_members)
            lines[count++] = line;
    }
    unsigned rounds = assign_rounds(lines, count);
    for (unsigned round = 1; code == CODE_OK && round <= rounds; round++) {
        size_t ready = 0;
        for (size_t i = 0; i < count; i++)
            if (lines[i]->round == round)
                now[ready++] = lines[i];
        code = do_round(work, now, ready);
    }
    return code;
}

/* Those without members first: members may be among them. */
static enum code do_all(struct import_work *work)
{
    enum code code = import_name_lines(work);
    if (code == CODE_OK)
        code = do_rounds(work, false);
    return code == CODE_OK ? do_rounds(work, true) : code;
}

/* --- what becomes of it --- */

/* At most so many bytes of what the file has, in whole characters: a page of results is some thousand of them. */
static const char *shortened(struct arena *arena, const char *text, size_t most)
{
    size_t length = strnlen(text, most + 1);
    if (length <= most)
        return text;
    for (length = most; ((unsigned char)text[length] & 0xC0) == 0x80;)
        length--;
    return arena_copy(arena, text, length);
}

static void write_errors(const struct problem *problem, struct buffer *out)
{
    out_name(out, "errors");
    out_begin_array(out);
    for (const struct fault *fault = problem->first_fault; fault != NULL; fault = fault->next) {
        out_begin_object(out);
        out_member(out, "pointer", shortened(out->arena, fault->pointer, POINTER_MOST));
        out_member(out, "code", fault->code);
        out_member(out, "detail", shortened(out->arena, fault->detail, DETAIL_MOST));
        out_end_object(out);
    }
    out_end_array(out);
}

static void queue_results(struct import_work *work)
{
    static const struct statement insert = {
        "INSERT INTO import_result (import_id, line, outcome, kind, entity_id, name, errors)"
        " SELECT $1, r.line, r.outcome, r.kind, r.id, r.name, r.errors FROM jsonb_to_recordset($2::jsonb)"
        " AS r (line bigint, outcome text, kind text, id uuid, name text, errors jsonb)",
        2};
    struct import_chunk *chunk = work->chunk;
    struct buffer out = {.arena = work->change->arena};
    buffer_reserve(&out, chunk->count * 160 + 16);
    out_begin_array(&out);
    for (size_t i = 0; i < chunk->count; i++) {
        const struct import_line *line = &chunk->lines[i];
        bool failed = line->problem.first_fault != NULL;
        out_begin_object(&out);
        out_member_integer(&out, "line", line->number);
        out_member(&out, "outcome", failed ? "ERROR" : line->outcome);
        out_member(&out, "kind", line->entry.name != NULL ? (line->is_group ? "GROUP" : "USER") : NULL);
        out_member(&out, "id", failed || (chunk->validate_only && line->is_new) ? NULL : line->entity_id);
        out_member(&out, "name",
                   line->entry.name != NULL ? shortened(out.arena, line->entry.name, NAME_MOST) : NULL);
        write_errors(&line->problem, &out);
        out_end_object(&out);
    }
    out_end_array(&out);
    DB_QUEUE(work->db, &insert, chunk->import_id, buffer_string(&out));
}

/* Each line that changed something is an event of its own, by who sent the file. */
static void queue_events(struct import_work *work)
{
    const struct import_chunk *chunk = work->chunk;
    struct buffer out = {.arena = work->change->arena};
    struct change asker = *work->change;
    asker.actor = chunk->actor;
    asker.access_key_id = chunk->access_key_id;
    asker.source_address = chunk->source_address;
    asker.request_id = chunk->request_id;
    asker.audit = (struct audit_note){.action = "workmail:ImportUsers",
                                      .organization_id = work->organization->organization_id};
    buffer_reserve(&out, chunk->count * 500 + 16);
    out_begin_array(&out);
    for (size_t i = 0; i < chunk->count; i++) {
        const struct import_line *line = &chunk->lines[i];
        if (line->problem.first_fault != NULL || line->changes == NULL)
            continue;
        const struct entity_kind *kind = line->is_group ? &group_kind : &user_kind;
        struct entity_key key = entity_key(kind, work->organization->organization_id, line->entity_id);
        out_begin_object(&out);
        out_member(&out, "target", entity_path(work->change->arena, &key));
        out_name(&out, "changes");
        out_raw(&out, line->changes, strlen(line->changes));
        out_end_object(&out);
    }
    out_end_array(&out);
    audit_queue_several(work->db, &asker, buffer_string(&out));
}

static void queue_done(struct import_work *work)
{
    static const struct statement remove = {
        "DELETE FROM import_chunk WHERE import_id = $1 AND number = $2::integer", 2};
    static const struct statement count = {
        "UPDATE import SET done_count = done_count + $2, updated_at = now() WHERE import_id = $1", 2};
    static const struct statement forget = {"DELETE FROM import_trial_key WHERE import_id = $1", 1};
    struct import_chunk *chunk = work->chunk;
    DB_QUEUE(work->db, &remove, chunk->import_id, chunk->number);
    DB_QUEUE(work->db, &count, chunk->import_id, row_integer(work->change->arena, (int64_t)chunk->count));
    if (chunk->validate_only && chunk->is_last)
        DB_QUEUE(work->db, &forget, chunk->import_id);
}

static enum code apply_lines(struct import_work *work)
{
    static const struct statement begin = {"SAVEPOINT trial", 0};
    static const struct statement undo = {"ROLLBACK TO SAVEPOINT trial", 0};
    bool trial = work->chunk->validate_only;
    if (trial)
        db_queue_silently(work->db, &begin, NULL, 0);
    enum code code = import_enter(work);
    if (code == CODE_OK)
        code = do_all(work);
    if (code != CODE_OK || !trial)
        return code;
    db_queue_silently(work->db, &undo, NULL, 0);
    import_queue_trial_keys(work);
    return CODE_OK;
}

enum code import_apply(struct db *db, struct change *change, const struct organization_row *organization,
                       struct import_chunk *chunk)
{
    static const struct statement keep = {
        "UPDATE import_chunk SET hashes = hashes || $3::jsonb WHERE import_id = $1 AND number = $2::integer",
        3};
    struct import_work work = {.db = db, .change = change, .organization = organization, .chunk = chunk};

    if (chunk->new_hashes != NULL) {
        DB_QUEUE(db, &keep, chunk->import_id, chunk->number, chunk->new_hashes);
        return CODE_OK;
    }
    enum code code = organization_need_serving(organization, change->problem);
    if (code != CODE_OK)
        return code;
    for (size_t i = 0; i < chunk->count; i++) {
        struct import_line *line = &chunk->lines[i];
        line->problem = line->decoded; /* as at first: this may be another attempt */
        line->outcome = line->changes = line->entity_id = NULL;
        line->is_new = false;
    }
    code = apply_lines(&work);
    /* Somebody took a name or an address since it was looked at. */
    if (code == CODE_NAME_TAKEN || code == CODE_EMAIL_ADDRESS_IN_USE)
        return CODE_RETRY;
    if (code != CODE_OK)
        return code;
    queue_results(&work);
    if (!chunk->validate_only)
        queue_events(&work);
    queue_done(&work);
    return db_finish(db, change->problem);
}
