#include "db/notifier.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "db/wait.h"

/* Under load other processes are told at most this often. */
#define BROADCAST_EVERY_MS 100
#define RECONNECT_MS       200
#define IDLE_MS            1000
#define ANSWER_MS          2000
/* One hint from elsewhere may stand for many jobs: wake about as many workers as a process has. */
#define REMOTE_WAKE_UPS 4
#define MAX_WAKE_UPS    64
/* A notification has less than 8,000 bytes; operations are told of by ids of one length, one after the other. */
#define ID_LENGTH     36
#define MAX_ENDED     200
#define JOB_CHANNEL   "postreeve_job"
#define ENDED_CHANNEL "postreeve_operation"
#define FLOW_CHANNEL  "postreeve_flow_rules" /* of the triggers in migrations */
/* Organizations that share a slot count as changed together. */
#define FLOW_SLOTS 4096

struct notifier {
    const char *conninfo;
    pthread_t thread;
    bool has_thread;
    int wake_fd; /* written to when there is something to broadcast, or to end */
    atomic_bool ending;

    PGconn *connection; /* of the thread */
    atomic_bool has_news;
    atomic_bool has_job;
    atomic_uint_fast64_t changes;
    atomic_uint_fast64_t interruptions; /* of listening: anything may have changed */
    atomic_uint_fast64_t flow_changes[FLOW_SLOTS];
    atomic_bool listening;

    pthread_mutex_t mutex;
    pthread_cond_t job_arrived;
    unsigned wake_ups;
    bool stopped;
    notifier_arrived *arrived;
    void *arrived_argument;

    pthread_mutex_t ended_mutex;
    notifier_ended *ended;
    void *ended_argument;
    unsigned ended_count; /* to be broadcast; more than MAX_ENDED: any may have ended */
    char ended_ids[MAX_ENDED * ID_LENGTH + 1];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct notifier *notifier_new(const char *conninfo)
{
    struct notifier *notifier = calloc(1, sizeof(*notifier));
    if (notifier == NULL)
        abort();
    notifier->conninfo = conninfo;
    notifier->changes = 1;
    notifier->interruptions = 1;
    notifier->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&notifier->mutex, NULL);
    pthread_cond_init(&notifier->job_arrived, &attributes);
    pthread_mutex_init(&notifier->ended_mutex, NULL);
    pthread_condattr_destroy(&attributes);
    return notifier;
}

/* --- local waiting --- */

static void wake_workers(struct notifier *notifier, unsigned count)
{
    pthread_mutex_lock(&notifier->mutex);
    notifier->wake_ups += count;
    if (notifier->wake_ups > MAX_WAKE_UPS)
        notifier->wake_ups = MAX_WAKE_UPS;
    if (count == 1)
        pthread_cond_signal(&notifier->job_arrived);
    else
        pthread_cond_broadcast(&notifier->job_arrived);
    if (notifier->arrived != NULL)
        notifier->arrived(notifier->arrived_argument);
    pthread_mutex_unlock(&notifier->mutex);
}

void notifier_watch_jobs(struct notifier *notifier, notifier_arrived *arrived, void *argument)
{
    pthread_mutex_lock(&notifier->mutex);
    notifier->arrived = arrived;
    notifier->arrived_argument = argument;
    pthread_mutex_unlock(&notifier->mutex);
}

bool notifier_wait_for_job(struct notifier *notifier, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }

    pthread_mutex_lock(&notifier->mutex);
    int result = 0;
    while (notifier->wake_ups == 0 && !notifier->stopped && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&notifier->job_arrived, &notifier->mutex, &until);
    if (notifier->wake_ups > 0)
        notifier->wake_ups--;
    bool stopped = notifier->stopped;
    pthread_mutex_unlock(&notifier->mutex);
    return !stopped;
}

void notifier_stop_waiting(struct notifier *notifier)
{
    pthread_mutex_lock(&notifier->mutex);
    notifier->stopped = true;
    pthread_cond_broadcast(&notifier->job_arrived);
    pthread_mutex_unlock(&notifier->mutex);
}

static void wake_thread(struct notifier *notifier)
{
    uint64_t one = 1;
    ssize_t written = write(notifier->wake_fd, &one, sizeof(one));
    (void)written; /* fails only when it would overflow: the thread is awake then */
}

