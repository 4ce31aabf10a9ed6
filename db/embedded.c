#include "db/embedded.h"

#include <assert.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/child.h"
#include "db/cluster.h"
#include "db/cluster_lock.h"
#include "db/conn.h"

#define START_WAIT_MS 60000
#define POLL_MS       3

struct embedded {
    struct cluster cluster;
    const char *const *arguments; /* of the server */
    const char *pid_file;         /* the server's own */
    const char *conninfo;
    const char *maintenance_conninfo; /* database postgres */
    struct child child;
};

/* --- the end --- */

bool embedded_reap(struct embedded *server)
{
    cluster_log_bound(&server->cluster.log);
    return child_reap(&server->child);
}

const char *embedded_exit_text(const struct embedded *server)
{
    return server->child.end;
}

static void end_server(struct child *child)
{
    /* SIGINT: fast shutdown, cuts connections and writes a checkpoint. SIGQUIT: at once; recovery at the next
     * start. */
    static const struct {
        int signal_number;
        int wait_ms;
    } stages[] = {{SIGINT, 20000}, {SIGQUIT, 5000}, {SIGKILL, INT_MAX}};
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]) && !child_reap(child); i++) {
        kill(child->pid, stages[i].signal_number);
        child_wait(child, stages[i].wait_ms);
    }
}

static void free_server(struct embedded *server)
{
    if (server->cluster.log.fd >= 0)
        close(server->cluster.log.fd);
    arena_free(server->cluster.arena);
}

void embedded_stop(struct embedded **server)
{
    if (*server == NULL)
        return;
    end_server(&(*server)->child);
    free_server(*server);
    *server = NULL;
}

/* --- the start --- */

/* The last line of the server's own file says so. Looking there, unlike trying to connect, leaves no "the
 * database system is starting up" in its log. */
static bool is_ready(const struct embedded *server)
{
    char text[PATH_MAX + 1024];
    int fd = open(server->pid_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    return strstr(text, "\nready") != NULL;
}

static bool wait_ready(struct embedded *server, off_t log_start, char *error, size_t error_size)
{
    const struct cluster_log *log = &server->cluster.log;
    off_t log_seen = log_start;
    for (int waited = 0; !is_ready(server); waited += POLL_MS) {
        if (child_reap(&server->child)) {
            char words[512];
            cluster_log_last_words(log, log_start, words, sizeof(words));
            snprintf(error, error_size, "PostgreSQL did not start (%s): %s; see %s", server->child.end, words,
                     log->path);
            return false;
        }
        /* A long recovery reports its progress in the log every 10 s: as long as it does, it gets time. */
        off_t size = cluster_log_size(log);
        if (size != log_seen)
            waited = 0;
        log_seen = size;
        if (waited >= START_WAIT_MS) {
            snprintf(error, error_size, "PostgreSQL was not ready within %d s; see %s", START_WAIT_MS / 1000,
                     log->path);
            return false;
        }
        if (!child_pause(POLL_MS)) {
            snprintf(error, error_size, "asked to end while PostgreSQL started");
            return false;
        }
    }
    return true;
}

/* Connects, which also proves that the socket and the rules work, and makes the service's database. */
static bool make_database(const struct embedded *server, char *error, size_t error_size)
{
    PGconn *connection = PQconnectdb(server->maintenance_conninfo);
    bool good = PQstatus(connection) == CONNECTION_OK;
    if (good) {
        DB_RESULT found = PQexec(connection, "SELECT 1 FROM pg_database WHERE datname = 'postreeve'");
        good = PQresultStatus(found) == PGRES_TUPLES_OK;
        if (good && PQntuples(found) == 0) {
            DB_RESULT made = PQexec(connection, "CREATE DATABASE postreeve");
            good = PQresultStatus(made) == PGRES_COMMAND_OK;
        }
    }
    if (!good) {
        const char *message = PQerrorMessage(connection);
        snprintf(error, error_size, "cannot prepare the database postreeve: %.*s",
                 (int)strcspn(message, "\n"), message);
    }
    PQfinish(connection);
    return good;
}

static bool run_server(struct embedded *server, char *error, size_t error_size)
{
    const struct cluster *cluster = &server->cluster;
    const struct child_program program = {
        .arguments = server->arguments,
        .environment = cluster->environment,
        .folder = cluster->base,
        .output_fd = cluster->log.fd,
        .death_signal = SIGINT, /* fast shutdown */
    };
    assert(gettid() == getpid()); /* the child gets its signal when this thread ends */
    cluster_log_bound(&cluster->log);
    off_t log_start = cluster_log_size(&cluster->log);
    if (!cluster_write_rules(cluster, error, error_size))
        return false;
    if (!child_start(&server->child, &program)) {
        snprintf(error, error_size, "cannot run %s: %m; install PostgreSQL 15 or set --postgresql-bin-dir",
                 server->arguments[0]);
        return false;
    }
    if (wait_ready(server, log_start, error, error_size) && make_database(server, error, error_size))
        return true;
    end_server(&server->child);
    return false;
}

bool embedded_start(const struct embedded_options *options, struct embedded **ret, char *error,
                    size_t error_size)
{
    struct arena *arena = arena_new();
    struct embedded *server = arena_alloc(arena, sizeof(*server));
    struct cluster *cluster = &server->cluster;
    cluster->arena = arena;
    cluster->log.fd = -1;
    if (cluster_open(cluster, options->state_dir, options->bin_dir, error, error_size) &&
        cluster_lock_wait(cluster, error, error_size) && cluster_make(cluster, error, error_size)) {
        server->arguments = cluster_arguments(cluster, options->max_connections);
        server->pid_file = arena_printf(arena, "%s/postmaster.pid", cluster->data);
        server->conninfo = cluster_socket_conninfo(arena, cluster->run, "postreeve");
        server->maintenance_conninfo = cluster_socket_conninfo(arena, cluster->run, "postgres");
        if (run_server(server, error, error_size)) {
            *ret = server;
            return true;
        }
    }
    free_server(server);
    return false;
}

bool embedded_restart(struct embedded *server, char *error, size_t error_size)
{
    return cluster_lock_wait(&server->cluster, error, error_size) && run_server(server, error, error_size);
}

/* --- the way to it --- */

const char *embedded_conninfo(const struct embedded *server)
{
    return server->conninfo;
}

void embedded_conninfo_for(const char *state_dir, char *out, size_t out_size)
{
    char state[PATH_MAX];
    char error[1024];
    struct arena *arena = arena_new();
    const char *conninfo = "";
    if (realpath(state_dir, state) != NULL) {
        const char *run = arena_printf(arena, "%s/postgresql/run", state);
        if (cluster_socket_check(run, error, sizeof(error)))
            conninfo = cluster_socket_conninfo(arena, run, "postreeve");
    }
    snprintf(out, out_size, "%s", strlen(conninfo) < out_size ? conninfo : "");
    arena_free(arena);
}

bool embedded_check_path(const char *state_dir, char *error, size_t error_size)
{
    struct arena *arena = arena_new();
    bool good = cluster_socket_check(arena_printf(arena, "%s/postgresql/run", state_dir), error, error_size);
    arena_free(arena);
    return good;
}

bool embedded_answers(const char *conninfo)
{
    return PQping(conninfo) == PQPING_OK;
}
