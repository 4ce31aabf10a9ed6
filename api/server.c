#include "api/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/executor.h"
#include "api/request.h"
#include "api/waiting.h"
#include "model/id.h"
#include "model/log.h"
#include "model/prefer.h"

#define BACKLOG           4096
#define CONNECTION_MEMORY ((size_t)8 * 1024) /* bounds the head of a request */
#define BODY_LIMIT        ((size_t)1024 * 1024)
/* A body that came without saying its length is read to here, so that its sender hears why; then it is cut. */
#define DISCARD_LIMIT (4 * BODY_LIMIT)
/* All bodies together: who is refused may come again, who fills the memory ends the service for everybody. */
#define BUFFERED_LIMIT ((size_t)256 * 1024 * 1024)
#define TICK_MS        250

/* What a connection is at. Each phase but WORK has one length of time for all, so that the connections of a phase,
 * in the order in which they came to it, are in the order of their deadlines. libmicrohttpd's own time-out counts from
 * the last byte: who sends a byte a second stays for ever. */
enum phase { PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_WORK, PHASE_ANSWER, PHASE_COUNT };

struct connection {
    int fd;
    enum phase phase;
    int64_t since_ms;
    char address[INET6_ADDRSTRLEN]; /* of the client */
    TAILQ_ENTRY(connection) link;
};
TAILQ_HEAD(connection_list, connection);

enum progress { NEW, READING, DISCARDING, WORKING, ANSWERABLE, ANSWERED };

/* The server's side of a request. */
struct exchange {
    struct request request;
    struct server *server;
    struct MHD_Connection *handle;
    struct connection *connection;
    enum progress progress;
    size_t discarded;
    int64_t start_us;
    size_t sent;
    size_t buffered; /* reserved for the body */
    bool closes;     /* the connection ends with the answer */
    bool watched;    /* its client's going away is an event of the loop */
};

struct server {
    struct app *app;
    struct MHD_Daemon *daemon;
    struct executor *executor;
    struct waiting *waiting;
    pthread_t thread;
    int listen_fd;
    int epoll_fd;
    int wake_fd;
    atomic_bool stopping;
    bool closed; /* of the loop's thread: no request is begun any more */

    /* Made on other threads, taken by the loop. */
    pthread_mutex_t mutex;
    struct request *done;

    /* Of the loop's thread. */
    struct connection_list phases[PHASE_COUNT];
    int64_t limits_ms[PHASE_COUNT];              /* 0: none */
    struct request *submitted, **last_submitted; /* in this turn */
    unsigned in_flight;
    size_t buffered; /* bytes of bodies that are being read or worked on */
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
    return now_us() / 1000;
}

/* --- deadlines --- */

static void enter_phase(struct server *server, struct connection *connection, enum phase phase)
{
    TAILQ_REMOVE(&server->phases[connection->phase], connection, link);
    connection->phase = phase;
    connection->since_ms = now_ms();
    TAILQ_INSERT_TAIL(&server->phases[phase], connection, link);
}

/* Shutting the descriptor down is what libmicrohttpd notices; the connection then ends by itself. */
static void cut_late_connections(struct server *server)
{
    int64_t now = now_ms();
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
        struct connection *connection;
        while (server->limits_ms[phase] != 0 && (connection = TAILQ_FIRST(&server->phases[phase])) != NULL &&
               now - connection->since_ms >= server->limits_ms[phase]) {
            shutdown(connection->fd, SHUT_RDWR);
            enter_phase(server, connection,
                        (enum phase)phase); /* at the end: it will be gone before its turn */
        }
    }
}

/* As text; an IPv4 address that comes mapped into an IPv6 one is written as what it is. */
static void write_address(const struct sockaddr *address, char text[static INET6_ADDRSTRLEN])
{
    const struct in_addr *ipv4 = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    const struct in6_addr *ipv6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, ipv4, text, INET6_ADDRSTRLEN);
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(ipv6))
        inet_ntop(AF_INET, &ipv6->s6_addr[12], text, INET6_ADDRSTRLEN);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, ipv6, text, INET6_ADDRSTRLEN);
}

