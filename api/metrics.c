#include "api/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/executor.h"
#include "api/request.h"
#include "db/notifier.h"
#include "db/statistics.h"
#include "model/metrics.h"
#include "model/organization.h"

#define STATEMENT_TIMEOUT_MS 1000
/* However many scrape: the database is asked no sooner than so … */
#define STATISTICS_AGE_MS 5000
/* … nor than after so many times what the last answer took. */
#define STATISTICS_REST 50

/* --- what the database tells --- */

struct metrics_view {
    pthread_mutex_t mutex;
    struct db *db;
    struct statistics statistics;
    bool known;
    int64_t read_ms; /* when they were read */
    int64_t next_ms; /* when they may be read again */
};

struct metrics_view *metrics_view_new(const struct db_environment *environment)
{
    struct metrics_view *view = calloc(1, sizeof(*view));
    if (view == NULL)
        abort();
    pthread_mutex_init(&view->mutex, NULL);
    view->db = db_new(environment, STATEMENT_TIMEOUT_MS);
    return view;
}

void metrics_view_free(struct metrics_view *view)
{
    if (view == NULL)
        return;
    db_free(view->db);
    pthread_mutex_destroy(&view->mutex);
    free(view);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void refresh(struct metrics_view *view, struct arena *arena)
{
    struct problem problem = {.arena = arena};
    int64_t begun_ms = now_ms();
    if (db_connect(view->db) && statistics_read(view->db, &problem, &view->statistics) == CODE_OK) {
        view->known = true;
        view->read_ms = begun_ms;
    }
    int64_t rest_ms = (now_ms() - begun_ms) * STATISTICS_REST;
    view->next_ms = now_ms() + (rest_ms > STATISTICS_AGE_MS ? rest_ms : STATISTICS_AGE_MS);
}

/* --- the format --- */

static void family(struct buffer *out, const char *name, const char *type, const char *help)
{
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct buffer *out, const char *name, const char *type, const char *help, int64_t value)
{
    family(out, name, type, help);
    buffer_printf(out, "%s %" PRId64 "\n", name, value);
}

static void seconds(struct buffer *out, int64_t us)
{
    buffer_printf(out, "%" PRId64 ".%06" PRId64 "\n", us / 1000000, us % 1000000);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static int64_t value_of(const struct metrics *metrics, enum metric metric)
{
    return atomic_load_explicit(&metrics->values[metric], memory_order_relaxed);
}

/* --- requests --- */

static const char *operation_name(size_t index)
{
    return index < route_count ? routes[index].operation : "none";
}

static void write_answers(const struct metrics *metrics, struct buffer *out)
{
    family(out, "postreeve_http_requests_total", "counter",
           "Requests that ended, by operation (none: no such path) and status (none: cut before an answer).");
    for (size_t i = 0; i < metrics->operation_count; i++) {
        for (size_t s = 0; s < METRICS_STATUSES; s++) {
            uint64_t count = read_counter(&metrics->operations[i].answers[s]);
            int status = metrics_statuses[s];
            if (count == 0)
                continue;
            buffer_printf(out, "postreeve_http_requests_total{operation=\"%s\",status=\"", operation_name(i));
            if (status > 0)
                buffer_printf(out, "%d", status);
            else
                buffer_text(out, status == 0 ? "none" : "other");
            buffer_printf(out, "\"} %" PRIu64 "\n", count);
        }
    }
}

static void write_durations(const struct metrics *metrics, struct buffer *out)
{
    static const char name[] = "postreeve_http_request_duration_seconds";
    family(out, name, "histogram", "From the head of a request until its answer was sent, by operation.");
    for (size_t i = 0; i < metrics->operation_count; i++) {
        const struct metrics_operation *counted = &metrics->operations[i];
        const char *operation = operation_name(i);
        uint64_t each[METRICS_BUCKETS + 1];
        uint64_t sum = 0;
        for (size_t b = 0; b <= METRICS_BUCKETS; b++)
            sum += each[b] = read_counter(&counted->buckets[b]);
        if (sum == 0)
            continue;
        uint64_t below = 0;
        for (size_t b = 0; b < METRICS_BUCKETS; b++)
            buffer_printf(out, "%s_bucket{operation=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, operation,
                          (double)metrics_bounds_us[b] / 1e6, below += each[b]);
        buffer_printf(out, "%s_bucket{operation=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, operation, sum);
        buffer_printf(out, "%s_sum{operation=\"%s\"} ", name, operation);
        seconds(out, (int64_t)read_counter(&counted->total_us));
        buffer_printf(out, "%s_count{operation=\"%s\"} %" PRIu64 "\n", name, operation, sum);
    }
}

/* --- lanes --- */

static void write_lanes(struct executor *executor, struct buffer *out)
{
    static const char *const names[LANE_INLINE] = {"fast", "slow", "hash", "outside"};
    struct lane_state states[LANE_INLINE];
    for (unsigned i = 0; i < LANE_INLINE; i++)
        states[i] = executor_lane_state(executor, (enum lane)i);

    family(out, "postreeve_lane_threads", "gauge", "Threads of a lane, each with a database connection.");
    for (unsigned i = 0; i < LANE_INLINE; i++)
        buffer_printf(out, "postreeve_lane_threads{lane=\"%s\"} %u\n", names[i], states[i].threads);
    family(out, "postreeve_lane_queued", "gauge", "Requests that wait for a thread.");
    for (unsigned i = 0; i < LANE_INLINE; i++)
        buffer_printf(out, "postreeve_lane_queued{lane=\"%s\"} %u\n", names[i], states[i].queued);
    family(out, "postreeve_lane_running", "gauge", "Threads that are at work.");
    for (unsigned i = 0; i < LANE_INLINE; i++)
        buffer_printf(out, "postreeve_lane_running{lane=\"%s\"} %u\n", names[i], states[i].running);
    family(out, "postreeve_lane_refused_total", "counter", "Requests refused because the queue was full.");
    for (unsigned i = 0; i < LANE_INLINE; i++)
        buffer_printf(out, "postreeve_lane_refused_total{lane=\"%s\"} %" PRIu64 "\n", names[i],
                      states[i].refused);
}

/* --- jobs and organizations --- */

static void write_job_outcomes(const struct metrics *metrics, struct buffer *out)
{
    static const char *const outcomes[JOB_OUTCOME_COUNT] = {"succeeded", "failed", "canceled", "retried",
                                                            "lease_lost"};
    family(out, "postreeve_jobs_total", "counter",
           "Background jobs of this process, by what came of them; recurring ones each time.");
    for (size_t kind = 0; kind < job_kind_count; kind++)
        for (size_t outcome = 0; outcome < JOB_OUTCOME_COUNT; outcome++)
            buffer_printf(out, "postreeve_jobs_total{kind=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                          job_kinds[kind].name, outcomes[outcome],
                          read_counter(&metrics->jobs[kind * JOB_OUTCOME_COUNT + outcome]));
}

static void write_statistics(const struct statistics *statistics, int64_t age_ms, struct buffer *out)
{
    family(out, "postreeve_jobs_due", "gauge",
           "Jobs of the installation whose time has come and that nobody is at (up to 10000 in all).");
    for (size_t kind = 0; kind <= job_kind_count; kind++)
        buffer_printf(out, "postreeve_jobs_due{kind=\"%s\"} %" PRId64 "\n",
                      kind < job_kind_count ? job_kinds[kind].name : "unknown", statistics->due_jobs[kind]);
    family(out, "postreeve_job_oldest_due_age_seconds", "gauge", "How long the first of them has been due.");
    for (size_t kind = 0; kind <= job_kind_count; kind++) {
        buffer_printf(out, "postreeve_job_oldest_due_age_seconds{kind=\"%s\"} ",
                      kind < job_kind_count ? job_kinds[kind].name : "unknown");
        seconds(out, statistics->oldest_due_ms[kind] * 1000);
    }
    family(out, "postreeve_organizations", "gauge", "Organizations of the installation, by state.");
    for (size_t i = 0; organization_states[i] != NULL; i++)
        buffer_printf(out, "postreeve_organizations{state=\"%s\"} %" PRId64 "\n", organization_states[i],
                      statistics->organizations[i]);
    family(out, "postreeve_statistics_age_seconds", "gauge",
           "How long ago the database told the figures of jobs due and organizations.");
    buffer_text(out, "postreeve_statistics_age_seconds ");
    seconds(out, age_ms * 1000);
}

static void write_database(struct metrics_view *view, struct buffer *out)
{
    pthread_mutex_lock(&view->mutex);
    if (now_ms() >= view->next_ms)
        refresh(view, out->arena);
    struct statistics statistics = view->statistics;
    bool known = view->known;
    int64_t age_ms = now_ms() - view->read_ms;
    pthread_mutex_unlock(&view->mutex);
    if (known)
        write_statistics(&statistics, age_ms, out);
}

/* --- the process, under the names that Prometheus' own libraries use --- */

static int64_t count_descriptors(void)
{
    int64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    return count - 3; /* ".", ".." and the folder's own */
}

/* Field 3 and those that follow it in /proc/self/stat (proc(5)). */
enum { STAT_THREADS = 20, STAT_START = 22, STAT_VSIZE = 23, STAT_RSS = 24, STAT_FIELDS = 25 };

static bool read_stat(int64_t fields[static STAT_FIELDS])
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t length = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    char *at = strrchr(text, ')'); /* the program's name may hold anything */
    if (at == NULL || at[1] == '\0' || at[2] == '\0')
        return false;
    at += 3;
    for (int field = 4; field < STAT_FIELDS; field++)
        fields[field] = strtoll(at, &at, 10);
    return true;
}

static void write_process(struct buffer *out)
{
    int64_t fields[STAT_FIELDS];
    struct rusage usage;
    struct rlimit descriptors;
    struct timespec since_boot;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        family(out, "process_cpu_seconds_total", "counter", "User and system CPU time in seconds.");
        buffer_text(out, "process_cpu_seconds_total ");
        seconds(out, (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
                         usage.ru_stime.tv_usec);
    }
    single(out, "process_open_fds", "gauge", "Open file descriptors.", count_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0)
        single(out, "process_max_fds", "gauge", "How many there can be.", (int64_t)descriptors.rlim_cur);
    if (!read_stat(fields) || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return;
    int64_t ticks = sysconf(_SC_CLK_TCK);
    int64_t age_s = since_boot.tv_sec - fields[STAT_START] / ticks;
    single(out, "process_resident_memory_bytes", "gauge", "Memory in use.",
           fields[STAT_RSS] * sysconf(_SC_PAGESIZE));
    single(out, "process_virtual_memory_bytes", "gauge", "Address space in use.", fields[STAT_VSIZE]);
    single(out, "process_threads", "gauge", "Threads.", fields[STAT_THREADS]);
    single(out, "process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.",
           (int64_t)time(NULL) - age_s);
}

/* --- all of it --- */

static void write_values(const struct app *app, const struct metrics *metrics, struct buffer *out)
{
    static const struct {
        enum metric metric;
        const char *name, *type, *help;
    } rows[] = {
        {METRIC_CONNECTIONS, "postreeve_http_connections", "gauge", "Open connections of clients."},
        {METRIC_IN_FLIGHT, "postreeve_http_requests_in_flight", "gauge", "Requests that have not ended."},
        {METRIC_AUTHENTICATION_FAILURES, "postreeve_authentication_failures_total", "counter",
         "Requests with a credential that is not valid."},
        {METRIC_DATABASE_CONNECTIONS, "postreeve_database_connections", "gauge",
         "Open connections to the database for requests, jobs and metrics."},
        {METRIC_DATABASE_CONNECTS, "postreeve_database_connects_total", "counter",
         "Connections to the database that were made."},
        {METRIC_DATABASE_CONNECT_FAILURES, "postreeve_database_connect_failures_total", "counter",
         "Connections to the database that were not to be had."},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        single(out, rows[i].name, rows[i].type, rows[i].help, value_of(metrics, rows[i].metric));
    family(
        out, "postreeve_rate_limited_total", "counter",
        "Requests over the limit of their access key, and failed authentications over that of their address.");
    buffer_printf(out, "postreeve_rate_limited_total{by=\"access_key\"} %" PRId64 "\n",
                  value_of(metrics, METRIC_LIMITED_CREDENTIAL));
    buffer_printf(out, "postreeve_rate_limited_total{by=\"address\"} %" PRId64 "\n",
                  value_of(metrics, METRIC_LIMITED_ADDRESS));
    single(out, "postreeve_database_up", "gauge", "Whether the database answers (1) or not (0).",
           notifier_identity_generation(app->environment.notifier) != 0);
}

void metrics_write(const struct app *app, struct buffer *out)
{
    const struct metrics *metrics = app->environment.metrics;
    family(out, "postreeve_build_info", "gauge", "The version, as a label.");
    buffer_text(out, "postreeve_build_info{version=\"" POSTREEVE_VERSION "\"} 1\n");
    write_answers(metrics, out);
    write_durations(metrics, out);
    write_lanes(app->executor, out);
    write_values(app, metrics, out);
    write_job_outcomes(metrics, out);
    write_database(app->metrics_view, out);
    write_process(out);
}

enum code get_metrics(struct request *request)
{
    struct buffer body = request_buffer(request);
    metrics_write(request->app, &body);
    response_json(request, 200, &body);
    request->response.content_type = METRICS_CONTENT_TYPE;
    response_header(request, "Cache-Control", "no-store");
    return CODE_OK;
}
