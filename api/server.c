/* Listening, the loop that drives libmicrohttpd, starting and stopping. */
#include "api/server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/executor.h"
#include "api/server_parts.h"
#include "api/tls.h"
#include "api/waiting.h"
#include "model/log.h"
#include "model/metrics.h"

#define BACKLOG           4096
#define CONNECTION_MEMORY ((size_t)8 * 1024) /* bounds the head of a request */
#define TICK_MS           250

/* --- the loop --- */

static void wake(void *argument)
{
    struct server *server = argument;
    uint64_t one = 1;
    ssize_t written = write(server->wake_fd, &one, sizeof(one));
    (void)written; /* fails only when it would overflow: the loop is awake then */
}

/* On a thread of the executor. */
static void on_done(struct request *first, void *argument)
{
    struct server *server = argument;
    struct request *last = first;
    while (last->next != NULL)
        last = last->next;
    pthread_mutex_lock(&server->mutex);
    bool alone = server->done == NULL;
    last->next = server->done;
    server->done = first;
    pthread_mutex_unlock(&server->mutex);
    if (alone)
        wake(server);
}

/* libmicrohttpd does not see a suspended connection's client go away. */
static void watch_client(struct exchange *exchange, bool watched)
{
    struct connection *connection = exchange->connection;
    if (watched && connection->held == NULL)
        watch_connection(connection, EPOLLRDHUP);
    else if (!watched && connection->held != NULL)
        unwatch_connection(connection);
    connection->held = watched ? exchange : NULL;
}

/* Only here, on the loop's thread: libmicrohttpd does not notice a resume from elsewhere. */
static void resume(struct exchange *exchange)
{
    watch_client(exchange, false);
    go_on(exchange);
}

/* From its lane: held, or answered. */
static void take_back(struct server *server, struct request *request)
{
    struct exchange *exchange = request->transport;
    if (waiting_hold(server->waiting, request))
        watch_client(exchange, true);
    else
        resume(exchange);
}

/* Or it will send no more, which is the same to libmicrohttpd: it ends such a connection. */
static void on_client_gone(struct exchange *exchange)
{
    watch_client(exchange, false);
    if (waiting_release(exchange->server->waiting, &exchange->request))
        resume(exchange);
}

static void look_at_held(struct server *server)
{
    struct request *refused = executor_submit_all(server->executor, waiting_take_due(server->waiting));
    while (refused != NULL) {
        struct request *next = refused->next;
        waiting_put_off(refused);
        take_back(server, refused);
        refused = next;
    }
}

static void take_messages(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    struct request *request = server->done;
    struct tls_certificate *certificate = server->certificate;
    server->done = NULL;
    server->certificate = NULL;
    pthread_mutex_unlock(&server->mutex);
    if (certificate != NULL) /* a handshake is part of the time for the head */
        tls_use(certificate, now_ms(), now_ms() - 2 * server->limits_ms[PHASE_HEAD]);
    while (request != NULL) {
        struct request *next = request->next;
        take_back(server, request);
        request = next;
    }
}

/* Until it says that it has no more to do; not for ever, so that deadlines and messages are seen to. */
#define RUNS_AT_ONCE 64

static void on_event(struct connection *connection)
{
    if (connection->hunger == PARKED)
        unpark(connection);
    else if (connection->held != NULL)
        on_client_gone(connection->held);
}

static void turn(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG left = 0;
    bool due = MHD_get_timeout(server->daemon, &left) == MHD_YES && left == 0;
    struct epoll_event events[64];
    int count = epoll_wait(server->epoll_fd, events, 64, due ? 0 : TICK_MS);
    for (int i = 0; i < count; i++) {
        uint64_t value;
        if (events[i].data.ptr == server && read(server->wake_fd, &value, sizeof(value)) < 0)
            continue;
        if (events[i].data.ptr != server && events[i].data.ptr != server->daemon)
            on_event(events[i].data.ptr);
    }
    log_hold();
    take_messages(server);
    look_at_held(server);
    unsigned runs = 0;
    do {
        MHD_run(server->daemon);
        submit(server);
        park_hungry(server);
    } while (MHD_get_timeout(server->daemon, &left) == MHD_YES && left == 0 && ++runs < RUNS_AT_ONCE);
    log_release();
}

static void *run(void *argument)
{
    struct server *server = argument;
    int64_t swept_ms = now_ms();
    int64_t looked_ms = swept_ms;
    int64_t stop_ms = 0;

    for (;;) {
        turn(server);
        int64_t now = now_ms();
        if (now - swept_ms >= TICK_MS) {
            cut_late_connections(server);
            swept_ms = now;
        }
        if (now - looked_ms >= HALF_SENT_MS) {
            drop_half_sent_requests(server);
            looked_ms = now;
        }
        if (!server->stopping)
            continue;
        if (stop_ms == 0) {
            stop_ms = now + server->app->config->drain_timeout * 1000;
            MHD_quiesce_daemon(server->daemon);
            end_connections_without_work(server);
            waiting_end(server->waiting);
        }
        if (server->in_flight == 0 || now >= stop_ms)
            return NULL;
    }
}

