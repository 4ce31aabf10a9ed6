/* Limits of an account and what counts against them. */
#pragma once

#include "db/tx.h"
#include "model/buffer.h"
#include "model/limit.h"

/* Within a transaction: locks the account, so that of two that would pass the limit one waits for the other, and counts
 * the organizations of a region. limit_collect answers CODE_LIMIT_EXCEEDED when there is no room for one more. */
void limit_queue_organizations(struct db *db, const char *account_id, const char *region);
/* Within a transaction that has locked the user: counts its aliases. */
void limit_queue_aliases(struct db *db, const char *account_id, const char *organization_id,
                         const char *entity_id);
enum code limit_collect(struct db *db, enum limit limit, struct problem *problem);

/* Writes {"items":[…]}. */
enum code limit_list(struct db *db, const char *account_id, struct problem *problem, struct buffer *out);

/* For the operator. False when there is no such account. */
enum code limit_set(struct db *db, struct change *change, const char *code, int64_t value, bool *ret_known);