static void on_connection(void *argument, struct MHD_Connection *handle, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct server *server = argument;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        struct connection *connection = calloc(1, sizeof(*connection));
        if (connection == NULL)
            abort();
        connection->fd = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        write_address(MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
                      connection->address);
        connection->phase = PHASE_HEAD;
        connection->since_ms = now_ms();
        TAILQ_INSERT_TAIL(&server->phases[PHASE_HEAD], connection, link);
        *context = connection;
    } else if (*context != NULL) {
        struct connection *connection = *context;
        TAILQ_REMOVE(&server->phases[connection->phase], connection, link);
        free(connection);
        *context = NULL;
    }
}

/* --- reading the head --- */

/* The request line is there, as it was sent: libmicrohttpd's own path is decoded before it is split. */
/* An IPv4 address looks like one even in an IPv6 socket. */
static const char *print_address(struct MHD_Connection *handle, struct arena *arena)
{
    const struct sockaddr *client =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    char *text = arena_alloc(arena, INET6_ADDRSTRLEN);
    const void *bytes = client->sa_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)(const void *)client)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)(const void *)client)->sin_addr;
    inet_ntop(client->sa_family, bytes, text, INET6_ADDRSTRLEN);
    return strncmp(text, "::ffff:", 7) == 0 && strchr(text, '.') != NULL ? text + 7 : text;
}

static void *on_request_line(void *argument, const char *uri, struct MHD_Connection *handle)
{
    struct server *server = argument;
    struct arena *arena = arena_new();
    struct exchange *exchange = arena_alloc(arena, sizeof(*exchange));
    struct request *request = &exchange->request;
    const char *question = strchr(uri, '?');

    exchange->server = server;
    exchange->handle = handle;
    exchange->connection =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    exchange->start_us = now_us();
    request->transport = exchange;
    request->source_address = exchange->connection->address;
    request->app = server->app;
    request->arena = arena;
    request->now = time(NULL);
    request->source_address = print_address(handle, arena);
    request->problem.arena = arena;
    request->body.arena = arena;
    request->path = arena_copy(arena, uri, question != NULL ? (size_t)(question - uri) : strlen(uri));
    request->query = question != NULL ? arena_string(arena, question + 1) : "";
    server->in_flight++;
    /* A first request's time began with its connection. */
    if (exchange->connection->phase != PHASE_HEAD)
        enter_phase(server, exchange->connection, PHASE_HEAD);
    return exchange;
}

#define TOKEN_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"

/* The headers that matter; a second one of a kind could mean one thing to a proxy and another to us. */
struct head {
    struct request *request;
    const char *content_length;
    const char *transfer_encoding;
    const char *host;
    const char *request_id;
    const char *repeated;
    bool has_odd_name;
};

static enum MHD_Result on_header(void *argument, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct head *head = argument;
    struct {
        const char *name;
        const char **place;
    } wanted[] = {
        {"Authorization", &head->request->authorization},
        {"Cookie", &head->request->cookies},
        {"X-CSRF-Token", &head->request->csrf_token},
        {"Content-Type", &head->request->content_type},
        {"Content-Encoding", &head->request->content_encoding},
        {"Content-Length", &head->content_length},
        {"Transfer-Encoding", &head->transfer_encoding},
        {"Host", &head->host},
        {"Request-Id", &head->request_id},
        {"Idempotency-Key", &head->request->idempotency_key},
        {"If-Match", &head->request->if_match},
        {"If-None-Match", &head->request->if_none_match},
    };
    (void)kind;
    if (strcasecmp(name, "Prefer") == 0 && value != NULL && head->request->wait_s == 0)
        head->request->wait_s = prefer_wait(value, WAITING_MAX_S);
    /* RFC 9110, 5.6.2: a name like "Content-Length " is one header to a lenient proxy and another to us. */
    if (name[strspn(name, TOKEN_CHARACTERS)] != '\0' || *name == '\0')
        head->has_odd_name = true;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strcasecmp(name, wanted[i].name) != 0)
            continue;
        if (*wanted[i].place != NULL)
            head->repeated = wanted[i].name;
        *wanted[i].place = value != NULL ? value : "";
    }
    return MHD_YES;
}

