/* What is counted while the service runs; api/metrics.c shows it. Counting costs one relaxed atomic addition, and every
 * function here takes NULL for what counts nothing. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "model/job.h"

/* Single numbers; counters only grow. */
enum metric {
    METRIC_CONNECTIONS, /* gauge: of clients */
    METRIC_IN_FLIGHT,   /* gauge: requests */
    METRIC_AUTHENTICATION_FAILURES,
    METRIC_LIMITED_CREDENTIAL,   /* requests over the limit of their access key */
    METRIC_LIMITED_ADDRESS,      /* failed authentications and sign-ins over the limits of their address */
    METRIC_DATABASE_CONNECTIONS, /* gauge */
    METRIC_DATABASE_CONNECTS,
    METRIC_DATABASE_CONNECT_FAILURES,
    METRIC_COUNT
};

/* Statuses that are answered; the last one stands for all others. */
#define METRICS_STATUSES 22
extern const int metrics_statuses[METRICS_STATUSES];

/* Upper bounds of the latency histogram, in microseconds. */
#define METRICS_BUCKETS 14
extern const int64_t metrics_bounds_us[METRICS_BUCKETS];

struct metrics_operation {
    _Atomic uint64_t answers[METRICS_STATUSES];
    _Atomic uint64_t
        buckets[METRICS_BUCKETS + 1]; /* each for itself; the last has what took longer than all bounds */
    _Atomic uint64_t total_us;
};

struct metrics {
    _Atomic int64_t values[METRIC_COUNT];
    _Atomic uint64_t *jobs; /* [kind][outcome] */
    size_t operation_count; /* the last one: requests of no operation */
    struct metrics_operation operations[];
};

/* `operation_count` operations, by number; ends the process when there is no memory. */
struct metrics *metrics_new(size_t operation_count);
void metrics_free(struct metrics *metrics);

void metrics_add(struct metrics *metrics, enum metric metric, int64_t amount);

/* A request ended; an operation number beyond the last is none. Status 0: it ended without an answer. */
void metrics_count_request(struct metrics *metrics, size_t operation, int status, int64_t duration_us);

/* `kind` is a row of job_kinds. */
void metrics_count_job(struct metrics *metrics, const struct job_kind *kind, enum job_outcome outcome);
