/* THE transaction runner: every change to the database is made by a body that tx_run calls. */
#pragma once

#include "db/conn.h"
#include "model/buffer.h"

/* What a change answers: made by its body, before the COMMIT, so that it can be stored with the change. */
struct answer {
    struct buffer body;   /* JSON; empty when there is nothing to say */
    const char *location; /* of what was made; NULL when nothing was */
    int status;           /* 0: the usual one of the operation */
};

/* What a change needs to know of the request or job that makes it, and what comes of it. */
struct change {
    struct arena *arena;
    struct problem *problem;
    const char *account_id;
    const char *actor;     /* "root", the id of an IAM user, "service" or "operator" */
    const char *operation; /* CreateUser, … */
    struct answer answer;
};

/* Reads and writes rows and makes the answer, nothing else: it may run more than once, with the answer empty each time. CODE_OK commits (statements still queued go out with
 * the COMMIT); any other code rolls back. */
typedef enum code tx_body(struct db *db, struct change *change, void *argument);

/* Runs the body in a READ COMMITTED transaction; again, a few times with jitter, when it met another transaction
 * (40001, 40P01). CODE_OUTCOME_UNKNOWN when the connection was lost at COMMIT. Wakes the workers when a job was
 * enqueued. */
enum code tx_run(struct db *db, struct change *change, tx_body *body, void *argument);
