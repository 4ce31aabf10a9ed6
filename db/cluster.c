#include "db/cluster.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/child.h"
#include "db/private_file.h"

static bool find_user_name(struct cluster *cluster, char *error, size_t error_size)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[16384];
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) != 0 || found == NULL) {
        snprintf(
            error, error_size,
            "user id %u has no name (no line in /etc/passwd), PostgreSQL needs one; run the service as a "
            "user made with useradd",
            (unsigned)geteuid());
        return false;
    }
    cluster->os_user = arena_string(cluster->arena, found->pw_name);
    return true;
}

static bool resolve(struct arena *arena, const char *path, const char **ret_path)
{
    char resolved[PATH_MAX];
    if (realpath(path, resolved) == NULL)
        return false;
    *ret_path = arena_string(arena, resolved);
    return true;
}

static bool make_folder(const char *path, char *error, size_t error_size)
{
    if (mkdir(path, 0700) == 0)
        return file_sync_folder(path, error, error_size);
    struct stat status;
    if (errno != EEXIST || lstat(path, &status) != 0) {
        snprintf(error, error_size, "cannot make the folder %s: %m; check its parent's owner and disk", path);
        return false;
    }
    if (S_ISDIR(status.st_mode) && status.st_uid == geteuid())
        return true;
    snprintf(
        error, error_size,
        "%s is not a folder of the service's user (user id %u); move it away, or give it to that user with "
        "chown -R",
        path, (unsigned)geteuid());
    return false;
}

static const char *const *make_environment(const struct cluster *cluster)
{
    /* Its own HOME: libpq inside the server fails on one that it may not read. */
    const char *const values[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC",
                                  arena_printf(cluster->arena, "HOME=%s", cluster->base), NULL};
    return memcpy(arena_alloc(cluster->arena, sizeof(values)), values, sizeof(values));
}

bool cluster_open(struct cluster *cluster, const char *state_dir, const char *bin_dir, char *error,
                  size_t error_size)
{
    const char *state;
    struct arena *arena = cluster->arena;
    if (!resolve(arena, state_dir, &state)) {
        snprintf(error, error_size, "cannot use the state folder %s: %m; check the path and its permissions",
                 state_dir);
        return false;
    }
    if (!resolve(arena, bin_dir, &cluster->bin_dir)) {
        snprintf(
            error, error_size,
            "PostgreSQL is not in %s (%m); run apt-get install postgresql-15 or set --postgresql-bin-dir",
            bin_dir);
        return false;
    }
    cluster->base = arena_printf(arena, "%s/postgresql", state);
    cluster->data = arena_printf(arena, "%s/data", cluster->base);
    cluster->run = arena_printf(arena, "%s/run", cluster->base);
    cluster->log.path = arena_printf(arena, "%s/server.log", cluster->base);
    cluster->log.old_path = arena_printf(arena, "%s.old", cluster->log.path);
    cluster->environment = make_environment(cluster);
    return find_user_name(cluster, error, error_size) &&
           cluster_socket_check(cluster->run, error, error_size) &&
           make_folder(cluster->base, error, error_size) && make_folder(cluster->run, error, error_size) &&
           cluster_log_open(&cluster->log, error, error_size);
}

/* --- making it --- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    remove(path); /* what stays is told by initdb, which wants an empty folder */
    return 0;
}

