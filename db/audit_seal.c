#include "db/audit_seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/audit_chain.h"
#include "db/row.h"
#include "db/tx.h"
#include "model/fault_point.h"
#include "model/json_out.h"

#define BATCH      1000
#define BATCH_TEXT "1000"

/* A plan made while the queue is short would compare each event of a long one with each seal. */
static const struct statement plan_for_many = {"SELECT set_config('enable_nestloop', 'off', true)", 0};

struct sealing {
    const uint8_t *key;
    char public_key[AUDIT_PUBLIC_KEY_LENGTH + 1];
    const struct audit_memory *memory;
    const char *skipped;

    struct audit_sealed *chains;
    int events; /* in the batch */
    bool busy;  /* another process seals */
};

/* One for all chains: it takes a fraction of the time in which events are written. */
static const struct statement lock = {"SELECT pg_try_advisory_xact_lock(7265)", 0};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static size_t slot_of(const char *chain)
{
    size_t hash = 5381;
    for (; *chain != '\0'; chain++)
        hash = hash * 33 + (unsigned char)*chain;
    return hash % AUDIT_MEMORY_SIZE;
}

static struct audit_sealed *find_chain(const struct sealing *sealing, const char *name)
{
    struct audit_sealed *chain = sealing->chains;
    while (chain != NULL && strcmp(chain->head.chain, name) != 0)
        chain = chain->next;
    return chain;
}

/* Of an array of text that needs no quoting: chains, numbers, hexadecimal digits. */
static void add_item(struct buffer *array, const char *item)
{
    buffer_printf(array, "%s%s", array->length == 0 ? "{" : ",", item);
}

static const char *end_array(struct buffer *array)
{
    buffer_text(array, array->length == 0 ? "{}" : "}");
    return buffer_string(array);
}

static const char *note_chains(struct arena *arena, struct sealing *sealing, const PGresult *batch)
{
    struct buffer names = {.arena = arena};
    for (int row = 0; row < PQntuples(batch); row++) {
        const char *name = PQgetvalue(batch, row, 1);
        if (find_chain(sealing, name) != NULL)
            continue;
        struct audit_sealed *chain = arena_alloc(arena, sizeof(*chain));
        chain->head.chain = arena_string(arena, name);
        chain->head.hash = AUDIT_FIRST_HASH;
        chain->next = sealing->chains;
        sealing->chains = chain;
        add_item(&names, name);
    }
    return end_array(&names);
}

/* Whether a chain may go on from the head that stands in the database. */
static enum audit_trouble check_head(const struct sealing *sealing, const struct audit_sealed *chain)
{
    size_t slot = slot_of(chain->head.chain);
    bool known = strcmp(sealing->memory->heads[slot].chain, chain->head.chain) == 0;
    int64_t sequence = sealing->memory->heads[slot].sequence;
    bool same_hash = strcmp(sealing->memory->heads[slot].hash, chain->head.hash) == 0;
    if (known && chain->head.sequence == sequence && same_hash)
        return AUDIT_GOOD;
    if (chain->signature != NULL && !audit_is_signed(&chain->head, chain->signature, sealing->public_key))
        return AUDIT_HEAD_ALTERED;
    return known && chain->head.sequence <= sequence ? AUDIT_HEAD_WENT_BACK : AUDIT_GOOD;
}

static enum code read_heads(struct db *db, struct change *change, struct sealing *sealing, const char *names)
{
    static const struct statement read = {
        "SELECT c.chain, " AUDIT_MARK(
            "h") ", h.chain IS NULL"
                 " AND (EXISTS (SELECT FROM audit_event e WHERE e.chain = c.chain)"
                 "  OR EXISTS (SELECT FROM audit_checkpoint p WHERE p.chain = c.chain))"
                 " FROM unnest($1::text[]) AS c (chain) LEFT JOIN audit_head h ON h.chain = c.chain",
        1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &read, names);
    if (code != CODE_OK)
        return code;
    for (int row = 0; row < PQntuples(result); row++) {
        struct audit_sealed *chain = find_chain(sealing, PQgetvalue(result, row, 0));
        if (!PQgetisnull(result, row, 1))
            audit_read_mark(change->arena, chain->head.chain, result, row, 1, &chain->head,
                            &chain->signature);
        chain->trouble =
            PQgetvalue(result, row, 5)[0] == 't' ? AUDIT_HEAD_MISSING : check_head(sealing, chain);
    }
    return CODE_OK;
}

static bool is_sealed(const struct audit_sealed *chain)
{
    return chain->trouble != AUDIT_HEAD_ALTERED && chain->trouble != AUDIT_HEAD_MISSING;
}

