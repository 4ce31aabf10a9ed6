/*
 * The private PostgreSQL cluster in STATE/postgresql: data (the cluster), run (the socket's folder, 0700),
 * server.log (and server.log.old, bounded). `postgres` is a direct child of this process; it shuts down
 * cleanly by itself when this process ends in whatever way, also by SIGKILL.
 *
 * All functions that take a `struct embedded *` are called from the main thread: the kernel tells the child
 * of the end of the thread which started it. The caller holds the lock of the state folder (db/state_lock.h)
 * for as long as the cluster is in use, and is not root.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct embedded_options {
    const char *state_dir;    /* exists, belongs to this process's user */
    const char *bin_dir;      /* holds postgres and initdb */
    unsigned max_connections; /* of the server; 0: PostgreSQL's own default */
};

struct embedded;

/* Makes the cluster if there is none (a kill in the midst leaves nothing half-made), waits up to 30 s for the
 * end of an old server that still shuts down, starts the server, waits until it answers (up to 60 s without a
 * sign of progress, for crash recovery) and makes the database `postreeve` if it is missing. Blocks
 * meanwhile. On false nothing runs and `error` says what to do. */
bool embedded_start(const struct embedded_options *options, struct embedded **ret, char *error,
                    size_t error_size);

/* The libpq string of the service's database, user `postreeve` (the cluster's superuser). Lives as long as
 * the cluster's struct; stays the same over restarts. */
const char *embedded_conninfo(const struct embedded *server);

/* The same string for a command beside a running service. It is "" when it does not fit, when there is no
 * such folder, or when no socket can stand in it (embedded_start says why). */
void embedded_conninfo_for(const char *state_dir, char *out, size_t out_size);

/* Whether the cluster's socket can stand in this state folder at all: its path has few bytes and plain
 * characters. */
bool embedded_check_path(const char *state_dir, char *error, size_t error_size);

/* Whether a server answers at such a string. */
bool embedded_answers(const char *conninfo);

/* Never blocks. True when the server is not running (any more); call it every second or so and upon SIGCHLD.
 * It also keeps the server's log file within bounds. */
bool embedded_reap(struct embedded *server);

/* How the server ended, for the log ("killed by signal 9: Killed"); "" while it runs. */
const char *embedded_exit_text(const struct embedded *server);

/* Starts the server again after embedded_reap said true; waits like embedded_start. May be called again on
 * false. */
bool embedded_restart(struct embedded *server, char *error, size_t error_size);

/* Stops the server: fast shutdown, after 20 s immediate shutdown, after 5 more SIGKILL. Frees and sets
 * *server to NULL; *server may be NULL. Close the connections before, or they are cut. */
void embedded_stop(struct embedded **server);
