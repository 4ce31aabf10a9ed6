#include "model/audit_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/json_out.h"

void audit_check_fault(struct audit_check *check, const char *kind, int64_t sequence, const char *format, ...)
{
    va_list args;
    if (check->fault != NULL)
        return;
    va_start(args, format);
    check->fault = kind;
    check->fault_sequence = sequence;
    check->detail = arena_vprintf(check->arena, format, args);
    va_end(args);
}

void audit_check_begin_at(struct audit_check *check, int64_t sequence, const char *hash)
{
    check->sequence = sequence;
    snprintf(check->hash, sizeof(check->hash), "%s", hash);
}

void audit_check_begin(struct audit_check *check)
{
    check->checkpoint.is_checkpoint = true;
    check->head_is_signed = check->head_signature != NULL &&
                            audit_is_signed(&check->head, check->head_signature, check->public_key);
    audit_check_begin_at(check, 0, AUDIT_FIRST_HASH);
    if (check->checkpoint_signature == NULL)
        return;
    if (audit_is_signed(&check->checkpoint, check->checkpoint_signature, check->public_key))
        audit_check_begin_at(check, check->checkpoint.sequence, check->checkpoint.hash);
    else
        audit_check_fault(check, "CHECKPOINT_ALTERED", check->checkpoint.sequence,
                          "The signature of the checkpoint is not this service's.");
}

/* --- events --- */

static void hash_next(const struct audit_check *check, struct buffer *scratch,
                      const struct audit_record *record, char ret_hash[static AUDIT_HASH_LENGTH + 1])
{
    audit_hash(scratch, check->hash, check->sequence + 1, record->values, AUDIT_VALUE_COUNT, ret_hash);
}

/* Another number than the next one. */
static void explain_number(struct audit_check *check, const struct audit_record *records, int count)
{
    int64_t expected = check->sequence + 1;
    bool comes_later = records[0].sequence < expected;
    for (int i = 1; i < count && !comes_later; i++)
        comes_later = records[i].sequence == expected;
    if (comes_later)
        audit_check_fault(check, "OUT_OF_ORDER", expected,
                          "The event with the number %" PRId64 " stands here.", records[0].sequence);
    else
        audit_check_fault(check, "MISSING", expected,
                          "The next event that is there has the number %" PRId64 ".", records[0].sequence);
}

/* An event that does not fit in its place: is it another one's? */
static void explain_misfit(struct audit_check *check, struct buffer *scratch,
                           const struct audit_record *records, int count)
{
    char hash[AUDIT_HASH_LENGTH + 1];
    int64_t sequence = check->sequence + 1;
    for (int i = 1; i < count; i++) {
        hash_next(check, scratch, &records[i], hash);
        if (strcmp(hash, records[i].hash) == 0 || strcmp(hash, records[0].hash) == 0) {
            audit_check_fault(
                check, "OUT_OF_ORDER", sequence,
                "Another event stands here; the one that was sealed here now has the number %" PRId64 ".",
                records[i].sequence);
            return;
        }
    }
    audit_check_fault(check, "ALTERED", sequence, "The event is not as it was when it was sealed.");
}

static void fault_rewritten(struct audit_check *check)
{
    audit_check_fault(check, "REWRITTEN", check->head.sequence,
                      "The signed head has another hash: this event or one before it was replaced.");
}

void audit_check_records(struct audit_check *check, const struct audit_record *records, int count)
{
    struct arena *arena = arena_new();
    struct buffer scratch = {.arena = arena};
    char hash[AUDIT_HASH_LENGTH + 1];

    for (int i = 0; i < count && check->fault == NULL; i++) {
        if (records[i].sequence != check->sequence + 1) {
            explain_number(check, records + i, count - i);
            break;
        }
        hash_next(check, &scratch, &records[i], hash);
        if (strcmp(hash, records[i].hash) != 0) {
            explain_misfit(check, &scratch, records + i, count - i);
            break;
        }
        /* All fits up to where the head was; if not as it was signed, somebody computed it anew. */
        if (check->head_is_signed && records[i].sequence == check->head.sequence &&
            strcmp(hash, check->head.hash) != 0) {
            fault_rewritten(check);
            break;
        }
        audit_check_begin_at(check, records[i].sequence, hash);
        check->checked++;
    }
    arena_free(arena);
}

void audit_check_end(struct audit_check *check)
{
    if (check->head_signature == NULL) {
        if (check->sequence > 0)
            audit_check_fault(check, "HEAD_MISSING", check->sequence,
                              "There are events, but no signed head.");
    } else if (!check->head_is_signed) {
        audit_check_fault(check, "HEAD_ALTERED", check->head.sequence,
                          "The signature of the head is not this service's.");
    } else if (check->head.sequence > check->sequence) {
        audit_check_fault(check, "TAIL_MISSING", check->sequence + 1,
                          "Events up to the number %" PRId64 " were sealed.", check->head.sequence);
    } else if (check->head.sequence < check->sequence) {
        audit_check_fault(check, "SURPLUS", check->head.sequence + 1,
                          "No event of this number was ever sealed.");
    } else if (strcmp(check->head.hash, check->hash) != 0) {
        fault_rewritten(check);
    }
}

/* --- the outcome --- */

static void write_place(struct buffer *out, int64_t sequence, const char *hash)
{
    out_member_integer(out, "sequence", sequence);
    out_member(out, "hash", hash);
}

static void write_mark(struct buffer *out, const char *name, const struct audit_head *mark,
                       const char *signature)
{
    time_t seconds = (time_t)(mark->signed_at_us / 1000000);
    struct tm broken;
    char day_and_time[32];
    char text[48];
    if (signature == NULL)
        return;
    gmtime_r(&seconds, &broken);
    strftime(day_and_time, sizeof(day_and_time), "%Y-%m-%dT%H:%M:%S", &broken);
    snprintf(text, sizeof(text), "%s.%06dZ", day_and_time, (int)(mark->signed_at_us % 1000000));
    out_name(out, name);
    out_begin_object(out);
    write_place(out, mark->sequence, mark->hash);
    out_member(out, "signed_at", text);
    out_member(out, "signature", signature);
    out_end_object(out);
}

void audit_check_write(const struct audit_check *check, struct buffer *out)
{
    out_name(out, "verified_to");
    out_begin_object(out);
    write_place(out, check->sequence, check->hash);
    out_end_object(out);
    write_mark(out, "head", &check->head, check->head_signature);
    write_mark(out, "checkpoint", &check->checkpoint, check->checkpoint_signature);
    out_member(out, "public_key", check->public_key);
    if (check->fault != NULL) {
        out_name(out, "fault");
        out_begin_object(out);
        out_member(out, "kind", check->fault);
        out_member_integer(out, "sequence", check->fault_sequence);
        out_member(out, "detail", check->detail);
        out_end_object(out);
    }
}