static bool is_request_id(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return length >= 1 && length <= 64 && text[length] == '\0';
}

/* Before a byte of the body is read: only for who has some credential, and while there is room. */
static enum code reserve_body(struct exchange *exchange, size_t length)
{
    struct request *request = &exchange->request;
    struct server *server = exchange->server;
    if (request->route->action != NULL && request->authorization == NULL && request->cookies == NULL)
        return CODE_UNAUTHENTICATED;
    if (server->buffered + length > BUFFERED_LIMIT)
        return CODE_OVERLOADED;
    exchange->buffered = length;
    server->buffered += length;
    return CODE_OK;
}

/* CODE_OK, or why the request is refused before its body is read. */
static enum code read_head(struct exchange *exchange, const char *method, const char *version)
{
    struct request *request = &exchange->request;
    struct head head = {.request = request};

    MHD_get_connection_values(exchange->handle, MHD_HEADER_KIND, on_header, &head);
    request->method_name = arena_string(request->arena, method);
    request->request_id = head.request_id != NULL && is_request_id(head.request_id)
                              ? arena_string(request->arena, head.request_id)
                              : id_new_uuid(request->arena);
    if (head.has_odd_name)
        return problem_set(&request->problem, CODE_BAD_REQUEST,
                           "A header's name has a character that names cannot have.");
    if (head.repeated != NULL)
        return problem_set(&request->problem, CODE_BAD_REQUEST, "The header %s stands there twice.",
                           head.repeated);
    if (head.content_length != NULL && head.transfer_encoding != NULL)
        return problem_set(&request->problem, CODE_BAD_REQUEST,
                           "Send Content-Length or Transfer-Encoding, not both.");
    if (head.transfer_encoding != NULL && strcasecmp(head.transfer_encoding, "chunked") != 0)
        return problem_set(&request->problem, CODE_BAD_REQUEST, "The only Transfer-Encoding is chunked.");
    if (head.host == NULL && strcmp(version, MHD_HTTP_VERSION_1_1) == 0)
        return problem_set(&request->problem, CODE_BAD_REQUEST, "HTTP/1.1 needs a Host header.");
    unsigned long long length = head.content_length != NULL ? strtoull(head.content_length, NULL, 10) : 0;
    if (length > BODY_LIMIT)
        return CODE_PAYLOAD_TOO_LARGE;
    if (!request_find_route(request))
        return CODE_ANSWERED;
    if (head.transfer_encoding != NULL)
        length = BODY_LIMIT;
    return length > 0 ? reserve_body(exchange, (size_t)length) : CODE_OK;
}

/* --- answering --- */

