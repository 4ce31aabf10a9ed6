/* Verifying a chain, wherever its events come from: the database or an export. What is wrong first is kept. */
#pragma once

#include "model/audit.h"

struct audit_check {
    struct arena *arena;    /* lives to the end */
    const char *public_key; /* hex */

    /* Where the chain begins, when events were removed, and where it ends; without a signature there is no such thing. */
    struct audit_head checkpoint;
    const char *checkpoint_signature;
    struct audit_head head;
    const char *head_signature;
    bool head_is_signed; /* by that key */

    /* How far all is good, and how many events were looked at. */
    int64_t sequence;
    char hash[AUDIT_HASH_LENGTH + 1];
    int64_t checked;

    /* The first thing that is not. */
    const char *fault; /* NULL: nothing */
    int64_t fault_sequence;
    const char *detail;
};

void audit_check_fault(struct audit_check *check, const char *kind, int64_t sequence, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Begins behind the checkpoint, or before the first event; and knows the head, where it is known already. */
void audit_check_begin(struct audit_check *check);

/* Begins behind an event that the caller knows. */
void audit_check_begin_at(struct audit_check *check, int64_t sequence, const char *hash);

/* The next events, in the order in which they stand. */
void audit_check_records(struct audit_check *check, const struct audit_record *records, int count);

/* Once all events are as they should be: is this the end that was signed? */
void audit_check_end(struct audit_check *check);

/* Members of audit_verification_table: how far all is good, the marks, and what is not good. */
void audit_check_write(const struct audit_check *check, struct buffer *out);
