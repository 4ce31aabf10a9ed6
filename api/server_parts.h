/* What server.c, server_connection.c and server_exchange.c have in common; nothing else includes it. All of it belongs to
 * the loop's thread but what says otherwise. */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/app.h"
#include "api/config.h"
#include "api/request.h"
#include "api/tls.h"

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

/* --- server_connection.c: deadlines, and clients that go away --- */

/* Of the monotonic clock. */
int64_t now_us(void);
int64_t now_ms(void);

void enter_phase(struct server *server, struct connection *connection, enum phase phase);

/* Those whose time in their phase is over. */
void cut_late_connections(struct server *server);

/* Those whose client has gone since it began its request; not before HALF_SENT_MS. */
void drop_half_sent_requests(struct server *server);

/* Those that wait for a request, or are in the midst of sending one. */
void end_connections_without_work(struct server *server);

/* Of the loop's own epoll; the connection is the event's pointer. */
bool watch_connection(struct connection *connection, uint32_t events);
void unwatch_connection(struct connection *connection);

/* Handshakes that found nothing to read are out of libmicrohttpd's hands from park_hungry to unpark. */
void park_hungry(struct server *server);
void unpark(struct connection *connection);
void end_hunger(struct connection *connection, enum hunger next);

/* MHD_OPTION_NOTIFY_CONNECTION; its argument is the server. */
void on_connection(void *argument, struct MHD_Connection *handle, void **context,
                   enum MHD_ConnectionNotificationCode what);

/* --- server_exchange.c: a request comes, is worked on, is answered --- */

/* MHD_OPTION_URI_LOG_CALLBACK, the handler of requests and MHD_OPTION_NOTIFY_COMPLETED; their argument is the server. */
void *on_request_line(void *argument, const char *uri, struct MHD_Connection *handle);
enum MHD_Result on_request(void *argument, struct MHD_Connection *handle, const char *url, const char *method,
                           const char *version, const char *data, size_t *size, void **context);
void on_completed(void *argument, struct MHD_Connection *handle, void **context,
                  enum MHD_RequestTerminationCode why);

/* What was queued in this turn goes to the executor. */
void submit(struct server *server);

/* Once a request is worked on: it is answered, or the rest of its body is read. */
void go_on(struct exchange *exchange);
