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
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/body.h"
#include "api/executor.h"
#include "api/head.h"
#include "api/headers.h"
#include "api/proxy.h"
#include "api/request.h"
#include "api/tls.h"
#include "api/trace.h"
#include "api/waiting.h"
#include "model/id.h"
#include "model/log.h"
#include "model/metrics.h"

#define BACKLOG           4096
#define CONNECTION_MEMORY ((size_t)8 * 1024) /* bounds the head of a request */
#define BODY_LIMIT        ((size_t)1024 * 1024)
/* A body that came without saying its length is read to here, so that its sender hears why; then it is cut. */
#define DISCARD_LIMIT (4 * BODY_LIMIT)
/* All bodies together: who is refused may come again, who fills the memory ends the service for everybody. */
#define BUFFERED_LIMIT ((size_t)256 * 1024 * 1024)
/* How much more of an upload comes before its route is run again. */
#define UPLOAD_PIECE ((size_t)256 * 1024)
#define TICK_MS      250
#define HALF_SENT_MS 1000 /* how long a request takes to come before its client is looked after */

/* What a connection is at. Each phase but WORK has one length of time for all, so that the connections of a phase,
 * in the order in which they came to it, are in the order of their deadlines. libmicrohttpd's own time-out counts from
 * the last byte: who sends a byte a second stays for ever. */
enum phase { PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_WORK, PHASE_ANSWER, PHASE_COUNT };

struct connection {
    struct tls_reader reader; /* has the descriptor, with or without TLS */
    struct server *server;
    struct MHD_Connection *handle;
    enum phase phase;
    int64_t since_ms;
    TAILQ_ENTRY(connection) link;

    /* Until its first request (see park_hungry). */
    enum hunger { FED, HUNGRY, PARKED, NEVER_HUNGRY } hunger;
    TAILQ_ENTRY(connection) hungry_link;

    bool is_watched;       /* by the loop's own epoll */
    struct exchange *held; /* its client's going away is an event of the loop */
};
TAILQ_HEAD(connection_list, connection);

enum progress { NEW, READING, DISCARDING, WORKING, ANSWERABLE, ANSWERED, SENDING };

/* The server's side of a request. */
struct exchange {
    struct request request;
    struct server *server;
    struct MHD_Connection *handle;
    struct connection *connection;
    enum progress progress;
    size_t announced; /* the length of its body, when that is known */
    size_t discarded;
    enum code refusal; /* of a body that is discarded; CODE_ANSWERED: its answer is made */
    size_t received;   /* bytes of the body */
    size_t next_piece; /* of an upload: bytes in the body at which it is worked on */
    size_t offset;     /* of a download: bytes of the piece that are sent */
    bool is_upload;    /* one of those that are bounded */
    int64_t start_us;
    const char *uri_end; /* as sent: the HTTP version stands behind it, unless there is a NUL in it */
    size_t sent;
    bool has_body; /* says that it has */
    bool closes;   /* the connection ends with the answer */
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
    struct tls_certificate *certificate; /* to be used for new connections */

    /* Of the loop's thread. */
    struct connection_list phases[PHASE_COUNT];
    struct connection_list hungry;
    struct connection_list parked;
    int64_t limits_ms[PHASE_COUNT];              /* 0: none */
    struct request *submitted, **last_submitted; /* in this turn */
    unsigned in_flight;
    size_t buffered;  /* bytes held for bodies that are being read or worked on */
    unsigned uploads; /* that take more than one piece */
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
            shutdown(connection->reader.fd, SHUT_RDWR);
            enter_phase(server, connection,
                        (enum phase)phase); /* at the end: it will be gone before its turn */
        }
    }
}

/* libmicrohttpd misses the end of what a client sends when it comes together with the bytes before it: it would wait for
 * the rest of the request until its time is over. */
