#include "db/audit_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db/audit_chain.h"
#include "db/row.h"
#include "model/json_out.h"

#define BATCH 1000

/* A chain that is being verified. */
struct verification {
    struct db *db;
    const char *chain;
    struct problem *problem;
    struct arena *arena; /* lives to the end; batches have their own */

    /* As the database has it, all read at once: what is sealed meanwhile does not disturb. */
    struct audit_head head; /* sequence 0: there is none */
    const char *signed_at;
    const char *signature;
    bool is_signed; /* by this service */
    int64_t last;   /* number of the last event */
    int64_t unsealed;

    /* How far all is good, and how much was looked at. */
    int64_t sequence;
    char hash[AUDIT_HASH_LENGTH + 1];
    int64_t checked;

    /* The first thing that is not. */
    const char *fault;
    int64_t fault_sequence;
    const char *detail;
};

__attribute__((format(printf, 4, 5))) static void fault(struct verification *v, const char *kind,
                                                        int64_t sequence, const char *format, ...)
{
    va_list args;
    if (v->fault != NULL)
        return;
    va_start(args, format);
    v->fault = kind;
    v->fault_sequence = sequence;
    v->detail = arena_vprintf(v->arena, format, args);
    va_end(args);
}

static enum code read_head(struct verification *v, const uint8_t *key)
{
    static const struct statement read = {
        "SELECT h.sequence, h.hash, (extract(epoch FROM h.signed_at) * 1000000)::bigint, h.signature,"
        " to_char(h.signed_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS signed_at,"
        " (SELECT coalesce(max(sequence), 0) FROM audit_event WHERE chain = $1),"
        " (SELECT count(*) FROM audit_unsealed WHERE chain = $1)"
        " FROM (SELECT 1) AS one LEFT JOIN audit_head h ON h.chain = $1",
        1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(v->db, v->problem, &result, &read, v->chain);
    if (code != CODE_OK)
        return code;
    v->head.chain = v->chain;
    if (!PQgetisnull(result, 0, 0)) {
        v->head.sequence = audit_number(result, 0, 0);
        v->head.hash = arena_string(v->arena, PQgetvalue(result, 0, 1));
        v->head.signed_at_us = audit_number(result, 0, 2);
        v->signature = arena_string(v->arena, PQgetvalue(result, 0, 3));
        v->signed_at = row_text(v->arena, result, 0, "signed_at");
        v->is_signed = audit_is_signed(&v->head, v->signature, key);
    }
    v->last = audit_number(result, 0, 5);
    v->unsealed = audit_number(result, 0, 6);
    return CODE_OK;
}

/* --- events --- */

enum { COLUMN_SEQUENCE, COLUMN_HASH, COLUMN_VALUES };

/* An event that does not fit in its place: is it another one's? */
static void explain_misfit(struct verification *v, struct buffer *scratch, const PGresult *batch, int at)
{
    char hash[AUDIT_HASH_LENGTH + 1];
    int64_t sequence = v->sequence + 1;
    for (int row = at + 1; row < PQntuples(batch); row++) {
        audit_hash_row(scratch, v->hash, sequence, batch, row, COLUMN_VALUES, hash);
        if (strcmp(hash, PQgetvalue(batch, row, COLUMN_HASH)) == 0 ||
            strcmp(hash, PQgetvalue(batch, at, COLUMN_HASH)) == 0) {
            fault(v, "OUT_OF_ORDER", sequence,
                  "Another event stands here; the one that was sealed here now has the number %s.",
                  PQgetvalue(batch, row, COLUMN_SEQUENCE));
            return;
        }
    }
    fault(v, "ALTERED", sequence, "The event is not as it was when it was sealed.");
}

static void check_batch(struct verification *v, struct buffer *scratch, const PGresult *batch)
{
    char hash[AUDIT_HASH_LENGTH + 1];
    for (int row = 0; row < PQntuples(batch) && v->fault == NULL; row++) {
        int64_t sequence = audit_number(batch, row, COLUMN_SEQUENCE);
        if (sequence != v->sequence + 1) {
            fault(v, "MISSING", v->sequence + 1, "The next event that is there has the number %" PRId64 ".",
                  sequence);
            break;
        }
        audit_hash_row(scratch, v->hash, sequence, batch, row, COLUMN_VALUES, hash);
        if (strcmp(hash, PQgetvalue(batch, row, COLUMN_HASH)) != 0) {
            explain_misfit(v, scratch, batch, row);
            break;
        }
        /* All fits up to where the head was; if not as it was signed, somebody computed it anew. */
        if (v->is_signed && sequence == v->head.sequence && strcmp(hash, v->head.hash) != 0) {
            fault(v, "REWRITTEN", sequence,
                  "The signed head has another hash: this event or one before it was replaced.");
            break;
        }
        v->sequence = sequence;
        memcpy(v->hash, hash, sizeof(hash));
        v->checked++;
    }
}

static enum code check_events(struct verification *v, int64_t limit)
{
    static const struct statement read = {"SELECT sequence, hash, " AUDIT_VALUES
                                          " FROM audit_event WHERE chain = $1 AND sequence > $2::bigint"
                                          " AND sequence <= $3::bigint ORDER BY sequence LIMIT $4::bigint",
                                          4};
    enum code code = CODE_OK;
    while (code == CODE_OK && v->fault == NULL && v->sequence < v->last && v->checked < limit) {
        struct arena *arena = arena_new();
        struct buffer scratch = {.arena = arena};
        int64_t count = limit - v->checked < BATCH ? limit - v->checked : BATCH;
        DB_RESULT batch = NULL;
        code = DB_RUN(v->db, v->problem, &batch, &read, v->chain, row_integer(arena, v->sequence),
                      row_integer(arena, v->last), row_integer(arena, count));
        if (code == CODE_OK && PQntuples(batch) == 0)
            fault(v, "MISSING", v->sequence + 1, "It went away while it was looked for.");
        else if (code == CODE_OK)
            check_batch(v, &scratch, batch);
        arena_free(arena);
    }
    return code;
}

/* What the caller knows to be true must still be so. */
static enum code check_mark(struct verification *v, const struct audit_verify *asked)
{
    static const struct statement read = {"SELECT hash FROM audit_event WHERE chain = $1 AND sequence = $2",
                                          2};
    DB_RESULT result = NULL;
    memcpy(v->hash, AUDIT_FIRST_HASH, sizeof(v->hash));
    if (asked->hash == NULL)
        return CODE_OK;
    enum code code =
        DB_RUN(v->db, v->problem, &result, &read, v->chain, row_integer(v->arena, asked->sequence));
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        fault(v, asked->sequence > v->last ? "TAIL_MISSING" : "MISSING", asked->sequence,
              "You know of this event, but it is not there; the last one has the number %" PRId64 ".",
              v->last);
    else if (strcmp(PQgetvalue(result, 0, 0), asked->hash) != 0)
        fault(v, "REWRITTEN", asked->sequence,
              "You know of another hash: this event or one before it was replaced.");
    if (v->fault == NULL) {
        v->sequence = asked->sequence;
        snprintf(v->hash, sizeof(v->hash), "%s", asked->hash);
    }
    return CODE_OK;
}

/* Once all events are as they should be. */
static void check_head(struct verification *v)
{
    if (v->signature == NULL) {
        if (v->last > 0)
            fault(v, "HEAD_MISSING", v->last, "There are events, but no signed head.");
    } else if (!v->is_signed) {
        fault(v, "HEAD_ALTERED", v->head.sequence, "The signature of the head is not this service's.");
    } else if (v->head.sequence > v->last) {
        fault(v, "TAIL_MISSING", v->last + 1, "Events up to the number %" PRId64 " were sealed.",
              v->head.sequence);
    } else if (v->head.sequence < v->last) {
        fault(v, "SURPLUS", v->head.sequence + 1, "No event of this number was ever sealed.");
    }
}

/* --- the outcome --- */

static void write_mark(struct buffer *out, int64_t sequence, const char *hash)
{
    out_member_integer(out, "sequence", sequence);
    out_member(out, "hash", hash);
}

static void write_outcome(const struct verification *v, const char *result, const char *public_key,
                          struct buffer *out)
{
    out_begin_object(out);
    out_member(out, "result", result);
    out_member_integer(out, "checked", v->checked);
    out_member_integer(out, "unsealed", v->unsealed);
    out_name(out, "verified_to");
    out_begin_object(out);
    write_mark(out, v->sequence, v->hash);
    out_end_object(out);
    if (v->signature != NULL) {
        out_name(out, "head");
        out_begin_object(out);
        write_mark(out, v->head.sequence, v->head.hash);
        out_member(out, "signed_at", v->signed_at);
        out_member(out, "signature", v->signature);
        out_end_object(out);
    }
    out_member(out, "public_key", public_key);
    if (v->fault != NULL) {
        out_name(out, "fault");
        out_begin_object(out);
        out_member(out, "kind", v->fault);
        out_member_integer(out, "sequence", v->fault_sequence);
        out_member(out, "detail", v->detail);
        out_end_object(out);
    }
    out_end_object(out);
}

enum code audit_verify(struct db *db, const char *chain, const uint8_t key[static SECRET_KEY_SIZE],
                       const struct audit_verify *asked, struct problem *problem, struct buffer *out,
                       bool *ret_whole, struct audit_verify *ret_continue)
{
    struct verification v = {.db = db, .chain = chain, .problem = problem, .arena = out->arena};
    char public_key[2 * SECRET_KEY_SIZE + 1];

    enum code code = audit_public_key(key, public_key) ? read_head(&v, key) : CODE_INTERNAL_ERROR;
    if (code == CODE_OK)
        code = check_mark(&v, asked);
    if (code == CODE_OK)
        code = check_events(&v, asked->limit);
    if (code != CODE_OK)
        return code;
    bool finished = v.fault != NULL || v.sequence >= v.last;
    if (finished)
        check_head(&v);
    write_outcome(&v, v.fault != NULL ? "BROKEN" : finished ? "WHOLE" : "UNFINISHED", public_key, out);
    if (ret_whole != NULL)
        *ret_whole = v.fault == NULL;
    if (ret_continue != NULL) {
        *ret_continue = (struct audit_verify){.limit = asked->limit};
        if (!finished) {
            ret_continue->sequence = v.sequence;
            ret_continue->hash = arena_string(out->arena, v.hash);
        }
    }
    return CODE_OK;
}
