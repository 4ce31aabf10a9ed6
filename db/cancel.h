/* Canceling an operation, as far as its kind of work (model/job.c) can be canceled. */
#pragma once

#include "db/tx.h"

/* Ends the operation and its job, brings its organization to its state, and answers the operation. One that is canceled
 * already is answered as it is. CODE_OPERATION_STATE, with the reason, when it cannot be canceled any more or at all.
 * `visible` as for operation_queue. */
enum code operation_stop(struct db *db, struct change *change, const char *visible, const char *operation_id);