/* Moves the events of the batch behind the end of their chains. */
static enum code move_events(struct db *db, struct change *change, struct sealing *sealing,
                             const PGresult *batch)
{
    static const struct statement move = {
        "WITH moved AS (DELETE FROM audit_unsealed WHERE event_id = ANY ($1::bigint[]) RETURNING *)"
        " INSERT INTO audit_event (chain, sequence, event_id, at, organization_id, actor, access_key_id,"
        "  source_address, request_id, action, target, outcome, reason, omitted, changes, hash)"
        " SELECT chain, sequence, event_id, at, organization_id, actor, access_key_id, source_address, request_id,"
        "  action, target, outcome, reason, omitted, changes, hash FROM moved"
        " JOIN unnest($1::bigint[], $2::bigint[], $3::text[]) AS s (event_id, sequence, hash) USING (event_id)",
        3};
    struct buffer ids = {.arena = change->arena};
    struct buffer sequences = {.arena = change->arena};
    struct buffer hashes = {.arena = change->arena};
    struct buffer scratch = {.arena = change->arena};
    const char *values[AUDIT_VALUE_COUNT];
    char hash[AUDIT_HASH_LENGTH + 1];
    DB_RESULT result = NULL;
    int count = 0;

    for (int row = 0; row < PQntuples(batch); row++) {
        struct audit_sealed *chain = find_chain(sealing, PQgetvalue(batch, row, 1));
        if (!is_sealed(chain))
            continue;
        chain->head.sequence++;
        audit_read_values(batch, row, 1, values);
        audit_hash(&scratch, chain->head.hash, chain->head.sequence, values, AUDIT_VALUE_COUNT, hash);
        chain->head.hash = arena_string(change->arena, hash);
        add_item(&ids, PQgetvalue(batch, row, 0));
        add_item(&sequences, row_integer(change->arena, chain->head.sequence));
        add_item(&hashes, hash);
        count++;
    }
    enum code code = DB_RUN(db, change->problem, &result, &move, end_array(&ids), end_array(&sequences),
                            end_array(&hashes));
    /* One that is gone meanwhile would leave a gap. */
    if (code == CODE_OK && strtol(PQcmdTuples(result), NULL, 10) != count)
        code = CODE_RETRY;
    return code;
}

static enum code write_heads(struct db *db, struct change *change, const struct sealing *sealing)
{
    static const struct statement write = {
        "INSERT INTO audit_head (chain, sequence, hash, signature, signed_at)"
        " SELECT h.*, timestamptz 'epoch' + $5::bigint * interval '1 microsecond'"
        " FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS h"
        " ON CONFLICT (chain) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash,"
        "  signature = excluded.signature, signed_at = excluded.signed_at",
        5};
    struct buffer names = {.arena = change->arena};
    struct buffer sequences = {.arena = change->arena};
    struct buffer hashes = {.arena = change->arena};
    struct buffer signatures = {.arena = change->arena};
    char signature[AUDIT_SIGNATURE_LENGTH + 1];
    int64_t now = now_us();

    for (struct audit_sealed *chain = sealing->chains; chain != NULL; chain = chain->next) {
        if (!is_sealed(chain))
            continue;
        chain->head.signed_at_us = now;
        if (!audit_sign(&chain->head, sealing->key, signature))
            return CODE_INTERNAL_ERROR;
        chain->signature = arena_string(change->arena, signature);
        add_item(&names, chain->head.chain);
        add_item(&sequences, row_integer(change->arena, chain->head.sequence));
        add_item(&hashes, chain->head.hash);
        add_item(&signatures, signature);
    }
    DB_QUEUE(db, &write, end_array(&names), end_array(&sequences), end_array(&hashes), end_array(&signatures),
             row_integer(change->arena, now));
    return CODE_OK;
}

static enum code seal_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement read = {
        "SELECT event_id, " AUDIT_VALUES " FROM audit_unsealed"
        " WHERE chain <> ALL ($1::text[]) ORDER BY event_id LIMIT " BATCH_TEXT,
        1};
    struct sealing *sealing = argument;
    DB_RESULT locked = NULL;
    DB_RESULT batch = NULL;

    sealing->chains = NULL;
    sealing->events = 0;
    db_queue_silently(db, &plan_for_many, NULL, 0);
    db_queue_parameters(db, &lock, NULL, 0);
    DB_QUEUE(db, &read, sealing->skipped);
    enum code code = db_collect(db, change->problem, &locked);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &batch);
    if (code != CODE_OK)
        return code;
    sealing->busy = PQgetvalue(locked, 0, 0)[0] != 't';
    if (sealing->busy || PQntuples(batch) == 0)
        return CODE_OK;
    sealing->events = PQntuples(batch);
    code = read_heads(db, change, sealing, note_chains(change->arena, sealing, batch));
    if (code == CODE_OK)
        code = move_events(db, change, sealing, batch);
    if (code == CODE_OK)
        code = write_heads(db, change, sealing);
    if (code == CODE_OK)
        code = db_finish(db, change->problem);
    FAULT_POINT("audit_seal.before_commit");
    return code;
}

