/* What metrics tell of the database's contents. */
#pragma once

#include "db/conn.h"

#define STATISTICS_MAX 32

#define STATISTICS_DIRECTORIES 200

/* How following an external directory goes. */
struct statistics_directory {
    char directory_id[16];
    int64_t lag_ms;
    int64_t age_s; /* since it was last known to be the same here; -1: it never was */
    int64_t users, groups, changes, errors;
    int64_t failures; /* in a row */
};

struct statistics {
    int64_t organizations[STATISTICS_MAX]; /* in the order of organization_states */
    /* In the order of job_kinds, and after them all that this program does not know. Of very many only the longest due
     * are counted. */
    int64_t due_jobs[STATISTICS_MAX];
    int64_t oldest_due_ms[STATISTICS_MAX]; /* how long the first of them has been due */
    /* Of those that are followed; of very many the first ones by id. */
    struct statistics_directory directories[STATISTICS_DIRECTORIES];
    size_t directory_count;
};

enum code statistics_read(struct db *db, struct problem *problem, struct statistics *ret_statistics);