static void announce(struct notifier *notifier)
{
    if (!atomic_exchange(&notifier->has_news, true))
        wake_thread(notifier);
}

void notifier_job_enqueued(struct notifier *notifier)
{
    wake_workers(notifier, 1);
    notifier->has_job = true;
    announce(notifier);
}

void notifier_watch_operations(struct notifier *notifier, notifier_ended *ended, void *argument)
{
    pthread_mutex_lock(&notifier->ended_mutex);
    notifier->ended = ended;
    notifier->ended_argument = argument;
    pthread_mutex_unlock(&notifier->ended_mutex);
}

static void tell_ended(struct notifier *notifier, const char *operation_id)
{
    pthread_mutex_lock(&notifier->ended_mutex);
    if (notifier->ended != NULL)
        notifier->ended(notifier->ended_argument, operation_id);
    pthread_mutex_unlock(&notifier->ended_mutex);
}

void notifier_operation_ended(struct notifier *notifier, const char *operation_id)
{
    tell_ended(notifier, operation_id);
    pthread_mutex_lock(&notifier->ended_mutex);
    if (notifier->ended_count < MAX_ENDED && strlen(operation_id) == ID_LENGTH)
        memcpy(notifier->ended_ids + (size_t)notifier->ended_count++ * ID_LENGTH, operation_id, ID_LENGTH);
    else
        notifier->ended_count = MAX_ENDED + 1;
    pthread_mutex_unlock(&notifier->ended_mutex);
    announce(notifier);
}

uint64_t notifier_identity_generation(const struct notifier *notifier)
{
    return notifier->listening ? notifier->changes : 0;
}

void notifier_identities_changed(struct notifier *notifier)
{
    notifier->changes++;
}

static size_t flow_slot(const char *organization_id)
{
    size_t hash = 5381;
    for (; *organization_id != '\0'; organization_id++)
        hash = hash * 33 + (unsigned char)*organization_id;
    return hash % FLOW_SLOTS;
}

/* Both only grow: their sum stays the same only as long as both do. */
uint64_t notifier_flow_rules_generation(const struct notifier *notifier, const char *organization_id)
{
    return notifier->listening ? notifier->interruptions + notifier->flow_changes[flow_slot(organization_id)]
                               : 0;
}

void notifier_flow_rules_changed(struct notifier *notifier, const char *organization_id)
{
    notifier->flow_changes[flow_slot(organization_id)]++;
}

/* What is changed while nobody listens is not heard. */
static void forget_all(struct notifier *notifier)
{
    notifier->changes++;
    notifier->interruptions++;
}

/* --- the thread --- */

static void disconnect(struct notifier *notifier)
{
    notifier->listening = false;
    forget_all(notifier);
    PQfinish(notifier->connection);
    notifier->connection = NULL;
}

static void connect_and_listen(struct notifier *notifier)
{
    static const char *const keywords[] = {"dbname",           "application_name", "keepalives_idle",
                                           "tcp_user_timeout", "connect_timeout",  NULL};
    const char *const values[] = {notifier->conninfo, "postreeve notifier", "10", "10000", "3", NULL};
    notifier->connection = PQconnectdbParams(keywords, values, 1);
    /* It hears nothing while it waits for its own hints to be on disk, which a crash may lose as well. */
    PGresult *result = wait_run(notifier->connection,
                                "SET synchronous_commit = off; LISTEN " JOB_CHANNEL "; LISTEN " ENDED_CHANNEL
                                "; LISTEN " NOTIFIER_IDENTITY_CHANNEL "; LISTEN " FLOW_CHANNEL,
                                ANSWER_MS);
    bool listening = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!listening) {
        disconnect(notifier);
        return;
    }
    forget_all(notifier);
    notifier->listening = true;
    wake_workers(notifier, REMOTE_WAKE_UPS);
    tell_ended(notifier, "");
}

static void hear_ended(struct notifier *notifier, const char *ids)
{
    char id[ID_LENGTH + 1] = "";
    if (*ids == '\0')
        tell_ended(notifier, "");
    for (; strlen(ids) >= ID_LENGTH; ids += ID_LENGTH) {
        memcpy(id, ids, ID_LENGTH);
        tell_ended(notifier, id);
    }
}

