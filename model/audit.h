/* The audit log: what an event is, how events are chained, and how the end of a chain is signed (docs/audit.md). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/field.h"
#include "model/secret.h"

/* The chain of events that belong to no account. */
#define AUDIT_INSTALLATION "installation"

#define AUDIT_HASH_LENGTH      64  /* hex digits */
#define AUDIT_SIGNATURE_LENGTH 128 /* hex digits */
/* What stands before the first event. */
#define AUDIT_FIRST_HASH "0000000000000000000000000000000000000000000000000000000000000000"

extern const char *const audit_outcomes[]; /* NULL after the last */
extern const struct field_table audit_event_table;

/* What VerifyAuditLog is asked: from where on, which is a head that the caller kept, or how far an earlier call came. */
struct audit_verify {
    int64_t sequence; /* 0: from the beginning */
    const char *hash; /* of the event with that number; NULL: from the beginning */
    int64_t limit;    /* events to look at */
};
#define AUDIT_VERIFY_LIMIT 200000
extern const struct field_table audit_verify_table;

/* What ExportAuditEvents is asked. */
struct audit_export {
    int64_t after; /* number of the event before the first one; 0: from the beginning */
    int64_t limit; /* lines with events */
};
#define AUDIT_EXPORT_MAX 1000
extern const struct field_table audit_export_query_table;
extern const struct field_table audit_verification_table;

/* The hash of an event: SHA-256, in hex, over `previous`, the number of the event and its stored values in their order,
 * each as netstring (`-` for a null). False when OpenSSL fails. */
void audit_hash(struct buffer *scratch, const char *previous, int64_t sequence, const char *const *values,
                size_t count, char ret_hash[static AUDIT_HASH_LENGTH + 1]);

/* What an event's hash is made of, besides the hash before it and its number; as text, NULL where there is none. */
#define AUDIT_VALUE_COUNT 13
struct audit_value {
    const char *name;
    bool is_number;
};
extern const struct audit_value audit_values[AUDIT_VALUE_COUNT];

/* A sealed event. */
struct audit_record {
    int64_t sequence;
    const char *hash;
    const char *values[AUDIT_VALUE_COUNT];
};

/* The end of a chain; or a checkpoint, the last one of the events that were removed from its beginning. */
struct audit_head {
    const char *chain;
    int64_t sequence;
    const char *hash;
    int64_t signed_at_us; /* since 1970 */
    bool is_checkpoint;   /* one is never taken for the other */
};

/* Ed25519. The key is derived from the root key; who has only the database cannot sign. */
bool audit_sign(const struct audit_head *head, const uint8_t key[static SECRET_KEY_SIZE],
                char ret_signature[static AUDIT_SIGNATURE_LENGTH + 1]);
bool audit_is_signed(const struct audit_head *head, const char *signature, const char *public_key);
/* What signatures are checked with, in hex. */
#define AUDIT_PUBLIC_KEY_LENGTH 64
bool audit_public_key(const uint8_t key[static SECRET_KEY_SIZE],
                      char ret_public_key[static AUDIT_PUBLIC_KEY_LENGTH + 1]);
