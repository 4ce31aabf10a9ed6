/* The metrics on an address of their own: without a credential, and answered whatever the service's lanes are at. */
#pragma once

#include "api/app.h"

struct metrics_server;

/* Serves on the socket from a thread of its own; takes the socket over. NULL when there is no thread to be had. */
struct metrics_server *metrics_server_start(const struct app *app, int listen_fd);

/* Accepts NULL. */
void metrics_server_stop(struct metrics_server *server);
