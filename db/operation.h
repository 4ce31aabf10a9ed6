/* Operations: what callers see of jobs. */
#pragma once

#include "db/list.h"
#include "db/tx.h"

/* Within a transaction: a PENDING operation with these steps (NULL after the last). Queues; nothing to collect. */
void operation_insert(struct db *db, struct change *change, const char *operation_id,
                      const char *organization_id, const char *target, const char *const *step_names);

/* Within a transaction: an attempt at its step number `step` ended with this status (SUCCEEDED, or PENDING with an
 * error when it will be tried again, or FAILED), which makes the operation RUNNING, SUCCEEDED or FAILED. A NULL
 * operation_id is passed over. Queues; nothing to collect. */
void operation_update(struct db *db, struct arena *arena, const char *operation_id, int step,
                      const char *step_status, const char *error, const char *operation_status);

/* Within a transaction: it ends because what it worked for went away. */
void operation_cancel(struct db *db, const char *operation_id, const char *reason);

/* Queues what operation_collect writes as JSON. `visible`: ids of the organizations that count, as an array literal; NULL:
 * all. ret_over: it will not change any more. */
void operation_queue(struct db *db, const char *account_id, const char *visible, const char *operation_id);
enum code operation_collect(struct db *db, struct problem *problem, struct buffer *out, bool *ret_over);

struct operation_query {
    struct list_query page;
    const char *organization_id;
    const char *status;
};
extern const struct field_table operation_query_table;
list_of_account operation_list; /* struct operation_query */