static void drop_half_sent_requests(struct server *server)
{
    static const enum phase phases[] = {PHASE_HEAD, PHASE_BODY};
    int64_t before = now_ms() - HALF_SENT_MS;
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        struct connection *connection = TAILQ_FIRST(&server->phases[phases[i]]);
        for (; connection != NULL && connection->since_ms <= before;
             connection = TAILQ_NEXT(connection, link)) {
            char byte;
            if (recv(connection->reader.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
                shutdown(connection->reader.fd, SHUT_RDWR);
        }
    }
}

/* --- handshakes ---
 *
 * libmicrohttpd 0.9.75 forgets that a TLS handshake found nothing to read: it counts the connection as readable still and
 * tries again without a pause, for as long as the client likes. So such a connection is taken out of its hands until our own
 * epoll sees more of it. From the first request on it does know. */

static void on_nothing_to_read(struct tls_reader *reader)
{
    struct connection *connection = (struct connection *)reader; /* its first member */
    if (connection->hunger != FED)
        return;
    connection->hunger = HUNGRY;
    TAILQ_INSERT_TAIL(&connection->server->hungry, connection, hungry_link);
}

static void end_hunger(struct connection *connection, enum hunger next)
{
    struct server *server = connection->server;
    if (connection->hunger == HUNGRY || connection->hunger == PARKED)
        TAILQ_REMOVE(connection->hunger == HUNGRY ? &server->hungry : &server->parked, connection,
                     hungry_link);
    connection->hunger = next;
}

static bool watch_connection(struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    int operation = connection->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(connection->server->epoll_fd, operation, connection->reader.fd, &event) != 0)
        return false;
    connection->is_watched = true;
    return true;
}

static void unwatch_connection(struct connection *connection)
{
    if (connection->is_watched)
        epoll_ctl(connection->server->epoll_fd, EPOLL_CTL_DEL, connection->reader.fd, NULL);
    connection->is_watched = false;
}

static void park_hungry(struct server *server)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&server->hungry)) != NULL) {
        end_hunger(connection, FED);
        if (server->closed || !watch_connection(connection, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT))
            continue;
        connection->hunger = PARKED;
        TAILQ_INSERT_TAIL(&server->parked, connection, hungry_link);
        MHD_suspend_connection(connection->handle);
    }
}

static void unpark(struct connection *connection)
{
    end_hunger(connection, FED);
    MHD_resume_connection(connection->handle);
}

/* --- connections --- */

static void start_connection(struct server *server, struct MHD_Connection *handle, void **context)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        abort();
    connection->reader.fd = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->reader.on_empty = on_nothing_to_read;
    connection->server = server;
    connection->handle = handle;
    if (server->app->config->tls_cert != NULL)
        tls_read_by(MHD_get_connection_info(handle, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session,
                    &connection->reader);
    connection->phase = PHASE_HEAD;
    connection->since_ms = now_ms();
    TAILQ_INSERT_TAIL(&server->phases[PHASE_HEAD], connection, link);
    *context = connection;
}

static void on_connection(void *argument, struct MHD_Connection *handle, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct connection *connection = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        metrics_add(((struct server *)argument)->app->environment.metrics, METRIC_CONNECTIONS, 1);
        start_connection(argument, handle, context);
    } else if (connection != NULL) {
        metrics_add(connection->server->app->environment.metrics, METRIC_CONNECTIONS, -1);
        TAILQ_REMOVE(&connection->server->phases[connection->phase], connection, link);
        end_hunger(connection, FED);
        free(connection);
        *context = NULL;
    }
}

/* --- reading the head --- */

/* The request line is there, as it was sent: libmicrohttpd's own path is decoded before it is split. */
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
    exchange->uri_end = uri + strlen(uri);
    end_hunger(exchange->connection, NEVER_HUNGRY);
    unwatch_connection(exchange->connection);
    request->transport = exchange;
    request->app = server->app;
    request->arena = arena;
    request->now = time(NULL);
    request->problem.arena = arena;
    request->path = arena_copy(arena, uri, question != NULL ? (size_t)(question - uri) : strlen(uri));
    request->query = question != NULL ? arena_string(arena, question + 1) : "";
    server->in_flight++;
    metrics_add(server->app->environment.metrics, METRIC_IN_FLIGHT, 1);
    /* A first request's time began with its connection. */
    if (exchange->connection->phase != PHASE_HEAD)
        enter_phase(server, exchange->connection, PHASE_HEAD);
    return exchange;
}

static enum MHD_Result on_header(void *argument, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    head_add(argument, name, value);
    return MHD_YES;
}

/* Before a byte of the body is read: only for who has some credential or brings one to sign in, and while there is room. What is only announced
 * takes none: a few who never send what they announce would keep out all others. */
