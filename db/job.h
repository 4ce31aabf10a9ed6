/* The job queue: work is enqueued in the transaction of the change that it follows, claimed with a lease, and written
 * under a fence, so that each step's effects happen once. */
#pragma once

#include "db/tx.h"
#include "model/buffer.h"

/* Work that so often in a row ended whoever did it is given up. */
#define JOB_MAX_LOST_LEASES 5

struct job {
    const char *job_id;
    const char *claims; /* the fence */
    const char *kind;
    const char *account_id; /* NULL without an organization */
    const char *organization_id;
    const char *entity_id;
    const char *operation_id;
    const char *document;
    int step;
    int failures;
    int lost_leases; /* claims in a row that nobody ended, this one not counted */
};

/* Within a transaction. kind and organization_id are needed, the others may be NULL; delay_s is when it may run. */
struct job_request {
    const char *kind;
    const char *organization_id;
    const char *entity_id;
    const char *operation_id;
    const char *document;
    int64_t delay_s;
};
void job_enqueue(struct db *db, struct arena *arena, const struct job_request *request);
/* … of a kind that comes again (job_repeat), of which an organization has one: it is now due after delay_s, for that
 * operation. Who runs it for an earlier one has lost it. */
void job_enqueue_periodic(struct db *db, struct arena *arena, const struct job_request *request);
/* Periodic ones of a kind that nobody asked for and that are late, as after a long stop, are spread over a time, so that
 * they do not come all at once, before other work. One statement, in no transaction. */
enum code job_spread_late(struct db *db, struct problem *problem, const char *kind, int64_t over_s);

/* Makes sure that the periodic job of a kind for the installation is there, and that its next time is within the
 * interval. One statement, in no transaction. */
enum code job_ensure_periodic(struct db *db, struct arena *arena, struct problem *problem, const char *kind,
                              int64_t interval_s);

/* Claims the job that is due longest, for a lease of a few seconds. *ret_job is NULL when none is due. `kinds` is what
 * the caller can do, as an array literal: what a newer process enqueued is left to it. */
enum code job_claim(struct db *db, struct arena *arena, const char *kinds, struct problem *problem,
                    struct job **ret_job);

/* In no transaction, before something that takes long: another lease, long enough for one statement, or a usual one
 * when that is over. False: another worker has it. */
enum code job_extend(struct db *db, const struct job *job, bool is_long, struct problem *problem,
                     bool *ret_held);

/* Within a transaction: locks the job and makes sure that this claim still holds it. False: another worker has it. */
enum code job_fence(struct db *db, const struct job *job, struct problem *problem, bool *ret_held);

/* Within a transaction, under the fence: the next step comes, and the lease begins anew. */
void job_advance(struct db *db, struct arena *arena, const struct job *job, int step);
/* … or it is over: SUCCEEDED, FAILED or CANCELED. */
void job_finish(struct db *db, const struct job *job, const char *state, const char *error);
/* … or, a periodic one, until next time. */
void job_repeat(struct db *db, struct arena *arena, const struct job *job, int64_t delay_s,
                const char *error);
/* … or it may be claimed again after a while, by whoever comes. */
void job_release(struct db *db, struct arena *arena, const struct job *job, int64_t delay_ms);
/* … or it failed, and is tried again later. */
void job_postpone(struct db *db, struct arena *arena, const struct job *job, int64_t delay_ms,
                  const char *error);

/* For the operator: what was given up (JOB_MAX_LOST_LEASES) is to be tried again. */
enum code job_retry_given_up(struct db *db, struct change *change, int64_t *ret_count);

/* Within a transaction: what still waits for an organization, of one kind or (NULL) of all, is not to be done; operations
 * of it end CANCELED. */
void job_cancel_for_organization(struct db *db, const char *organization_id, const char *kind,
                                 const char *reason);