static enum MHD_Result send_answer(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    const struct response *answer = &request->response;
    /* The bytes live in the request's arena, which on_completed frees. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->length, (void *)(uintptr_t)answer->body, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;

    MHD_add_response_header(response, "Request-Id", request->request_id);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->content_type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    if (strncmp(request->path, "/v1", 3) == 0)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    for (size_t i = 0; i < answer->header_count; i++)
        MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    if (exchange->server->stopping || exchange->closes)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");

    enum MHD_Result result = MHD_queue_response(exchange->handle, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    exchange->progress = ANSWERED;
    exchange->sent = answer->length;
    enter_phase(exchange->server, exchange->connection, PHASE_ANSWER);
    return result;
}

static enum MHD_Result refuse(struct exchange *exchange, enum code code)
{
    request_refuse(&exchange->request, code);
    return send_answer(exchange);
}

static enum MHD_Result start_work(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    struct server *server = exchange->server;

    if (server->closed)
        return refuse(exchange, CODE_NOT_READY);
    if (request->lane == LANE_INLINE) {
        request_run(request, NULL);
        return send_answer(exchange);
    }
    exchange->progress = WORKING;
    enter_phase(server, exchange->connection, PHASE_WORK);
    MHD_suspend_connection(exchange->handle);
    request->next = NULL;
    *server->last_submitted = request;
    server->last_submitted = &request->next;
    return MHD_YES;
}

/* Together, at the end of a turn: who wakes up finds them all. */
static void submit(struct server *server)
{
    struct request *refused = executor_submit_all(server->executor, server->submitted);
    server->submitted = NULL;
    server->last_submitted = &server->submitted;
    for (; refused != NULL; refused = refused->next) {
        struct exchange *exchange = refused->transport;
        exchange->progress = ANSWERABLE;
        request_refuse(refused, CODE_OVERLOADED);
        MHD_resume_connection(exchange->handle);
    }
}

static enum MHD_Result read_body(struct exchange *exchange, const char *data, size_t *size)
{
    size_t length = *size;
    *size = 0;
    if (exchange->progress == READING && exchange->request.body.length + length <= BODY_LIMIT) {
        buffer_append(&exchange->request.body, data, length);
        return MHD_YES;
    }
    exchange->progress = DISCARDING;
    exchange->discarded += length;
    return exchange->discarded <= DISCARD_LIMIT ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_request(void *argument, struct MHD_Connection *handle, const char *url,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **context)
{
    struct exchange *exchange = *context;
    (void)argument;
    (void)handle;
    (void)url;

    switch (exchange->progress) {
    case NEW: {
        enum code code = read_head(exchange, method, version);
        exchange->progress = READING;
        enter_phase(exchange->server, exchange->connection, PHASE_BODY);
        if (code == CODE_OK)
            return MHD_YES;
        exchange->closes = true; /* where the next request begins is not sure */
        return code == CODE_ANSWERED ? send_answer(exchange) : refuse(exchange, code);
    }
    case READING:
    case DISCARDING:
        if (*size > 0)
            return read_body(exchange, data, size);
        return exchange->progress == READING ? start_work(exchange)
                                             : refuse(exchange, CODE_PAYLOAD_TOO_LARGE);
    case ANSWERABLE:
        return send_answer(exchange);
    case WORKING:
    case ANSWERED:
        break;
    }
    return MHD_YES;
}

static void log_request(const struct exchange *exchange, enum MHD_RequestTerminationCode why)
{
    const struct request *request = &exchange->request;
    LOG(LOG_INFO, "request", LOG_TEXT("request_id", request->request_id),
        LOG_TEXT("method", request->method_name), LOG_TEXT("path", request->path),
        LOG_TEXT("operation", request->route != NULL ? request->route->operation : ""),
        LOG_TEXT("access_key_id", request->principal.access_key_id),
        LOG_NUMBER("status", request->response.status),
        LOG_TEXT("end", why == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "sent" : "cut"),
        LOG_NUMBER("bytes", (int64_t)exchange->sent),
        LOG_NUMBER("duration_us", now_us() - exchange->start_us));
}

static void on_completed(void *argument, struct MHD_Connection *handle, void **context,
                         enum MHD_RequestTerminationCode why)
{
    struct exchange *exchange = *context;
    struct server *server = argument;
    (void)handle;
    if (exchange == NULL)
        return;
    *context = NULL;
    if (exchange->request.request_id != NULL)
        log_request(exchange, why);
    server->buffered -= exchange->buffered;
    server->in_flight--;
    enter_phase(server, exchange->connection, PHASE_IDLE);
    authority_release(exchange->request.principal.authority);
    arena_free(exchange->request.arena);
}

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
    struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = exchange};
    if (exchange->watched != watched)
        epoll_ctl(exchange->server->epoll_fd, watched ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                  exchange->connection->fd, &event);
    exchange->watched = watched;
}

