#include "api/executor.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define QUEUE_LIMIT     1024
#define SLOW_THREADS    2
#define FAST_TIMEOUT_MS 5000
#define SLOW_TIMEOUT_MS 30000
/* Hashing gives way to what clients wait for: without it their requests queue behind whole hashes. */
#define HASH_NICENESS 10

struct lane_queue {
    struct executor *executor;
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct request *first, *last;
    unsigned length;
    bool stopping;
    int statement_timeout_ms;
    int niceness;
    unsigned thread_count;
    pthread_t *threads;
};

struct executor {
    const struct db_environment *environment;
    executor_done *done;
    void *argument;
    struct lane_queue lanes[LANE_INLINE];
};

static struct request *take(struct lane_queue *lane, bool *ret_refuse)
{
    pthread_mutex_lock(&lane->mutex);
    while (lane->first == NULL && !lane->stopping)
        pthread_cond_wait(&lane->filled, &lane->mutex);
    struct request *request = lane->first;
    if (request != NULL) {
        lane->first = request->next;
        lane->length--;
    }
    *ret_refuse = lane->stopping;
    pthread_mutex_unlock(&lane->mutex);
    return request;
}

static void *run(void *argument)
{
    struct lane_queue *lane = argument;
    struct executor *executor = lane->executor;
    struct db *db = db_new(executor->environment, lane->statement_timeout_ms);
    struct request *request;
    bool refuse;

    if (lane->niceness != 0)
        setpriority(PRIO_PROCESS, (id_t)gettid(), lane->niceness);
    while ((request = take(lane, &refuse)) != NULL) {
        if (!refuse && !request_run(request, db) && executor_submit(executor, request))
            continue; /* it goes on in another lane */
        if (refuse)
            request_refuse(request, CODE_NOT_READY);
        else if (request->response.status == 0)
            request_refuse(request, CODE_OVERLOADED);
        executor->done(request, executor->argument);
    }
    db_free(db);
    return NULL;
}

static bool start_lane(struct executor *executor, enum lane index, unsigned threads, int timeout_ms,
                       int niceness)
{
    struct lane_queue *lane = &executor->lanes[index];
    lane->executor = executor;
    lane->statement_timeout_ms = timeout_ms;
    lane->niceness = niceness;
    pthread_mutex_init(&lane->mutex, NULL);
    pthread_cond_init(&lane->filled, NULL);
    lane->threads = calloc(threads, sizeof(pthread_t));
    if (lane->threads == NULL)
        abort();
    for (; lane->thread_count < threads; lane->thread_count++)
        if (pthread_create(&lane->threads[lane->thread_count], NULL, run, lane) != 0)
            return false;
    return true;
}

struct executor *executor_start(const struct db_environment *environment, unsigned fast_threads,
                                executor_done *done, void *argument)
{
    struct executor *executor = calloc(1, sizeof(*executor));
    if (executor == NULL)
        abort();
    executor->environment = environment;
    executor->done = done;
    executor->argument = argument;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    bool started = start_lane(executor, LANE_FAST, fast_threads, FAST_TIMEOUT_MS, 0);
    started = start_lane(executor, LANE_SLOW, SLOW_THREADS, SLOW_TIMEOUT_MS, 0) && started;
    started = start_lane(executor, LANE_HASH, cores > 2 ? (unsigned)(cores - 1) : 1, FAST_TIMEOUT_MS,
                         HASH_NICENESS) &&
              started;
    if (!started) {
        executor_stop(executor);
        executor_free(executor);
        return NULL;
    }
    return executor;
}

bool executor_submit(struct executor *executor, struct request *request)
{
    struct lane_queue *lane = &executor->lanes[request->lane];
    pthread_mutex_lock(&lane->mutex);
    bool room = lane->length < QUEUE_LIMIT && !lane->stopping;
    if (room) {
        request->next = NULL;
        if (lane->first == NULL)
            lane->first = request;
        else
            lane->last->next = request;
        lane->last = request;
        lane->length++;
    }
    pthread_mutex_unlock(&lane->mutex);
    if (room) /* after the unlock: who wakes up finds the mutex free */
        pthread_cond_signal(&lane->filled);
    return room;
}

void executor_stop(struct executor *executor)
{
    if (executor == NULL)
        return;
    for (unsigned i = 0; i < LANE_INLINE; i++) {
        struct lane_queue *lane = &executor->lanes[i];
        pthread_mutex_lock(&lane->mutex);
        lane->stopping = true;
        pthread_cond_broadcast(&lane->filled);
        pthread_mutex_unlock(&lane->mutex);
    }
    for (unsigned i = 0; i < LANE_INLINE; i++) {
        struct lane_queue *lane = &executor->lanes[i];
        for (unsigned t = 0; t < lane->thread_count; t++)
            pthread_join(lane->threads[t], NULL);
        lane->thread_count = 0;
    }
}

void executor_free(struct executor *executor)
{
    if (executor == NULL)
        return;
    for (unsigned i = 0; i < LANE_INLINE; i++) {
        free(executor->lanes[i].threads);
        pthread_cond_destroy(&executor->lanes[i].filled);
        pthread_mutex_destroy(&executor->lanes[i].mutex);
    }
    free(executor);
}
