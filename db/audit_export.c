#include "db/audit_export.h"

#include <inttypes.h>
#include <string.h>

#include "db/audit_chain.h"
#include "db/row.h"
#include "model/json_out.h"

static void write_event(struct buffer *out, const struct audit_record *record)
{
    out_begin_object(out);
    out_member_integer(out, "sequence", record->sequence);
    out_member(out, "hash", record->hash);
    for (int i = 0; i < AUDIT_VALUE_COUNT; i++) {
        const char *value = record->values[i];
        if (value == NULL)
            continue;
        out_name(out, audit_values[i].name);
        if (audit_values[i].is_number)
            out_raw(out, value, strlen(value));
        else
            out_string(out, value);
    }
    out_end_object(out);
    buffer_byte(out, '\n');
}

static void write_mark(struct buffer *out, const char *name, const struct audit_head *mark,
                       const char *signature)
{
    out_name(out, name);
    out_begin_object(out);
    out_member(out, "chain", mark->chain);
    out_member_integer(out, "sequence", mark->sequence);
    out_member(out, "hash", mark->hash);
    out_member_integer(out, "signed_at_us", mark->signed_at_us);
    out_member(out, "signature", signature);
    out_end_object(out);
}

/* One statement, so that checkpoint, events and head are of one moment. */
static const struct statement read_page = {
    "SELECT " AUDIT_MARK("c") ", " AUDIT_MARK(
        "h") ", e.* FROM (SELECT 1) AS one"
             " LEFT JOIN audit_checkpoint c ON c.chain = $1 LEFT JOIN audit_head h ON h.chain = $1"
             " LEFT JOIN LATERAL (SELECT " AUDIT_RECORD " FROM audit_event WHERE audit_event.chain = $1"
             "  AND audit_event.sequence > greatest($2::bigint, coalesce(c.sequence, 0))"
             "  ORDER BY audit_event.sequence LIMIT $3::bigint) e ON true ORDER BY e.sequence",
    3};
enum { COLUMN_CHECKPOINT, COLUMN_HEAD = AUDIT_MARK_COUNT, COLUMN_EVENT = 2 * AUDIT_MARK_COUNT };

enum code audit_export(struct db *db, const char *chain, const uint8_t key[static SECRET_KEY_SIZE],
                       const struct audit_export *asked, struct problem *problem, struct buffer *out,
                       int64_t *ret_after)
{
    struct audit_head checkpoint;
    struct audit_head head;
    const char *checkpoint_signature;
    const char *head_signature;
    char public_key[AUDIT_PUBLIC_KEY_LENGTH + 1];
    int64_t size = asked->limit;
    DB_RESULT page = NULL;

    /* One row more than the page tells whether there is another. */
    enum code code = DB_RUN(db, problem, &page, &read_page, chain, row_integer(out->arena, asked->after),
                            row_integer(out->arena, size + 1));
    if (code != CODE_OK)
        return code;
    if (!audit_public_key(key, public_key))
        return CODE_INTERNAL_ERROR;
    audit_read_mark(out->arena, chain, page, 0, COLUMN_CHECKPOINT, &checkpoint, &checkpoint_signature);
    audit_read_mark(out->arena, chain, page, 0, COLUMN_HEAD, &head, &head_signature);
    if (asked->after > 0 && asked->after < checkpoint.sequence) {
        problem_add_parameter(problem, "after", "too_small",
                              "Events up to the number %" PRId64 " were removed; export from 0 on.",
                              checkpoint.sequence);
        return CODE_VALIDATION_FAILED;
    }

    if (asked->after == 0) {
        out_begin_object(out);
        out_member(out, "public_key", public_key);
        if (checkpoint_signature != NULL)
            write_mark(out, "checkpoint", &checkpoint, checkpoint_signature);
        out_end_object(out);
        buffer_byte(out, '\n');
    }
    const struct audit_record *records = audit_read_records(out->arena, page, COLUMN_EVENT);
    int count = PQgetisnull(page, 0, COLUMN_EVENT) ? 0 : PQntuples(page);
    bool more = count > size;
    for (int i = 0; i < (more ? (int)size : count); i++)
        write_event(out, &records[i]);
    if (!more && head_signature != NULL) {
        out_begin_object(out);
        write_mark(out, "head", &head, head_signature);
        out_end_object(out);
        buffer_byte(out, '\n');
    }
    *ret_after = more ? records[size - 1].sequence : 0;
    return CODE_OK;
}
