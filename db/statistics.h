/* What metrics tell of the database's contents. */
#pragma once

#include "db/conn.h"

#define STATISTICS_MAX 32

struct statistics {
    int64_t organizations[STATISTICS_MAX]; /* in the order of organization_states */
    /* In the order of job_kinds, and after them all that this program does not know. Of very many only the longest due
     * are counted. */
    int64_t due_jobs[STATISTICS_MAX];
    int64_t oldest_due_ms[STATISTICS_MAX]; /* how long the first of them has been due */
};

enum code statistics_read(struct db *db, struct problem *problem, struct statistics *ret_statistics);
