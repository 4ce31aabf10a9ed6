/* The end of old records. What an organization was and became (its row, alias and transitions) is kept for ever. */
#pragma once

#include "db/tx.h"

enum cleaning { CLEANING_IDEMPOTENCY_RECORDS, CLEANING_JOBS, CLEANING_OPERATIONS, CLEANING_COUNT };

/* Within a transaction: removes up to a batch of the oldest ones that are older than the settings want them kept. Rows
 * that somebody else holds are passed over. *ret_more: the batch was full. */
enum code cleaning_remove(struct db *db, struct change *change, enum cleaning what, bool *ret_more);
