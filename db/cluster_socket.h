/* The socket of the private cluster, STATE/postgresql/run/.s.PGSQL.5432: nothing listens on the network. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/arena.h"

#define CLUSTER_PORT   "5432" /* only a part of the socket's name */
#define CLUSTER_SOCKET ".s.PGSQL." CLUSTER_PORT

/* Whether a socket can stand in the folder and be named to server and client. */
bool cluster_socket_check(const char *run, char *error, size_t error_size);

/* The libpq string for a database behind it, as the cluster's superuser. */
const char *cluster_socket_conninfo(struct arena *arena, const char *run, const char *database);
