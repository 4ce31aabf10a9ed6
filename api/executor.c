#include "api/executor.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define QUEUE_LIMIT     1024
#define OUTSIDE_LIMIT   16 /* each may wait for many seconds: later ones are told at once */
#define OUTSIDE_THREADS 4
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
    unsigned limit; /* of length */
    unsigned idle;  /* threads */
    uint64_t refused;
    bool stopping;
    int statement_timeout_ms;
    int niceness;
    unsigned batch; /* how many reads one thread takes at once */
    unsigned thread_count;
    pthread_t *threads;
};

struct executor {
    const struct db_environment *environment;
    executor_done *done;
    void *argument;
    struct lane_queue lanes[LANE_INLINE];
};

/* Reads, when they come anew: what is held by Prefer: wait is looked at otherwise. */
static bool may_be_batched(const struct request *request)
{
    return request->route->queue != NULL && request->wait == NULL;
}

/* Waits for a request. With a read come those that queued behind it, up to the lane's batch. NULL when there is none and
 * none will come. */
static struct request *take(struct lane_queue *lane, bool *ret_refuse)
{
    pthread_mutex_lock(&lane->mutex);
    lane->idle++;
    while (lane->first == NULL && !lane->stopping)
        pthread_cond_wait(&lane->filled, &lane->mutex);
    lane->idle--;
    struct request *first = lane->first;
    struct request *last = NULL;
    for (unsigned count = 0; lane->first != NULL && count < lane->batch; count++) {
        if (last != NULL && (!may_be_batched(last) || !may_be_batched(lane->first)))
            break;
        last = lane->first;
        lane->first = last->next;
        lane->length--;
    }
    if (last != NULL)
        last->next = NULL;
    bool more = lane->first != NULL;
    *ret_refuse = lane->stopping;
    pthread_mutex_unlock(&lane->mutex);
    if (more) /* submitting many wakes one thread, and each another one */
        pthread_cond_signal(&lane->filled);
    return first;
}

/* Answered ones go back, those that go on in another lane there. */
static void finish(struct executor *executor, struct request *first)
{
    struct request *done = NULL;
    while (first != NULL) {
        struct request *request = first;
        first = request->next;
        bool moves = request->response.status == 0 && !request->continues;
        if (moves && executor_submit(executor, request))
            continue;
        if (moves)
            response_refuse(request, CODE_OVERLOADED);
        request->next = done;
        done = request;
    }
    if (done != NULL)
        executor->done(done, executor->argument);
}

/* A held one was served already: it only hoped for more. */
static void refuse_all(struct request *first)
{
    for (struct request *request = first; request != NULL; request = request->next)
        if (request->wait == NULL)
            response_refuse(request, CODE_NOT_READY);
}

static void *run(void *argument)
{
    struct lane_queue *lane = argument;
    struct executor *executor = lane->executor;
    struct db *db = db_new(executor->environment, lane->statement_timeout_ms);
    struct request *first;
    bool refuse;

    if (lane->niceness != 0)
        setpriority(PRIO_PROCESS, (id_t)gettid(), lane->niceness);
    while ((first = take(lane, &refuse)) != NULL) {
        if (refuse)
            refuse_all(first);
        else if (may_be_batched(first))
            request_run_batch(first, db);
        else
            request_run(first, db);
        finish(executor, first);
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
    lane->limit = index == LANE_OUTSIDE ? OUTSIDE_LIMIT : QUEUE_LIMIT;
    lane->batch = index == LANE_FAST ? REQUEST_MAX_BATCH : 1; /* in the others each is long */
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
    started = start_lane(executor, LANE_OUTSIDE, OUTSIDE_THREADS, FAST_TIMEOUT_MS, 0) && started;
    if (!started) {
        executor_stop(executor);
        executor_free(executor);
        return NULL;
    }
    return executor;
}

static bool push(struct lane_queue *lane, struct request *request)
{
    pthread_mutex_lock(&lane->mutex);
    bool room = lane->length < lane->limit && !lane->stopping;
    if (room) {
        request->next = NULL;
        if (lane->first == NULL)
            lane->first = request;
        else
            lane->last->next = request;
        lane->last = request;
        lane->length++;
    } else {
        lane->refused++;
    }
    pthread_mutex_unlock(&lane->mutex);
    return room;
}

bool executor_submit(struct executor *executor, struct request *request)
{
    struct lane_queue *lane = &executor->lanes[request->lane];
    bool room = push(lane, request);
    if (room) /* after the unlock: who wakes up finds the mutex free */
        pthread_cond_signal(&lane->filled);
    return room;
}

struct request *executor_submit_all(struct executor *executor, struct request *first)
{
    struct request *refused = NULL;
    bool filled[LANE_INLINE] = {false};
    while (first != NULL) {
        struct request *request = first;
        enum lane lane = request->lane; /* once it is queued it is another thread's */
        first = request->next;
        if (push(&executor->lanes[lane], request)) {
            filled[lane] = true;
        } else {
            request->next = refused;
            refused = request;
        }
    }
    for (unsigned i = 0; i < LANE_INLINE; i++)
        if (filled[i])
            pthread_cond_signal(&executor->lanes[i].filled);
    return refused;
}

struct lane_state executor_lane_state(struct executor *executor, enum lane index)
{
    struct lane_queue *lane = &executor->lanes[index];
    pthread_mutex_lock(&lane->mutex);
    struct lane_state state = {.threads = lane->thread_count,
                               .queued = lane->length,
                               .running = lane->thread_count - lane->idle,
                               .refused = lane->refused};
    pthread_mutex_unlock(&lane->mutex);
    return state;
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
