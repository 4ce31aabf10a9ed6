#include "db/audit_retention.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/audit_chain.h"
#include "db/row.h"
#include "db/sealed.h"
#include "model/audit_check.h"
#include "model/json_out.h"
#include "model/log.h"

/* One event more is read than goes: it shows that those before it are what it was chained to. */
#define BATCH      1000
#define BATCH_TEXT "1001"

/* By the clock of the service: who can write the database does not make events old. */
static int64_t oldest_kept_us(const struct db *db)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((int64_t)now.tv_sec - db_settings(db)->audit_retention_s) * 1000000 + now.tv_nsec / 1000;
}

/* How many events at the beginning of the batch are too old, and how many of it are what they were. The check is left where
 * the old ones end. */
static int count_old(struct audit_check *check, const struct audit_record *records, int count,
                     int64_t oldest_us)
{
    int old = 0;
    while (old < count - 1 && old < BATCH &&
           strtoll(records[old].values[AUDIT_VALUE_AT], NULL, 10) < oldest_us &&
           records[old].sequence < check->head.sequence)
        old++;
    audit_check_records(check, records, old);
    struct audit_check next = *check;
    audit_check_records(&next, records + old, count > old ? 1 : 0);
    check->fault = next.fault;
    check->fault_sequence = next.fault_sequence;
    check->detail = next.detail;
    return check->fault == NULL ? old : 0;
}

static enum code write_checkpoint(struct db *db, struct change *change, const struct audit_check *check)
{
    static const struct statement write = {
        "INSERT INTO audit_checkpoint (chain, sequence, hash, signed_at, signature) VALUES ($1, $2::bigint, $3,"
        " timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5)"
        " ON CONFLICT (chain) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash,"
        "  signed_at = excluded.signed_at, signature = excluded.signature",
        5};
    static const struct statement remove = {
        "DELETE FROM audit_event WHERE chain = $1 AND sequence <= $2::bigint", 2};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const struct audit_head checkpoint = {.chain = check->head.chain,
                                          .sequence = check->sequence,
                                          .hash = check->hash,
                                          .signed_at_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000,
                                          .is_checkpoint = true};
    const char *sequence = row_integer(change->arena, checkpoint.sequence);
    char signature[AUDIT_SIGNATURE_LENGTH + 1];
    if (!audit_sign(&checkpoint, db_audit_key(db)->bytes, signature))
        return CODE_INTERNAL_ERROR;
    DB_QUEUE(db, &write, checkpoint.chain, sequence, checkpoint.hash,
             row_integer(change->arena, checkpoint.signed_at_us), signature);
    DB_QUEUE(db, &remove, checkpoint.chain, sequence);
    return CODE_OK;
}

/* The event tells where the log began and where it begins. */
static void note(struct change *change, const struct audit_check *check, int64_t first)
{
    struct buffer before = {.arena = change->arena};
    struct buffer after = {.arena = change->arena};
    out_begin_object(&before);
    out_member_integer(&before, "first_sequence", first);
    out_end_object(&before);
    out_begin_object(&after);
    out_member_integer(&after, "first_sequence", check->sequence + 1);
    out_end_object(&after);
    change->account_id = strcmp(check->head.chain, AUDIT_INSTALLATION) == 0 ? NULL : check->head.chain;
    change->audit.target = "/v1/audit-events";
    change->audit.before = before;
    change->audit.after = after;
}

/* ret_removed: false when it was not to be done; the fault of the check tells why. */
static enum code remove_of(struct db *db, struct change *change, struct audit_check *check, bool *ret_removed)
{
    static const struct statement read = {
        "SELECT " AUDIT_MARK("h") ", " AUDIT_MARK("c") ", e.* FROM audit_head h"
                                                       " LEFT JOIN audit_checkpoint c ON c.chain = h.chain"
                                                       " LEFT JOIN LATERAL (SELECT " AUDIT_RECORD
                                                       " FROM audit_event WHERE audit_event.chain = h.chain"
                                                       "  ORDER BY sequence LIMIT " BATCH_TEXT
                                                       ") e ON true WHERE h.chain = $1 ORDER BY e.sequence",
        1};
    DB_RESULT result = NULL;
    const char *chain = check->head.chain;
    *ret_removed = false;
    enum code code = DB_RUN(db, change->problem, &result, &read, chain);
    if (code != CODE_OK || PQntuples(result) == 0)
        return code;
    audit_read_mark(change->arena, chain, result, 0, 0, &check->head, &check->head_signature);
    audit_read_mark(change->arena, chain, result, 0, AUDIT_MARK_COUNT, &check->checkpoint,
                    &check->checkpoint_signature);
    audit_check_begin(check);
    if (!check->head_is_signed)
        audit_check_end(check);
    if (check->fault != NULL)
        return CODE_OK;

    const struct audit_record *records = audit_read_records(change->arena, result, 2 * AUDIT_MARK_COUNT);
    int old = count_old(check, records, PQntuples(result), oldest_kept_us(db));
    if (old == 0)
        return CODE_OK;
    *ret_removed = true;
    note(change, check, records[0].sequence);
    return write_checkpoint(db, change, check);
}

static void log_fault(const struct audit_check *check)
{
    LOG(LOG_ERROR, "old events of an audit chain are kept: it is not whole",
        LOG_TEXT("chain", check->head.chain), LOG_TEXT("fault", check->fault),
        LOG_NUMBER("sequence", check->fault_sequence), LOG_TEXT("why", check->detail));
}

enum code audit_retention_remove(struct db *db, struct change *change, bool *ret_more)
{
    /* Those whose first event is old, and not their last one. */
    static const struct statement find = {
        "SELECT h.chain FROM audit_head h JOIN LATERAL (SELECT sequence, at FROM audit_event e"
        "  WHERE e.chain = h.chain ORDER BY e.sequence LIMIT 1) first ON first.sequence < h.sequence"
        " WHERE first.at < timestamptz 'epoch' + $1::bigint * interval '1 microsecond' ORDER BY h.chain",
        1};
    char public_key[AUDIT_PUBLIC_KEY_LENGTH + 1];
    DB_RESULT chains = NULL;
    bool removed = false;
    if (db_settings(db)->audit_retention_s == 0)
        return CODE_OK;
    enum code code = audit_public_key(db_audit_key(db)->bytes, public_key) ? CODE_OK : CODE_INTERNAL_ERROR;
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &chains, &find, row_integer(change->arena, oldest_kept_us(db)));
    if (code != CODE_OK)
        return code;
    int count = PQntuples(chains);
    struct audit_check *checks = arena_alloc(change->arena, ((size_t)count + 1) * sizeof(*checks));
    for (int i = 0; i < count && code == CODE_OK && !removed; i++) {
        checks[i] = (struct audit_check){.arena = change->arena,
                                         .public_key = public_key,
                                         .head.chain = arena_string(change->arena, PQgetvalue(chains, i, 0))};
        code = remove_of(db, change, &checks[i], &removed);
    }
    /* Once nothing else is left to do it is said what was passed over. */
    for (int i = 0; i < count && code == CODE_OK && !removed; i++)
        if (checks[i].fault != NULL)
            log_fault(&checks[i]);
    *ret_more = removed;
    return code;
}
