#include "api/waiting.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "api/authorize.h"
#include "api/problem.h"
#include "db/authority.h"
#include "db/operation.h"

#define LOOK_EVERY_MS 5000
#define LOOK_AGAIN_MS 250 /* when its lane had no room */
#define MAX_HINTS     64  /* between two turns of the loop; more stand for all operations */
#define ID_SIZE       37

struct wait {
    struct request *request;
    TAILQ_ENTRY(wait) link;
    int64_t until_ms;
    int64_t look_ms;
    bool hinted;
    bool looking; /* it is in its lane */
    bool last;    /* it is answered when it comes back */
};

struct waiting {
    struct notifier *notifier;
    unsigned limit;
    void (*wake)(void *argument);
    void *argument;

    /* Of the loop's thread. */
    TAILQ_HEAD(wait_list, wait) held;
    atomic_uint count; /* in the list */
    int64_t next_ms;   /* before it nothing is due without a hint */
    bool ending;

    /* Made on any thread, taken by the loop. */
    pthread_mutex_t mutex;
    atomic_bool hinted;
    bool hints_all;
    unsigned hint_count;
    char hints[MAX_HINTS][ID_SIZE];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- hints --- */

static void on_ended(void *argument, const char *operation_id)
{
    struct waiting *waiting = argument;
    size_t size = strlen(operation_id) + 1;
    if (waiting->count == 0) /* who comes now looks first */
        return;
    pthread_mutex_lock(&waiting->mutex);
    if (size == ID_SIZE && waiting->hint_count < MAX_HINTS)
        memcpy(waiting->hints[waiting->hint_count++], operation_id, ID_SIZE);
    else
        waiting->hints_all = true;
    bool is_first = !atomic_exchange(&waiting->hinted, true);
    pthread_mutex_unlock(&waiting->mutex);
    if (is_first)
        waiting->wake(waiting->argument);
}

static bool is_hinted(const struct waiting *waiting, const char *operation_id)
{
    for (unsigned i = 0; i < waiting->hint_count; i++)
        if (strcmp(waiting->hints[i], operation_id) == 0)
            return true;
    return waiting->hints_all;
}

static void take_hints(struct waiting *waiting)
{
    struct wait *wait;
    pthread_mutex_lock(&waiting->mutex);
    for (wait = TAILQ_FIRST(&waiting->held); wait != NULL; wait = TAILQ_NEXT(wait, link))
        wait->hinted |= is_hinted(waiting, wait->request->operation_id);
    waiting->hint_count = 0;
    waiting->hints_all = false;
    waiting->hinted = false;
    pthread_mutex_unlock(&waiting->mutex);
}

/* --- holding --- */

static void applied(struct request *request)
{
    response_header(request, "Preference-Applied", arena_printf(request->arena, "wait=%u", request->wait_s));
}

static void leave(struct waiting *waiting, struct request *request)
{
    TAILQ_REMOVE(&waiting->held, request->wait, link);
    waiting->count--;
    applied(request);
}

static void enter(struct waiting *waiting, struct request *request)
{
    struct wait *wait = arena_alloc(request->arena, sizeof(*wait));
    int64_t now = now_ms();
    /* It may have ended since it was seen, and before there was anybody to be told: due at once. */
    *wait =
        (struct wait){.request = request, .look_ms = now, .until_ms = now + (int64_t)request->wait_s * 1000};
    request->wait = wait;
    request->lane = LANE_FAST;
    TAILQ_INSERT_TAIL(&waiting->held, wait, link);
    waiting->count++;
    waiting->next_ms = now;
}

bool waiting_hold(struct waiting *waiting, struct request *request)
{
    struct wait *wait = request->wait;
    if (wait != NULL) {
        wait->looking = false;
        if (wait->last || request->operation_over || waiting->ending) {
            leave(waiting, request);
            return false;
        }
        waiting->next_ms = 0; /* a hint or the end of its time may have come meanwhile */
        return true;
    }
    if (request->wait_s == 0 || request->operation_id == NULL || request->response.status >= 400)
        return false;
    if (request->operation_over) {
        applied(request);
        return false;
    }
    if (waiting->ending || waiting->count >= waiting->limit)
        return false;
    enter(waiting, request);
    return true;
}

void waiting_put_off(struct request *request)
{
    request->wait->look_ms = now_ms() + LOOK_AGAIN_MS;
}

bool waiting_release(struct waiting *waiting, struct request *request)
{
    struct wait *wait = request->wait;
    wait->last = true;
    if (wait->looking)
        return false;
    leave(waiting, request);
    return true;
}

struct request *waiting_take_due(struct waiting *waiting)
{
    int64_t now = now_ms();
    struct request *due = NULL;
    struct wait *wait;
    if (waiting->count == 0 || (!waiting->hinted && now < waiting->next_ms))
        return NULL;
    take_hints(waiting);
    waiting->next_ms = now + LOOK_EVERY_MS;
    for (wait = TAILQ_FIRST(&waiting->held); wait != NULL; wait = TAILQ_NEXT(wait, link)) {
        bool last = waiting->ending || now >= wait->until_ms;
        if (!wait->looking && (wait->hinted || last || now >= wait->look_ms)) {
            wait->hinted = false;
            wait->looking = true;
            wait->last = last;
            wait->look_ms = now + LOOK_EVERY_MS;
            wait->request->next = due;
            due = wait->request;
        }
        int64_t next = wait->until_ms < wait->look_ms ? wait->until_ms : wait->look_ms;
        if (next < waiting->next_ms && next > now)
            waiting->next_ms = next;
    }
    return due;
}

void waiting_end(struct waiting *waiting)
{
    waiting->ending = true;
    waiting->next_ms = 0;
}

/* --- looking --- */

/* Whether he who waits may still have the answer, with the credential that he came with and by what it allows by now. */
static enum code admit_again(struct request *request, struct problem *problem, const char **ret_visible)
{
    struct principal now;
    authority_queue_again(request->db, &request->principal);
    enum code code = authority_collect_again(request->db, problem, &request->principal, &now);
    if (code != CODE_OK)
        return code;
    authority_release(request->principal.authority);
    request->principal = now;
    request->now = time(NULL);
    *ret_visible = NULL;
    if (!authority_is_usable(now.authority, request->source_address, request->now))
        return problem_set(problem, CODE_UNAUTHENTICATED,
                           "The credential was limited meanwhile: it may not be used here and now.");
    code = authorize_request(request);
    if (code == CODE_OK && request->route->lists != RESOURCE_ACCOUNT)
        code = authorize_visible(request, ret_visible);
    return code;
}

/* Of who may not any more. What he changed is done, and is answered as it was then. */
static enum code refuse(struct request *request, enum code code)
{
    request->operation_over = true;
    if (request->route->method != METHOD_GET)
        return CODE_OK;
    request->response = (struct response){0};
    return code;
}

static bool is_refusal(enum code code)
{
    return code == CODE_UNAUTHENTICATED || code == CODE_ACCESS_DENIED || problem_status(code) == 404;
}

enum code waiting_look(struct request *request)
{
    struct answer answer = request_answer(request);
    const char *visible;
    bool over = false;
    if (!db_connect(request->db))
        return CODE_OK;
    enum code code = admit_again(request, &request->problem, &visible);
    if (code == CODE_OK) {
        operation_queue(request->db, request->principal.account_id, visible, request->operation_id);
        code = operation_collect(request->db, &request->problem, &answer.body, &over);
    }
    if (code < CODE_COUNT && is_refusal(code))
        return refuse(request, code);
    problem_clear(&request->problem);
    /* Whatever else is wrong now was right before: what began is answered as it was, and looked at again later. */
    if (code != CODE_OK)
        return CODE_OK;
    request->operation_over = over;
    if (request->route->method == METHOD_GET) {
        request->response = (struct response){0};
        return response_answer(request, &answer, CODE_OK);
    }
    return response_json(request, request->response.status, &answer.body);
}

/* --- life --- */

struct waiting *waiting_new(struct notifier *notifier, unsigned limit, void (*wake)(void *argument),
                            void *argument)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    if (waiting == NULL)
        abort();
    waiting->notifier = notifier;
    waiting->limit = limit;
    waiting->wake = wake;
    waiting->argument = argument;
    TAILQ_INIT(&waiting->held);
    pthread_mutex_init(&waiting->mutex, NULL);
    notifier_watch_operations(notifier, on_ended, waiting);
    return waiting;
}

void waiting_free(struct waiting *waiting)
{
    if (waiting == NULL)
        return;
    notifier_watch_operations(waiting->notifier, NULL, NULL);
    pthread_mutex_destroy(&waiting->mutex);
    free(waiting);
}
