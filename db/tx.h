/* THE transaction runner: every change to the database is made by a body that tx_run calls. */
#pragma once

#include "db/conn.h"

/* What a change needs to know of the request or job that makes it. */
struct change {
    struct arena *arena;
    struct problem *problem;
    const char *account_id;
    const char *actor;     /* "root", the id of an IAM user, "service" or "operator" */
    const char *operation; /* CreateUser, … */
};

/* Reads and writes rows, nothing else: it may run more than once. CODE_OK commits (statements still queued go out with
 * the COMMIT); any other code rolls back. */
typedef enum code tx_body(struct db *db, struct change *change, void *argument);

/* Runs the body in a READ COMMITTED transaction; again, a few times with jitter, when it met another transaction
 * (40001, 40P01). CODE_OUTCOME_UNKNOWN when the connection was lost at COMMIT. Wakes the workers when a job was
 * enqueued. */
enum code tx_run(struct db *db, struct change *change, tx_body *body, void *argument);
