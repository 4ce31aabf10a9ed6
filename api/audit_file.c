#include "api/audit_file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "model/audit_check.h"
#include "model/json_out.h"

#define BATCH 1000

/* An export that is being read. */
struct reading {
    const struct audit_verify *known;
    struct audit_check check;
    const char *error; /* why nothing can be said */
    bool begun;
    bool ended; /* the line before was a head */

    /* Events that wait to be checked. */
    struct arena *arena;
    struct audit_record *records;
    int count;
};

/* --- lines --- */

/* The text of a member, copied; NULL: it is not there or is something else. Counts those that are there. */
static const char *text_of(struct arena *arena, const json_t *object, const char *name, bool is_number,
                           size_t *count)
{
    const json_t *value = json_object_get(object, name);
    if (is_number ? !json_is_integer(value) : !json_is_string(value))
        return NULL;
    ++*count;
    return is_number ? arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value))
                     : arena_string(arena, json_string_value(value));
}

static int64_t number_of(const json_t *object, const char *name, size_t *count)
{
    const json_t *value = json_object_get(object, name);
    *count += json_is_integer(value);
    return json_integer_value(value);
}

/* False unless it has all that a mark has, and nothing else. */
static bool read_mark(struct arena *arena, const json_t *object, struct audit_head *ret_mark,
                      const char **ret_signature)
{
    size_t count = 0;
    *ret_mark = (struct audit_head){.chain = text_of(arena, object, "chain", false, &count),
                                    .sequence = number_of(object, "sequence", &count),
                                    .hash = text_of(arena, object, "hash", false, &count),
                                    .signed_at_us = number_of(object, "signed_at_us", &count)};
    *ret_signature = text_of(arena, object, "signature", false, &count);
    return count == 5 && json_object_size(object) == count;
}

/* The same of an event: a member that the hash is not made of could say anything. */
static bool read_event(struct arena *arena, const json_t *object, struct audit_record *ret_record)
{
    size_t count = 0;
    ret_record->sequence = number_of(object, "sequence", &count);
    ret_record->hash = text_of(arena, object, "hash", false, &count);
    for (int i = 0; i < AUDIT_VALUE_COUNT; i++)
        ret_record->values[i] =
            text_of(arena, object, audit_values[i].name, audit_values[i].is_number, &count);
    return ret_record->hash != NULL && json_object_size(object) == count;
}

/* --- checking --- */

static void check_waiting(struct reading *reading)
{
    audit_check_records(&reading->check, reading->records, reading->count);
    arena_free(reading->arena);
    reading->arena = arena_new();
    reading->records = arena_alloc(reading->arena, BATCH * sizeof(*reading->records));
    reading->count = 0;
}

/* What the caller knows to be true must still be so. */
static void check_known(struct reading *reading, int64_t sequence, const char *hash)
{
    const struct audit_verify *known = reading->known;
    if (known->hash == NULL || sequence != known->sequence || strcmp(hash, known->hash) == 0)
        return;
    check_waiting(reading);
    audit_check_fault(&reading->check, "REWRITTEN", sequence,
                      "You know of another hash: this event or one before it was replaced.");
}

/* The first line of an export from the beginning: the key, and the checkpoint if events were removed. */
static bool take_start(struct reading *reading, const json_t *line)
{
    struct audit_check *check = &reading->check;
    size_t count = 0;
    const char *public_key = text_of(check->arena, line, "public_key", false, &count);
    const json_t *checkpoint = json_object_get(line, "checkpoint");
    if (reading->begun || public_key == NULL || json_object_size(line) != count + (checkpoint != NULL))
        return false;
    if (check->public_key == NULL)
        check->public_key = public_key;
    if (checkpoint != NULL &&
        !read_mark(check->arena, checkpoint, &check->checkpoint, &check->checkpoint_signature))
        return false;
    audit_check_begin(check);
    if (reading->known->hash != NULL && reading->known->sequence < check->sequence)
        reading->error = "the event that you know was removed before this export was made";
    check_known(reading, check->sequence, check->hash);
    return true;
}