static void hear(struct notifier *notifier)
{
    if (PQconsumeInput(notifier->connection) != 1) {
        disconnect(notifier);
        return;
    }
    PGnotify *notification;
    while ((notification = PQnotifies(notifier->connection)) != NULL) {
        bool is_own = notification->be_pid == PQbackendPID(notifier->connection); /* who waits here knows */
        if (strcmp(notification->relname, NOTIFIER_IDENTITY_CHANNEL) == 0)
            notifier->changes++;
        else if (strcmp(notification->relname, FLOW_CHANNEL) == 0)
            notifier_flow_rules_changed(notifier, notification->extra);
        else if (!is_own && strcmp(notification->relname, ENDED_CHANNEL) == 0)
            hear_ended(notifier, notification->extra);
        else if (!is_own)
            wake_workers(notifier, REMOTE_WAKE_UPS);
        PQfreemem(notification);
    }
}

/* Who does not answer is not listened to. */
static void check_answer(struct notifier *notifier, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        disconnect(notifier);
}

/* Tells other processes, or only asks whether the server is there. */
static void speak(struct notifier *notifier, const char *sql)
{
    check_answer(notifier, wait_run(notifier->connection, sql, ANSWER_MS));
}

static void speak_of_ended(struct notifier *notifier)
{
    char ids[sizeof(notifier->ended_ids)];
    pthread_mutex_lock(&notifier->ended_mutex);
    unsigned count = notifier->ended_count;
    size_t length = count > MAX_ENDED ? 0 : (size_t)count * ID_LENGTH;
    memcpy(ids, notifier->ended_ids, length);
    notifier->ended_count = 0;
    pthread_mutex_unlock(&notifier->ended_mutex);
    ids[length] = '\0';
    if (count > 0)
        check_answer(notifier, wait_run_with(notifier->connection,
                                             "SELECT pg_notify('" ENDED_CHANNEL "', $1)", ids, ANSWER_MS));
}

static void broadcast(struct notifier *notifier)
{
    atomic_store(&notifier->has_news, false);
    if (atomic_exchange(&notifier->has_job, false))
        speak(notifier, "NOTIFY " JOB_CHANNEL);
    if (notifier->connection != NULL)
        speak_of_ended(notifier);
}

static void *run(void *argument)
{
    struct notifier *notifier = argument;
    int64_t broadcast_at = 0;
    int64_t spoke_ms = now_ms();

    while (!notifier->ending) {
        if (notifier->connection == NULL)
            connect_and_listen(notifier);

        int64_t now = now_ms();
        int timeout = notifier->connection == NULL ? RECONNECT_MS : IDLE_MS;
        if (notifier->has_news && notifier->connection != NULL)
            timeout = broadcast_at > now ? (int)(broadcast_at - now) : 0;
        struct pollfd fds[2] = {
            {.fd = notifier->wake_fd, .events = POLLIN},
            {.fd = notifier->connection != NULL ? PQsocket(notifier->connection) : -1, .events = POLLIN},
        };
        poll(fds, 2, timeout);
        uint64_t count;
        if ((fds[0].revents & POLLIN) != 0 && read(notifier->wake_fd, &count, sizeof(count)) < 0)
            continue;
        if (notifier->connection != NULL && notifier->has_news && now_ms() >= broadcast_at) {
            broadcast(notifier);
            spoke_ms = now_ms();
            broadcast_at = spoke_ms + BROADCAST_EVERY_MS;
        } else if (notifier->connection != NULL && now_ms() - spoke_ms >= IDLE_MS) {
            speak(notifier, "SELECT 1");
            spoke_ms = now_ms();
        }
        if (notifier->connection != NULL)
            hear(notifier);
    }
    disconnect(notifier);
    return NULL;
}

bool notifier_start(struct notifier *notifier)
{
    connect_and_listen(notifier); /* so that who starts us is ready when we return */
    notifier->has_thread =
        notifier->wake_fd >= 0 && pthread_create(&notifier->thread, NULL, run, notifier) == 0;
    return notifier->has_thread;
}

void notifier_free(struct notifier *notifier)
{
    if (notifier == NULL)
        return;
    if (notifier->has_thread) {
        notifier->ending = true;
        wake_thread(notifier);
        pthread_join(notifier->thread, NULL);
    }
    if (notifier->wake_fd >= 0)
        close(notifier->wake_fd);
    pthread_cond_destroy(&notifier->job_arrived);
    pthread_mutex_destroy(&notifier->mutex);
    pthread_mutex_destroy(&notifier->ended_mutex);
    free(notifier);
}
