/* HTTP: libmicrohttpd, which one thread of ours drives. */
#pragma once

#include <stdint.h>

#include "api/app.h"

struct server;
struct tls_certificate;

/* A socket that listens, before root is given up. -1 with a sentence in `error`. ret_port is the port it got. */
int server_listen(const char *address, uint16_t *ret_port, char *error, size_t error_size);

/* Serves on the socket from a thread of its own; takes the socket and the certificate over (NULL: plain HTTP). NULL with a
 * sentence in `error`. */
struct server *server_start(struct app *app, int listen_fd, struct tls_certificate *certificate, char *error,
                            size_t error_size);

/* Reads the certificate and its key again, for new connections; what cannot be used is logged and changes nothing. */
void server_reload(struct server *server);

/* Takes no more connections, lets what is in flight end (for at most config.drain_timeout), and ends. Accepts NULL. */
void server_stop(struct server *server);