static enum code admit_body(const struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    const struct route *route = request->route;
    if (route->for_mail_user && request->authorization == NULL)
        return CODE_UNAUTHENTICATED;
    if (route->action != NULL && request->authorization == NULL && request->cookies == NULL)
        return CODE_UNAUTHENTICATED;
    return exchange->server->buffered < BUFFERED_LIMIT ? CODE_OK : CODE_OVERLOADED;
}

/* False when it cannot be told. */
static bool find_source(struct exchange *exchange, const struct proxy_headers *headers)
{
    struct request *request = &exchange->request;
    const struct config *config = request->app->config;
    const struct sockaddr *peer =
        MHD_get_connection_info(exchange->handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    struct proxy_source source = {.address = ""};
    static const struct proxy_headers none = {0};
    bool found =
        proxy_find_source(request->arena, config->proxies, peer, config->tls_cert != NULL, headers, &source);
    if (!found)
        proxy_find_source(request->arena, NULL, peer, config->tls_cert != NULL, &none, &source);
    request->source_address = source.address;
    request->is_secure = source.is_secure;
    return found;
}

static size_t body_limit(const struct exchange *exchange)
{
    const struct route *route = exchange->request.route;
    if (route != NULL && route->uploads != NULL)
        return (size_t)exchange->server->app->config->upload_limit * 1024 * 1024;
    return route != NULL && route->body_limit != 0 ? route->body_limit : BODY_LIMIT;
}

/* CODE_OK, or why the request is refused before its body is read. */
static enum code read_head(struct exchange *exchange, const char *method, const char *version)
{
    struct request *request = &exchange->request;
    struct head head = {.request = request, .end = version + strlen(version)};
    size_t size =
        MHD_get_connection_info(exchange->handle, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;

    MHD_get_connection_values(exchange->handle, MHD_HEADER_KIND, on_header, &head);
    request->method_name = arena_string(request->arena, method);
    request->host = head.host;
    request->request_id = head.request_id != NULL && head_is_request_id(head.request_id)
                              ? arena_string(request->arena, head.request_id)
                              : id_new_uuid(request->arena);
    request->trace_id = head.traceparent != NULL ? trace_id_of(request->arena, head.traceparent) : NULL;
    bool has_source = find_source(exchange, &head.proxies);
    /* What it takes for the end of a chunked body may not be what a proxy does, as with the head. */
    exchange->closes = head.transfer_encoding != NULL;
    exchange->has_body = head.content_length != NULL || head.transfer_encoding != NULL;
    bool is_whole = version == exchange->uri_end + 1 && head_ends(&head, method + size);
    enum code code = head_check(&head, version, is_whole, has_source);
    if (code != CODE_OK)
        return code;
    unsigned long long length = head.content_length != NULL ? strtoull(head.content_length, NULL, 10) : 0;
    bool is_found = request_find_route(request);
    if (length > body_limit(exchange))
        return CODE_PAYLOAD_TOO_LARGE;
    exchange->announced = (size_t)length;
    if (!is_found)
        return CODE_ANSWERED;
    return length > 0 || head.transfer_encoding != NULL ? admit_body(exchange) : CODE_OK;
}

/* --- answering --- */

/* Of what goes on piece by piece: each has its own time, and all of them one. */
static bool is_over_time(const struct exchange *exchange)
{
    return now_us() - exchange->start_us > exchange->server->app->config->transfer_timeout * 1000000;
}

static void queue_work(struct exchange *exchange);

/* The next bytes of a download. At the end of a piece the connection waits until the next one is made. */
static ssize_t read_piece(void *argument, uint64_t position, char *buffer, size_t size)
{
    struct exchange *exchange = argument;
    struct request *request = &exchange->request;
    const struct response *answer = &request->response;
    (void)position;
    if (answer->status != 200) /* it failed in its midst: the head is gone out, the end cannot come */
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (exchange->offset == answer->length) {
        if (!request->continues)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (exchange->server->closed || is_over_time(exchange))
            return MHD_CONTENT_READER_END_WITH_ERROR;
        request->response.length = exchange->offset = 0;
        queue_work(exchange);
        return 0;
    }
    size_t length = answer->length - exchange->offset;
    if (length > size)
        length = size;
    memcpy(buffer, answer->body + exchange->offset, length);
    exchange->offset += length;
    exchange->sent += length;
    return (ssize_t)length;
}

/* Of a download; an upload that is refused wanted more of its body. */
static bool has_more(const struct request *request)
{
    return request->continues && request->route->downloads && request->response.status == 200;
}

/* The bytes live in the request's arena, or in that of the piece: on_completed frees them. */
static struct MHD_Response *make_response(struct exchange *exchange)
{
    const struct response *answer = &exchange->request.response;
    if (has_more(&exchange->request))
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, read_piece, exchange, NULL);
    return MHD_create_response_from_buffer(answer->length, (void *)(uintptr_t)answer->body,
                                           MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_answer(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    const struct response *answer = &request->response;
    headers_complete(request);
    struct MHD_Response *response = make_response(exchange);
    if (response == NULL)
        return MHD_NO;

    if (answer->content_type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    for (size_t i = 0; i < answer->header_count; i++)
        MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    if (exchange->server->stopping || exchange->closes)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");

    enum MHD_Result result = MHD_queue_response(exchange->handle, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    exchange->progress = has_more(request) ? SENDING : ANSWERED;
    exchange->sent = has_more(request) ? 0 : answer->length;
    enter_phase(exchange->server, exchange->connection, PHASE_ANSWER);
    return result;
}

static enum MHD_Result refuse(struct exchange *exchange, enum code code)
{
    response_refuse(&exchange->request, code);
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
    queue_work(exchange);
    return MHD_YES;
}

static void queue_work(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct request *request = &exchange->request;
    enter_phase(server, exchange->connection, PHASE_WORK);
    MHD_suspend_connection(exchange->handle);
    request->continues = false;
    request->next = NULL;
    *server->last_submitted = request;
    server->last_submitted = &request->next;
}

/* What was read is worked on: the rest of the body is read, or dropped when the answer is made already. */
static void read_on(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct request *request = &exchange->request;
    exchange->next_piece = request->body.length + UPLOAD_PIECE;
    exchange->progress = READING;
    if (request->continues && !exchange->is_upload) {
        exchange->is_upload = server->uploads < (unsigned)server->app->config->upload_connections;
        server->uploads += exchange->is_upload;
        if (!exchange->is_upload)
            response_refuse(request, CODE_OVERLOADED);
    }
    if (request->response.status != 0) {
        exchange->progress = DISCARDING;
        exchange->refusal = CODE_ANSWERED;
        exchange->closes = true;
    }
    enter_phase(server, exchange->connection, PHASE_BODY);
    if (server->stopping)
        shutdown(exchange->connection->reader.fd, SHUT_RDWR);
    MHD_resume_connection(exchange->handle);
}

/* On the loop's thread, once a request is worked on. */
static void go_on(struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    if (exchange->progress == SENDING) {
        enter_phase(exchange->server, exchange->connection, PHASE_ANSWER);
        MHD_resume_connection(exchange->handle);
    } else if (request->route->uploads != NULL && !request->body_ended) {
        read_on(exchange);
    } else {
        exchange->progress = ANSWERABLE;
        MHD_resume_connection(exchange->handle);
    }
}

/* Together, at the end of a turn: who wakes up finds them all. */
static void submit(struct server *server)
{
    struct request *refused = executor_submit_all(server->executor, server->submitted);
    server->submitted = NULL;
    server->last_submitted = &server->submitted;
    while (refused != NULL) {
        struct request *next = refused->next;
        response_refuse(refused, CODE_OVERLOADED);
        go_on(refused->transport);
        refused = next;
    }
}

/* Worked on once there is a piece: until that is done nothing more is read from the client. */
static enum MHD_Result read_upload(struct exchange *exchange)
{
    if (exchange->next_piece == 0)
        exchange->next_piece = UPLOAD_PIECE;
    if (exchange->request.body.length < exchange->next_piece)
        return MHD_YES;
    if (exchange->server->closed || is_over_time(exchange))
        return MHD_NO;
    return start_work(exchange);
}

static enum MHD_Result read_body(struct exchange *exchange, const char *data, size_t *size)
{
    struct server *server = exchange->server;
    struct buffer *body = &exchange->request.body;
    size_t length = *size;
    bool is_upload = exchange->request.route->uploads != NULL;
    *size = 0;
    exchange->received += length;
    if (exchange->progress == READING) {
        size_t capacity = body_capacity(body, exchange->announced, length);
        size_t buffered = server->buffered + capacity - body->capacity;
        exchange->refusal = exchange->received > body_limit(exchange) ? CODE_PAYLOAD_TOO_LARGE
                            : buffered > BUFFERED_LIMIT               ? CODE_OVERLOADED
                                                                      : CODE_OK;
        if (exchange->refusal == CODE_OK) {
            server->buffered = buffered;
            body_append(body, capacity, data, length);
            return is_upload ? read_upload(exchange) : MHD_YES;
        }
    }
    exchange->progress = DISCARDING;
    exchange->discarded += length;
    /* Of an upload the rest is read for as long as a body may take: its sender looks for an answer only at its end. */
    return exchange->discarded <= (is_upload ? body_limit(exchange) : DISCARD_LIMIT) ? MHD_YES : MHD_NO;
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
        if (code == CODE_ANSWERED && !exchange->has_body) {
            exchange->progress = ANSWERABLE;
            return MHD_YES;
        }
        exchange->closes = true; /* where the next request begins is not sure */
        return code == CODE_ANSWERED ? send_answer(exchange) : refuse(exchange, code);
    }
    case READING:
    case DISCARDING:
        if (*size > 0)
            return read_body(exchange, data, size);
        exchange->request.body_ended = true;
        if (exchange->progress == READING)
            return start_work(exchange);
        return exchange->refusal == CODE_ANSWERED ? send_answer(exchange)
                                                  : refuse(exchange, exchange->refusal);
    case ANSWERABLE:
        return send_answer(exchange);
    case WORKING:
    case ANSWERED:
    case SENDING:
        break;
    }
    return MHD_YES;
}

static void log_request(const struct exchange *exchange, enum MHD_RequestTerminationCode why)
{
    const struct request *request = &exchange->request;
    LOG(LOG_INFO, "request", LOG_TEXT("request_id", request->request_id),
        LOG_OPTIONAL("trace_id", request->trace_id), LOG_TEXT("source_address", request->source_address),
        LOG_TEXT("method", request->method_name), LOG_TEXT("path", request->path),
        LOG_TEXT("operation", request->route != NULL ? request->route->operation : ""),
        LOG_TEXT("access_key_id", request->principal.access_key_id),
        LOG_NUMBER("status", request->response.status),
        LOG_TEXT("end", why == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "sent" : "cut"),
        LOG_NUMBER("bytes", (int64_t)exchange->sent),
        LOG_NUMBER("duration_us", now_us() - exchange->start_us));
}

static void count_request(const struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    metrics_count_request(request->app->environment.metrics,
                          request->route != NULL ? (size_t)(request->route - routes) : SIZE_MAX,
                          request->response.status, now_us() - exchange->start_us);
}

/* An end that came together with the request is one that libmicrohttpd does not see: it would wait for the next. */
static void end_if_left(const struct connection *connection)
{
    char byte;
    if (recv(connection->reader.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        shutdown(connection->reader.fd, SHUT_RDWR);
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
    server->buffered -= exchange->request.body.capacity;
    body_free(&exchange->request.body);
    server->uploads -= exchange->is_upload;
    server->in_flight--;
    metrics_add(server->app->environment.metrics, METRIC_IN_FLIGHT, -1);
    count_request(exchange);
    enter_phase(server, exchange->connection, PHASE_IDLE);
    request_end(&exchange->request);
    if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        end_if_left(exchange->connection);
    arena_free(exchange->request.piece);
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

/* Those that wait for a request, or are in the midst of sending one: only what is being worked on is waited for. */
static void end_connections_without_work(struct server *server)
{
    static const enum phase phases[] = {PHASE_IDLE, PHASE_HEAD, PHASE_BODY};
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        struct connection *connection = TAILQ_FIRST(&server->phases[phases[i]]);
        for (; connection != NULL; connection = TAILQ_NEXT(connection, link))
            shutdown(connection->reader.fd, SHUT_RDWR);
    }
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