/* --- starting and stopping --- */

int server_listen(const char *address, uint16_t *ret_port, char *error, size_t error_size)
{
    const char *colon = strrchr(address, ':');
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[256];
    int on = 1;

    size_t length = (size_t)(colon - address);
    bool bracketed = address[0] == '[' && length > 2 && address[length - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? length - 2 : length), address + bracketed);
    int result = getaddrinfo(host, colon + 1, &hints, &found);
    if (result != 0) {
        snprintf(error, error_size, "cannot listen on %s: %s", address, gai_strerror(result));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    freeaddrinfo(found);

    struct sockaddr_in6 bound = {0};
    socklen_t bound_length = sizeof(bound);
    if (!good || getsockname(fd, (struct sockaddr *)&bound, &bound_length) != 0) {
        snprintf(error, error_size, "cannot listen on %s: %m", address);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *ret_port = ntohs(bound.sin6_port); /* an IPv4 address has it at the same place */
    return fd;
}

__attribute__((format(printf, 2, 0))) static void on_library_message(void *argument, const char *format,
                                                                     va_list args)
{
    char text[512];
    (void)argument;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    /* Clients that break off mid-way are its everyday messages. */
    LOG(LOG_DEBUG, "libmicrohttpd", LOG_TEXT("message", text));
}

static bool start_daemon(struct server *server)
{
    const struct config *config = server->app->config;
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)tls_callback},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
            (config->tls_cert != NULL ? MHD_USE_TLS : 0),
        0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_library_message, NULL,
        MHD_OPTION_LISTEN_SOCKET, server->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)config->connection_limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        server, MHD_OPTION_ARRAY, config->tls_cert != NULL ? tls : plain, MHD_OPTION_END);
    return server->daemon != NULL;
}

static bool watch(struct server *server, int fd, void *who)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};
    return fd >= 0 && epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct server *server_start(struct app *app, int listen_fd, struct tls_certificate *certificate, char *error,
                            size_t error_size)
{
    const struct config *config = app->config;
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        abort();
    server->app = app;
    server->listen_fd = listen_fd;
    server->last_submitted = &server->submitted;
    server->certificate = certificate;
    pthread_mutex_init(&server->mutex, NULL);
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++)
        TAILQ_INIT(&server->phases[phase]);
    TAILQ_INIT(&server->hungry);
    TAILQ_INIT(&server->parked);
    server->limits_ms[PHASE_IDLE] = config->idle_timeout * 1000;
    server->limits_ms[PHASE_HEAD] = config->header_timeout * 1000;
    server->limits_ms[PHASE_BODY] = config->body_timeout * 1000;
    server->limits_ms[PHASE_ANSWER] = config->body_timeout * 1000;

    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->waiting = waiting_new(app->environment.notifier, (unsigned)config->wait_limit, wake, server);
    server->executor = executor_start(&app->environment, (unsigned)config->http_threads, on_done, server);
    app->executor = server->executor;
    bool started = server->executor != NULL && start_daemon(server) &&
                   watch(server, MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
                         server->daemon) &&
                   watch(server, server->wake_fd, server) &&
                   pthread_create(&server->thread, NULL, run, server) == 0;
    if (!started) {
        snprintf(error, error_size, "cannot start serving: %m");
        executor_stop(server->executor);
        waiting_free(server->waiting);
        return NULL; /* the process ends: what was opened goes with it */
    }
    return server;
}

void server_reload(struct server *server)
{
    const struct config *config = server->app->config;
    char message[512];
    if (config->tls_cert == NULL)
        return;
    struct tls_certificate *certificate =
        tls_load(config->tls_cert, config->tls_key, true, message, sizeof(message));
    if (*message != '\0')
        LOG(LOG_WARNING, certificate != NULL ? "certificate" : "the old certificate is kept",
            LOG_TEXT("why", message));
    if (certificate == NULL)
        return;
    pthread_mutex_lock(&server->mutex);
    struct tls_certificate *unused = server->certificate;
    server->certificate = certificate;
    pthread_mutex_unlock(&server->mutex);
    tls_free(unused);
    wake(server);
    LOG(LOG_INFO, "certificate read again", LOG_TEXT("file", config->tls_cert));
}

void server_stop(struct server *server)
{
    if (server == NULL)
        return;
    server->stopping = true;
    wake(server);
    pthread_join(server->thread, NULL);
    server->closed = true; /* the loop's thread is gone: this one drives what is left */
    waiting_end(server->waiting);
    executor_stop(server->executor);
    take_messages(server);
    while (TAILQ_FIRST(&server->parked) != NULL)
        unpark(TAILQ_FIRST(&server->parked));
    do /* what is suspended would abort the process now */
        turn(server);
    while (TAILQ_FIRST(&server->phases[PHASE_WORK]) != NULL);
    MHD_stop_daemon(server->daemon);
    tls_free(server->certificate);
    tls_free_all();
    executor_free(server->executor);
    waiting_free(server->waiting);
    close(server->listen_fd);
    close(server->epoll_fd);
    close(server->wake_fd);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}
