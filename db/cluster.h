/*
 * The folder STATE/postgresql: data (the cluster), run (the socket's folder) and server.log. Its programs get
 * nothing of the service's PG… variables.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "db/cluster_log.h"
#include "db/cluster_socket.h"
#include "model/arena.h"

struct cluster {
    struct arena *arena; /* all lives there */
    const char *bin_dir;
    const char *base; /* STATE/postgresql; all paths are absolute and without symbolic links */
    const char *data;
    const char *run;
    const char *os_user;
    const char *const *environment;
    struct cluster_log log;
};

/* Finds the programs and makes the folders. On false `error` says what to do; as everywhere here. */
bool cluster_open(struct cluster *cluster, const char *state_dir, const char *bin_dir, char *error,
                  size_t error_size);

/* Makes the data folder if there is none; a kill in the midst leaves nothing half-made. */
bool cluster_make(const struct cluster *cluster, char *error, size_t error_size);

/* Who may connect: the service's user and root. To be called before every start of the server. */
bool cluster_write_rules(const struct cluster *cluster, char *error, size_t error_size);

/* The command line of the server. `max_connections` 0: PostgreSQL's own default. */
const char *const *cluster_arguments(const struct cluster *cluster, unsigned max_connections);
