/* Verifying a chain of the audit log: its hashes are computed anew, from a batch of events at a time. */
#pragma once

#include "db/conn.h"
#include "model/audit.h"

/* Writes the outcome (audit_verification_table). ret_whole, which may be NULL, tells whether nothing is wrong;
 * ret_continue, which may be NULL, is what to ask next when the limit was reached, and has no hash otherwise. */
enum code audit_verify(struct db *db, const char *chain, const uint8_t key[static SECRET_KEY_SIZE],
                       const struct audit_verify *asked, struct problem *problem, struct buffer *out,
                       bool *ret_whole, struct audit_verify *ret_continue);
