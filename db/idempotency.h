/* Changes that are safe to repeat: the answer is stored in the transaction of the change, per identity and operation. */
#pragma once

#include "db/sealed.h"
#include "db/tx.h"

#define IDEMPOTENCY_KEY_MAX 255

/* A request's Idempotency-Key, and what tells that request from others. */
struct idempotency {
    const struct secret_key *secret_key;
    const char *key;
    const char *fingerprint;
};

/* The answer that was stored, if there is one. CODE_IDEMPOTENCY_MISMATCH when it was given to another request. */
enum code idempotency_find(struct db *db, const struct change *change, bool *ret_found,
                           struct answer *ret_answer);

/* Within a transaction, first: CODE_IDEMPOTENCY_IN_PROGRESS or CODE_REPLAY at the next db_collect. */
void idempotency_queue_begin(struct db *db, const struct change *change);

/* Within a transaction, last: stores the answer. */
enum code idempotency_queue_record(struct db *db, const struct change *change);
