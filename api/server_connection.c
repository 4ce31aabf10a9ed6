/* Connections: what each is at, how long it may be so, and what libmicrohttpd does not see of its client. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "api/server_parts.h"
#include "model/metrics.h"

int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t now_ms(void)
{
    return now_us() / 1000;
}

/* --- deadlines --- */

void enter_phase(struct server *server, struct connection *connection, enum phase phase)
{
    TAILQ_REMOVE(&server->phases[connection->phase], connection, link);
    connection->phase = phase;
    connection->since_ms = now_ms();
    TAILQ_INSERT_TAIL(&server->phases[phase], connection, link);
}

/* Shutting the descriptor down is what libmicrohttpd notices; the connection then ends by itself. */
void cut_late_connections(struct server *server)
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
void drop_half_sent_requests(struct server *server)
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
/* Those that wait for a request, or are in the midst of sending one: only what is being worked on is waited for. */
void end_connections_without_work(struct server *server)
{
    static const enum phase phases[] = {PHASE_IDLE, PHASE_HEAD, PHASE_BODY};
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        struct connection *connection = TAILQ_FIRST(&server->phases[phases[i]]);
        for (; connection != NULL; connection = TAILQ_NEXT(connection, link))
            shutdown(connection->reader.fd, SHUT_RDWR);
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

void end_hunger(struct connection *connection, enum hunger next)
{
    struct server *server = connection->server;
    if (connection->hunger == HUNGRY || connection->hunger == PARKED)
        TAILQ_REMOVE(connection->hunger == HUNGRY ? &server->hungry : &server->parked, connection,
                     hungry_link);
    connection->hunger = next;
}

bool watch_connection(struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    int operation = connection->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(connection->server->epoll_fd, operation, connection->reader.fd, &event) != 0)
        return false;
    connection->is_watched = true;
    return true;
}

void unwatch_connection(struct connection *connection)
{
    if (connection->is_watched)
        epoll_ctl(connection->server->epoll_fd, EPOLL_CTL_DEL, connection->reader.fd, NULL);
    connection->is_watched = false;
}

void park_hungry(struct server *server)
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

void unpark(struct connection *connection)
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

void on_connection(void *argument, struct MHD_Connection *handle, void **context,
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
