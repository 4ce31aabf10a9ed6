/* The threads that do background work. */
#pragma once

#include <stdbool.h>

#include "db/conn.h"

struct worker_pool;

/* Starts threads, each with a connection of its own, that claim and run jobs. NULL when a thread cannot be had. */
struct worker_pool *worker_pool_start(const struct db_environment *environment, unsigned threads);

/* Tells the threads to end, and does not wait for it. Accepts NULL. */
void worker_pool_end(struct worker_pool *pool);
/* Lets each thread finish the step it is at, then ends it. Accepts NULL. */
void worker_pool_stop(struct worker_pool *pool);