/* Any line but the first one: of an export that goes on behind an event which the caller has to know. */
static void begin_behind_known(struct reading *reading)
{
    struct audit_check *check = &reading->check;
    if (check->public_key == NULL)
        reading->error = "it does not begin with a public key: name it with --public-key";
    else if (reading->known->hash == NULL)
        audit_check_begin(check);
    else
        audit_check_begin_at(check, reading->known->sequence, reading->known->hash);
}

static bool take_head(struct reading *reading, const json_t *line)
{
    struct audit_check *check = &reading->check;
    check_waiting(reading);
    check->head_signature = NULL;
    if (json_object_size(line) != 1 ||
        !read_mark(check->arena, json_object_get(line, "head"), &check->head, &check->head_signature))
        return false;
    check->head_is_signed = audit_is_signed(&check->head, check->head_signature, check->public_key);
    audit_check_end(check);
    return true;
}

static bool take_event(struct reading *reading, const json_t *line)
{
    struct audit_record *record = &reading->records[reading->count];
    if (!read_event(reading->arena, line, record))
        return false;
    reading->count++;
    check_known(reading, record->sequence, record->hash);
    if (reading->count == BATCH)
        check_waiting(reading);
    return true;
}

static void take_line(struct reading *reading, const char *text, size_t length)
{
    bool whole = length > 0 && text[length - 1] == '\n';
    json_t *line = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    bool is_start = json_object_get(line, "public_key") != NULL;
    bool fits = false;
    if (!reading->begun && !is_start)
        begin_behind_known(reading);
    if (reading->error == NULL && is_start)
        fits = take_start(reading, line);
    else if (reading->error == NULL)
        fits = json_object_get(line, "head") != NULL ? take_head(reading, line) : take_event(reading, line);
    reading->begun = true;
    reading->ended = fits && json_object_get(line, "head") != NULL;
    if (!fits && reading->error == NULL) {
        check_waiting(reading);
        audit_check_fault(&reading->check, line == NULL && !whole ? "TAIL_MISSING" : "ALTERED",
                          reading->check.sequence + 1, "What stands here is no line of an export.");
    }
    json_decref(line);
}

static void finish(struct reading *reading, const char *chain)
{
    struct audit_check *check = &reading->check;
    check_waiting(reading);
    if (!reading->ended)
        audit_check_fault(check, "HEAD_MISSING", check->sequence, "The export ends without its signed head.");
    else if (chain != NULL && strcmp(check->head.chain, chain) != 0)
        audit_check_fault(check, "HEAD_ALTERED", check->head.sequence, "This is the log of %s.",
                          check->head.chain);
    if (reading->known->hash != NULL && reading->known->sequence > check->sequence)
        audit_check_fault(check, "TAIL_MISSING", check->sequence + 1,
                          "You know of the event with the number %" PRId64 ".", reading->known->sequence);
}

const char *audit_file_verify(const struct audit_file *wanted, FILE *file, struct buffer *out,
                              bool *ret_whole)
{
    struct reading reading = {.known = &wanted->asked,
                              .check = {.arena = out->arena, .public_key = wanted->public_key}};
    char *text = NULL;
    size_t size = 0;
    ssize_t length = 0;

    check_waiting(&reading);
    audit_check_begin_at(&reading.check, 0, AUDIT_FIRST_HASH);
    while (reading.check.fault == NULL && reading.error == NULL && (length = getline(&text, &size, file)) > 0)
        take_line(&reading, text, (size_t)length);
    if (length <= 0 && ferror(file))
        reading.error = strerror(errno);
    free(text);
    if (reading.error == NULL)
        finish(&reading, wanted->chain);
    arena_free(reading.arena);
    if (reading.error != NULL)
        return reading.error;

    const struct audit_check *check = &reading.check;
    out_begin_object(out);
    out_member(out, "result", check->fault == NULL ? "WHOLE" : "BROKEN");
    out_member(out, "chain", check->head_signature != NULL ? check->head.chain : NULL);
    out_member_integer(out, "checked", check->checked);
    audit_check_write(check, out);
    out_end_object(out);
    *ret_whole = check->fault == NULL;
    return NULL;
}