/* Only here, on the loop's thread: libmicrohttpd does not notice a resume from elsewhere. */
static void resume(struct exchange *exchange)
{
    watch_client(exchange, false);
    exchange->progress = ANSWERABLE;
    MHD_resume_connection(exchange->handle);
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
        take_back(server, refused);
        refused = next;
    }
}

static void resume_answered(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    struct request *request = server->done;
    server->done = NULL;
    pthread_mutex_unlock(&server->mutex);
    while (request != NULL) {
        struct request *next = request->next;
        take_back(server, request);
        request = next;
    }
}

static void turn(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG left = 0;
    bool due = MHD_get_timeout(server->daemon, &left) == MHD_YES && left == 0;
    struct epoll_event events[16];
    int count = epoll_wait(server->epoll_fd, events, 16, due ? 0 : TICK_MS);
    for (int i = 0; i < count; i++) {
        uint64_t value;
        if (events[i].data.ptr == server && read(server->wake_fd, &value, sizeof(value)) < 0)
            continue;
        if (events[i].data.ptr != server && events[i].data.ptr != server->daemon)
            on_client_gone(events[i].data.ptr);
    }
    log_hold();
    resume_answered(server);
    look_at_held(server);
    do {
        MHD_run(server->daemon);
        submit(server);
    } while (MHD_get_timeout(server->daemon, &left) == MHD_YES && left == 0);
    log_release();
}

/* Those that wait for a request, or are in the midst of sending one: only what is being worked on is waited for. */
static void end_connections_without_work(struct server *server)
{
    static const enum phase phases[] = {PHASE_IDLE, PHASE_HEAD, PHASE_BODY};
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        struct connection *connection = TAILQ_FIRST(&server->phases[phases[i]]);
        for (; connection != NULL; connection = TAILQ_NEXT(connection, link))
            shutdown(connection->fd, SHUT_RDWR);
    }
}

static void *run(void *argument)
{
    struct server *server = argument;
    int64_t swept_ms = now_ms();
    int64_t stop_ms = 0;

    for (;;) {
        turn(server);
        int64_t now = now_ms();
        if (now - swept_ms >= TICK_MS) {
            cut_late_connections(server);
            swept_ms = now;
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
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        server, MHD_OPTION_EXTERNAL_LOGGER, on_library_message, NULL, MHD_OPTION_LISTEN_SOCKET,
        server->listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)server->app->config->connection_limit,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_request_line, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
    return server->daemon != NULL;
}

static bool watch(struct server *server, int fd, void *who)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};
    return fd >= 0 && epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct server *server_start(struct app *app, int listen_fd, char *error, size_t error_size)
{
    const struct config *config = app->config;
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        abort();
    server->app = app;
    server->listen_fd = listen_fd;
    server->last_submitted = &server->submitted;
    pthread_mutex_init(&server->mutex, NULL);
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++)
        TAILQ_INIT(&server->phases[phase]);
    server->limits_ms[PHASE_IDLE] = config->idle_timeout * 1000;
    server->limits_ms[PHASE_HEAD] = config->header_timeout * 1000;
    server->limits_ms[PHASE_BODY] = config->body_timeout * 1000;
    server->limits_ms[PHASE_ANSWER] = config->body_timeout * 1000;

    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->waiting = waiting_new(app->environment.notifier, (unsigned)config->wait_limit, wake, server);
    server->executor = executor_start(&app->environment, (unsigned)config->http_threads, on_done, server);
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
    resume_answered(server);
    while (TAILQ_FIRST(&server->phases[PHASE_WORK]) != NULL)
        turn(server);
    MHD_stop_daemon(server->daemon);
    executor_free(server->executor);
    waiting_free(server->waiting);
    close(server->listen_fd);
    close(server->epoll_fd);
    close(server->wake_fd);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}
