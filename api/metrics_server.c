#include "api/metrics_server.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "api/metrics.h"

/* One scraper or two, and somebody who looks. Who comes when they are all there takes the place of who has been there longest:
 * libmicrohttpd's time-out counts from the last byte, so that those who drip would keep out all others for ever. */
#define PLACES             16
#define CONNECTION_LIMIT   (4 * PLACES) /* with those that are about to end */
#define CONNECTION_SECONDS 10

struct connection {
    int fd;
    bool is_placed;
    TAILQ_ENTRY(connection) link;
};

struct metrics_server {
    const struct app *app;
    struct MHD_Daemon *daemon;
    /* Of the daemon's thread. */
    TAILQ_HEAD(connection_list, connection) placed; /* in the order in which they came */
    unsigned count;
};

/* --- connections --- */

static void leave_place(struct metrics_server *server, struct connection *connection)
{
    if (!connection->is_placed)
        return;
    TAILQ_REMOVE(&server->placed, connection, link);
    connection->is_placed = false;
    server->count--;
}

static struct connection *take_place(struct metrics_server *server, int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        abort();
    if (server->count == PLACES) {
        struct connection *oldest = TAILQ_FIRST(&server->placed);
        leave_place(server, oldest);
        shutdown(oldest->fd, SHUT_RDWR); /* which libmicrohttpd notices, and ends it */
    }
    *connection = (struct connection){.fd = fd, .is_placed = true};
    TAILQ_INSERT_TAIL(&server->placed, connection, link);
    server->count++;
    return connection;
}

static void on_connection(void *argument, struct MHD_Connection *handle, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct metrics_server *server = argument;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = take_place(server,
                              MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    } else if (*context != NULL) {
        leave_place(server, *context);
        free(*context);
        *context = NULL;
    }
}

/* --- answering --- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              const struct buffer *body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->length, body->data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *argument, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **context)
{
    static char begun;
    const struct metrics_server *server = argument;
    (void)version;
    (void)data;
    if (*context == NULL) {
        *context = &begun;
        return MHD_YES;
    }
    if (*size > 0) { /* a body, of which nobody wants anything */
        *size = 0;
        return MHD_YES;
    }
    struct arena *arena = arena_new();
    struct buffer body = {.arena = arena};
    bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    bool found = reads && strcmp(url, "/metrics") == 0;
    if (found)
        metrics_write(server->app, &body);
    else
        buffer_text(&body, "GET /metrics is all there is here.\n");
    enum MHD_Result result = answer(connection, found ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND,
                                    found ? METRICS_CONTENT_TYPE : "text/plain; charset=utf-8", &body);
    arena_free(arena);
    return result;
}

/* --- life --- */

struct metrics_server *metrics_server_start(const struct app *app, int listen_fd)
{
    struct metrics_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        abort();
    server->app = app;
    TAILQ_INIT(&server->placed);
    /* Not epoll: with that libmicrohttpd 0.9.75 loses connections when very many are busy. */
    server->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, NULL, NULL,
                         on_request, server, MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
                         CONNECTION_LIMIT, MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
    if (server->daemon != NULL)
        return server;
    free(server);
    return NULL;
}

void metrics_server_stop(struct metrics_server *server)
{
    if (server == NULL)
        return;
    MHD_stop_daemon(server->daemon); /* closes the socket */
    free(server);
}
