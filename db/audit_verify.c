#include "db/audit_verify.h"

#include <inttypes.h>
#include <string.h>

#include "db/audit_chain.h"
#include "db/row.h"
#include "model/audit_check.h"
#include "model/json_out.h"

#define BATCH 1000

/* A chain that is being verified. */
struct verification {
    struct db *db;
    const char *chain;
    struct problem *problem;
    struct audit_check check;

    /* As the database had it with the head: what is sealed meanwhile does not disturb. */
    int64_t last; /* number of the last event, or of the checkpoint when there is none */
    int64_t unsealed;
};

/* Head and checkpoint, and what is where it may not be. */
static enum code begin(struct verification *v)
{
    static const struct statement read = {
        "SELECT " AUDIT_MARK("h") ", " AUDIT_MARK(
            "c") ", (SELECT coalesce(min(sequence), 0) FROM audit_event"
                 "  WHERE chain = $1), (SELECT coalesce(max(sequence), 0) FROM audit_event WHERE chain = $1),"
                 " (SELECT count(*) FROM audit_unsealed WHERE chain = $1)"
                 " FROM (SELECT 1) AS one LEFT JOIN audit_head h ON h.chain = $1"
                 " LEFT JOIN audit_checkpoint c ON c.chain = $1",
        1};
    struct audit_check *check = &v->check;
    DB_RESULT result = NULL;
    enum code code = DB_RUN(v->db, v->problem, &result, &read, v->chain);
    if (code != CODE_OK)
        return code;
    audit_read_mark(check->arena, v->chain, result, 0, 0, &check->head, &check->head_signature);
    audit_read_mark(check->arena, v->chain, result, 0, AUDIT_MARK_COUNT, &check->checkpoint,
                    &check->checkpoint_signature);
    int64_t first = audit_number(result, 0, 2 * AUDIT_MARK_COUNT);
    v->last = audit_number(result, 0, 2 * AUDIT_MARK_COUNT + 1);
    v->unsealed = audit_number(result, 0, 2 * AUDIT_MARK_COUNT + 2);
    audit_check_begin(check);
    if (first > 0 && first <= check->sequence)
        audit_check_fault(check, "SURPLUS", first, "Events up to the number %" PRId64 " were removed.",
                          check->sequence);
    if (v->last < check->sequence)
        v->last = check->sequence;
    return CODE_OK;
}

/* Events may be removed while they are verified, from where a new checkpoint then says. */
static enum code follow_checkpoint(struct verification *v, bool *ret_moved)
{
    static const struct statement read = {
        "SELECT " AUDIT_MARK("c") " FROM audit_checkpoint c WHERE c.chain = $1", 1};
    struct audit_check *check = &v->check;
    struct audit_head checkpoint;
    const char *signature;
    DB_RESULT result = NULL;
    *ret_moved = false;
    enum code code = DB_RUN(v->db, v->problem, &result, &read, v->chain);
    if (code != CODE_OK || PQntuples(result) == 0)
        return code;
    audit_read_mark(check->arena, v->chain, result, 0, 0, &checkpoint, &signature);
    checkpoint.is_checkpoint = true;
    if (checkpoint.sequence <= check->sequence || !audit_is_signed(&checkpoint, signature, check->public_key))
        return CODE_OK;
    check->checkpoint = checkpoint;
    check->checkpoint_signature = signature;
    audit_check_begin_at(check, checkpoint.sequence, checkpoint.hash);
    *ret_moved = true;
    return CODE_OK;
}

static enum code check_batch(struct verification *v, struct arena *arena, const PGresult *batch)
{
    const struct audit_record *records = audit_read_records(arena, batch, 0);
    int count = PQntuples(batch);
    bool moved = false;
    if (count == 0 || records[0].sequence != v->check.sequence + 1) {
        enum code code = follow_checkpoint(v, &moved);
        if (code != CODE_OK || moved)
            return code;
    }
    if (count == 0)
        audit_check_fault(&v->check, "MISSING", v->check.sequence + 1,
                          "It went away while it was looked for.");
    audit_check_records(&v->check, records, count);
    return CODE_OK;
}

