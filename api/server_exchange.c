/* Requests: their heads and bodies as they come, and their answers as they go. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "api/body.h"
#include "api/executor.h"
#include "api/head.h"
#include "api/headers.h"
#include "api/proxy.h"
#include "api/server_parts.h"
#include "api/trace.h"
#include "model/id.h"
#include "model/log.h"
#include "model/metrics.h"

#define BODY_LIMIT ((size_t)1024 * 1024)
/* A body that came without saying its length is read to here, so that its sender hears why; then it is cut. */
#define DISCARD_LIMIT (4 * BODY_LIMIT)
/* All bodies together: who is refused may come again, who fills the memory ends the service for everybody. */
#define BUFFERED_LIMIT ((size_t)256 * 1024 * 1024)
/* How much more of an upload comes before its route is run again. */
#define UPLOAD_PIECE ((size_t)256 * 1024)

/* --- reading the head --- */

/* The request line is there, as it was sent: libmicrohttpd's own path is decoded before it is split. */
void *on_request_line(void *argument, const char *uri, struct MHD_Connection *handle)
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
void go_on(struct exchange *exchange)
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
void submit(struct server *server)
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

enum MHD_Result on_request(void *argument, struct MHD_Connection *handle, const char *url, const char *method,
                           const char *version, const char *data, size_t *size, void **context)
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

void on_completed(void *argument, struct MHD_Connection *handle, void **context,
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