static bool run_initdb(const struct cluster *cluster, const char *data, char *error, size_t error_size)
{
    const char *const arguments[] = {
        arena_printf(cluster->arena, "%s/initdb", cluster->bin_dir),
        "-D",
        data,
        "--username=postreeve",
        "--auth=peer",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
        NULL,
    };
    const struct child_program program = {
        .arguments = arguments,
        .environment = cluster->environment,
        .folder = cluster->base,
        .output_fd = cluster->log.fd,
        .death_signal = SIGKILL, /* nothing of an unfinished cluster is worth a clean end */
    };
    struct child child;
    off_t log_start = cluster_log_size(&cluster->log);
    if (!child_start(&child, &program)) {
        snprintf(error, error_size, "cannot run %s: %m; install PostgreSQL 15 or set --postgresql-bin-dir",
                 arguments[0]);
        return false;
    }
    child_wait(&child, INT_MAX);
    if (child.status == 0)
        return true;
    char words[512];
    cluster_log_last_words(&cluster->log, log_start, words, sizeof(words));
    snprintf(error, error_size, "initdb could not make the database cluster (%s): %s; see %s", child.end,
             words, cluster->log.path);
    return false;
}

bool cluster_make(const struct cluster *cluster, char *error, size_t error_size)
{
    const char *unfinished = arena_printf(cluster->arena, "%s.new", cluster->data);
    nftw(unfinished, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (access(cluster->data, F_OK) == 0)
        return true;
    /* initdb itself fsyncs all it has written. */
    if (!run_initdb(cluster, unfinished, error, error_size))
        return false;
    if (rename(unfinished, cluster->data) != 0) {
        snprintf(error, error_size, "cannot put the database cluster in place at %s: %m", cluster->data);
        return false;
    }
    return file_sync_folder(cluster->data, error, error_size);
}

/* --- configuration --- */

/* Needs no fsync: it is written anew before every start. */
static bool write_rules(const struct cluster *cluster, const char *name, const char *text, char *error,
                        size_t error_size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", cluster->data, name);
    FILE *file = fopen(path, "we");
    bool written = file != NULL && fprintf(file, "# Written by Postreeve at every start.\n%s", text) > 0;
    if (file != NULL && fclose(file) != 0)
        written = false;
    if (!written)
        snprintf(error, error_size, "cannot write %s: %m; check its owner and its disk", path);
    return written;
}

bool cluster_write_rules(const struct cluster *cluster, char *error, size_t error_size)
{
    char users[512];
    snprintf(users, sizeof(users), "postreeve \"%s\" postreeve\npostreeve root postreeve\n",
             cluster->os_user);
    return write_rules(cluster, "pg_hba.conf", "local all all peer map=postreeve\n", error, error_size) &&
           write_rules(cluster, "pg_ident.conf", users, error, error_size);
}

const char *const *cluster_arguments(const struct cluster *cluster, unsigned max_connections)
{
    struct arena *arena = cluster->arena;
    /* On the command line they win over postgresql.conf, where an operator may set others. */
    const char *const settings[] = {
        "listen_addresses=",
        arena_printf(arena, "port=%s", CLUSTER_PORT),
        /* A list, in which a path with blanks or upper case stands in quotes. */
        arena_printf(arena, "unix_socket_directories=\"%s\"", cluster->run),
        "unix_socket_permissions=0700",
        "jit=off",
        "timezone=UTC",
        "log_timezone=UTC",
        "log_destination=stderr",
        "logging_collector=off",
        "log_line_prefix=%m [%p] %a ",
        /* Statements with errors fill the disk under load, and the service logs what matters. */
        "log_min_error_statement=panic",
        "log_checkpoints=off",
        "log_autovacuum_min_duration=-1",
        "cluster_name=postreeve",
        max_connections > 0 ? arena_printf(arena, "max_connections=%u", max_connections) : NULL,
    };
    const size_t count = sizeof(settings) / sizeof(settings[0]);
    const char **arguments = arena_alloc(arena, (3 + 2 * count + 1) * sizeof(*arguments));
    size_t filled = 0;
    arguments[filled++] = arena_printf(arena, "%s/postgres", cluster->bin_dir);
    arguments[filled++] = "-D";
    arguments[filled++] = cluster->data;
    for (size_t i = 0; i < count && settings[i] != NULL; i++) {
        arguments[filled++] = "-c";
        arguments[filled++] = settings[i];
    }
    return arguments;
}
