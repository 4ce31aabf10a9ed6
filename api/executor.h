/* Threads that run requests: a lane is a bounded queue and its threads, each of which owns a database connection. */
#pragma once

#include <stdint.h>

#include "api/request.h"

struct executor;

/* Called on a thread of the executor when the answers of requests, linked by `next`, are made. */
typedef void executor_done(struct request *first, void *argument);

/* Starts the threads. NULL when one cannot be had. */
struct executor *executor_start(const struct db_environment *environment, unsigned fast_threads,
                                executor_done *done, void *argument);

/* Queues a request in its lane. False when the lane is full: the caller answers CODE_OVERLOADED. */
bool executor_submit(struct executor *executor, struct request *request);

/* Queues requests linked by `next`. Answers those whose lane is full. */
struct request *executor_submit_all(struct executor *executor, struct request *first);

/* What a lane is at, for api/metrics.c. */
struct lane_state {
    unsigned threads;
    unsigned queued;
    unsigned running; /* threads at work */
    uint64_t refused; /* since the start: the queue was full */
};
struct lane_state executor_lane_state(struct executor *executor, enum lane index);

/* Ends the threads: what runs is finished, what is queued is refused with CODE_NOT_READY. Nothing may be submitted any
 * more. Accepts NULL. */
void executor_stop(struct executor *executor);

/* After executor_stop. Accepts NULL. */
void executor_free(struct executor *executor);