static enum code check_events(struct verification *v, int64_t limit)
{
    static const struct statement read = {"SELECT " AUDIT_RECORD
                                          " FROM audit_event WHERE chain = $1 AND sequence > $2::bigint"
                                          " AND sequence <= $3::bigint ORDER BY sequence LIMIT $4::bigint",
                                          4};
    const struct audit_check *check = &v->check;
    enum code code = CODE_OK;
    while (code == CODE_OK && check->fault == NULL && check->sequence < v->last && check->checked < limit) {
        struct arena *arena = arena_new();
        int64_t count = limit - check->checked < BATCH ? limit - check->checked : BATCH;
        DB_RESULT batch = NULL;
        code = DB_RUN(v->db, v->problem, &batch, &read, v->chain, row_integer(arena, check->sequence),
                      row_integer(arena, v->last), row_integer(arena, count));
        if (code == CODE_OK)
            code = check_batch(v, arena, batch);
        arena_free(arena);
    }
    return code;
}

/* What the caller knows to be true must still be so. */
static enum code check_mark(struct verification *v, const struct audit_verify *asked)
{
    static const struct statement read = {
        "SELECT hash FROM audit_event WHERE chain = $1 AND sequence = $2::bigint"
        " UNION ALL SELECT hash FROM audit_checkpoint WHERE chain = $1 AND sequence = $2::bigint",
        2};
    struct audit_check *check = &v->check;
    DB_RESULT result = NULL;
    if (asked->hash == NULL || check->fault != NULL)
        return CODE_OK;
    if (asked->sequence < check->sequence) {
        problem_add_member(v->problem, "sequence", "too_small",
                           "Events up to the number %" PRId64 " were removed; verify from that one on.",
                           check->sequence);
        return CODE_VALIDATION_FAILED;
    }
    enum code code =
        DB_RUN(v->db, v->problem, &result, &read, v->chain, row_integer(check->arena, asked->sequence));
    if (code != CODE_OK)
        return code;
    audit_check_begin_at(check, 0, AUDIT_FIRST_HASH);
    if (PQntuples(result) == 0)
        audit_check_fault(
            check, asked->sequence > v->last ? "TAIL_MISSING" : "MISSING", asked->sequence,
            "You know of this event, but it is not there; the last one has the number %" PRId64 ".", v->last);
    else if (strcmp(PQgetvalue(result, 0, 0), asked->hash) != 0)
        audit_check_fault(check, "REWRITTEN", asked->sequence,
                          "You know of another hash: this event or one before it was replaced.");
    else
        audit_check_begin_at(check, asked->sequence, asked->hash);
    return CODE_OK;
}

static void write_outcome(const struct verification *v, const char *result, struct buffer *out)
{
    out_begin_object(out);
    out_member(out, "result", result);
    out_member_integer(out, "checked", v->check.checked);
    out_member_integer(out, "unsealed", v->unsealed);
    audit_check_write(&v->check, out);
    out_end_object(out);
}

enum code audit_verify(struct db *db, const char *chain, const uint8_t key[static SECRET_KEY_SIZE],
                       const struct audit_verify *asked, struct problem *problem, struct buffer *out,
                       bool *ret_whole, struct audit_verify *ret_continue)
{
    char public_key[AUDIT_PUBLIC_KEY_LENGTH + 1];
    struct verification v = {.db = db,
                             .chain = chain,
                             .problem = problem,
                             .check = {.arena = out->arena, .public_key = public_key}};
    struct audit_check *check = &v.check;

    enum code code = audit_public_key(key, public_key) ? begin(&v) : CODE_INTERNAL_ERROR;
    if (code == CODE_OK)
        code = check_mark(&v, asked);
    if (code == CODE_OK)
        code = check_events(&v, asked->limit);
    if (code != CODE_OK)
        return code;
    bool finished = check->fault != NULL || check->sequence >= v.last;
    if (finished)
        audit_check_end(check);
    write_outcome(&v, check->fault != NULL ? "BROKEN" : finished ? "WHOLE" : "UNFINISHED", out);
    if (ret_whole != NULL)
        *ret_whole = check->fault == NULL;
    if (ret_continue != NULL) {
        *ret_continue = (struct audit_verify){.limit = asked->limit};
        if (!finished) {
            ret_continue->sequence = check->sequence;
            ret_continue->hash = arena_string(out->arena, check->hash);
        }
    }
    return CODE_OK;
}
