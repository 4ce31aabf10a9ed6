#include "model/metrics.h"

#include <stdlib.h>

/* 0: it ended without an answer. */
const int metrics_statuses[METRICS_STATUSES] = {
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 417, 422, 429, 500, 503, 0, -1,
};

const int64_t metrics_bounds_us[METRICS_BUCKETS] = {
    250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 10000000,
};

struct metrics *metrics_new(size_t operation_count)
{
    struct metrics *metrics =
        calloc(1, sizeof(*metrics) + (operation_count + 1) * sizeof(metrics->operations[0]));
    if (metrics != NULL)
        metrics->jobs = calloc(job_kind_count * JOB_OUTCOME_COUNT, sizeof(metrics->jobs[0]));
    if (metrics == NULL || metrics->jobs == NULL)
        abort();
    metrics->operation_count = operation_count + 1;
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    free(metrics->jobs);
    free(metrics);
}

static void count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

void metrics_add(struct metrics *metrics, enum metric metric, int64_t amount)
{
    if (metrics != NULL)
        atomic_fetch_add_explicit(&metrics->values[metric], amount, memory_order_relaxed);
}

void metrics_count_request(struct metrics *metrics, size_t operation, int status, int64_t duration_us)
{
    if (metrics == NULL)
        return;
    if (operation >= metrics->operation_count)
        operation = metrics->operation_count - 1;
    struct metrics_operation *counted = &metrics->operations[operation];
    size_t answer = 0;
    while (answer < METRICS_STATUSES - 1 && metrics_statuses[answer] != status)
        answer++;
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS && duration_us > metrics_bounds_us[bucket])
        bucket++;
    count(&counted->answers[answer], 1);
    count(&counted->buckets[bucket], 1);
    count(&counted->total_us, duration_us > 0 ? (uint64_t)duration_us : 0);
}

void metrics_count_job(struct metrics *metrics, const struct job_kind *kind, enum job_outcome outcome)
{
    if (metrics != NULL)
        count(&metrics->jobs[(size_t)(kind - job_kinds) * JOB_OUTCOME_COUNT + outcome], 1);
}
