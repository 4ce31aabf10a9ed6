/* The sealed events of a chain as lines of JSON that can be verified without the database (docs/audit.md). */
#pragma once

#include "db/conn.h"
#include "model/audit.h"

/* Writes up to asked->limit events that come after asked->after: before the first one of all the public key and the
 * checkpoint, where there is one; behind the last one the signed head. ret_after is what to ask next; 0 at the end. */
enum code audit_export(struct db *db, const char *chain, const uint8_t key[static SECRET_KEY_SIZE],
                       const struct audit_export *asked, struct problem *problem, struct buffer *out,
                       int64_t *ret_after);