static void remember(struct audit_memory *memory, const struct audit_head *head)
{
    size_t slot = slot_of(head->chain);
    snprintf(memory->heads[slot].chain, sizeof(memory->heads[slot].chain), "%s", head->chain);
    snprintf(memory->heads[slot].hash, sizeof(memory->heads[slot].hash), "%s", head->hash);
    memory->heads[slot].sequence = head->sequence;
}

enum code audit_seal(struct db *db, const uint8_t key[static SECRET_KEY_SIZE], struct audit_memory *memory,
                     struct arena *arena, struct problem *problem, const char **skipped,
                     const struct audit_sealed **ret_sealed, bool *ret_more)
{
    struct sealing sealing = {.key = key, .memory = memory, .skipped = *skipped};
    struct change change = {.arena = arena, .problem = problem, .actor = "service"};
    if (!audit_public_key(key, sealing.public_key))
        return CODE_INTERNAL_ERROR;
    enum code code = tx_run(db, &change, seal_body, &sealing);
    if (code != CODE_OK)
        return code;
    FAULT_POINT("audit_seal.after_commit");

    struct buffer names = {.arena = arena};
    if (strlen(*skipped) > 2)
        buffer_append(&names, *skipped, strlen(*skipped) - 1); /* without its end */
    for (const struct audit_sealed *chain = sealing.chains; chain != NULL; chain = chain->next) {
        if (is_sealed(chain))
            remember(memory, &chain->head);
        else
            add_item(&names, chain->head.chain);
    }
    const char *all = end_array(&names);
    *ret_more = sealing.events == BATCH || strcmp(all, *skipped) != 0;
    *skipped = all;
    *ret_sealed = sealing.chains;
    return CODE_OK;
}

/* --- starting anew --- */

static enum code restart_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement wait = {"SELECT pg_advisory_xact_lock(7265)", 0};
    static const struct statement read = {
        "SELECT l.sequence, l.hash, h.sequence, h.hash FROM (SELECT 1) AS one"
        " LEFT JOIN LATERAL (SELECT sequence, hash FROM audit_event WHERE chain = $1"
        "  UNION ALL SELECT sequence, hash FROM audit_checkpoint WHERE chain = $1"
        "  ORDER BY sequence DESC LIMIT 1) l ON true"
        " LEFT JOIN audit_head h ON h.chain = $1",
        1};
    const char *name = change->account_id != NULL ? change->account_id : AUDIT_INSTALLATION;
    struct audit_sealed chain = {.head = {.chain = name, .hash = AUDIT_FIRST_HASH}};
    struct sealing sealing = {.key = argument, .chains = &chain};
    DB_RESULT result = NULL;

    db_queue_silently(db, &wait, NULL, 0);
    enum code code = DB_RUN(db, change->problem, &result, &read, name);
    if (code != CODE_OK)
        return code;
    struct buffer *before = &change->audit.before;
    before->arena = change->arena;
    out_begin_object(before);
    if (!PQgetisnull(result, 0, 2)) {
        out_member_integer(before, "sequence", audit_number(result, 0, 2));
        out_member(before, "hash", PQgetvalue(result, 0, 3));
    }
    out_end_object(before);
    if (!PQgetisnull(result, 0, 0)) {
        chain.head.sequence = audit_number(result, 0, 0);
        chain.head.hash = arena_string(change->arena, PQgetvalue(result, 0, 1));
    }
    out_begin_object(&change->answer.body);
    out_member(&change->answer.body, "chain", name);
    out_member_integer(&change->answer.body, "sequence", chain.head.sequence);
    out_member(&change->answer.body, "hash", chain.head.hash);
    out_end_object(&change->answer.body);
    return write_heads(db, change, &sealing);
}

enum code audit_restart(struct db *db, struct change *change, const uint8_t key[static SECRET_KEY_SIZE])
{
    change->asked.target = "/v1/audit-events";
    return tx_run(db, change, restart_body, (void *)(uintptr_t)key);
}
