#include "api/metrics_server.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "api/metrics.h"

/* One scraper or two, and somebody who looks. */
#define CONNECTION_LIMIT   16
#define CONNECTION_SECONDS 10

struct metrics_server {
    const struct app *app;
    struct MHD_Daemon *daemon;
};

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

struct metrics_server *metrics_server_start(const struct app *app, int listen_fd)
{
    struct metrics_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        abort();
    server->app = app;
    /* Not epoll: with that libmicrohttpd 0.9.75 loses connections when very many are busy. */
    server->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, NULL, NULL,
                         on_request, server, MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
                         CONNECTION_LIMIT, MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS, MHD_OPTION_END);
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
