#include "db/embedded.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <linux/close_range.h>

#include "db/private_file.h"

#define PORT                   5432 /* only a part of the socket's name: nothing listens on the network */
#define OLD_SERVER_WAIT_MS     30000
#define START_WAIT_MS          60000
#define FAST_STOP_WAIT_MS      20000
#define IMMEDIATE_STOP_WAIT_MS 5000
#define POLL_MS                3
#define LOG_LIMIT              (10L * 1024 * 1024)
#define INCLUDE_LINE           "include 'postreeve.conf'"

struct embedded {
    char *bin_dir;
    char *base; /* STATE/postgresql; all paths absolute and without symbolic links */
    char *data;
    char *run;
    char *log_path;
    char *conninfo;          /* database postreeve */
    char *conninfo_postgres; /* database postgres */
    char *os_user;
    unsigned max_connections;
    int log_fd;
    pid_t pid; /* 0: not running */
    char exit_text[80];
};

static void fd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

static void text_free(char **text)
{
    free(*text);
}

static void pgconn_finish(PGconn **conn)
{
    PQfinish(*conn);
}

static void pgresult_clear(PGresult **result)
{
    PQclear(*result);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL); /* a signal cuts it short: harmless in a polling loop */
}

__attribute__((format(printf, 1, 2))) static char *text_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return length < 0 ? NULL : text;
}

static bool out_of_memory(char *error, size_t error_size)
{
    snprintf(error, error_size, "out of memory while starting PostgreSQL");
    return false;
}

/* The whole file as a NUL-terminated text to free, or NULL with errno. */
static char *file_read(const char *path)
{
    __attribute__((cleanup(fd_close))) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    size_t capacity = 4096;
    size_t size = 0;
    char *text = malloc(capacity);
    while (text != NULL) {
        ssize_t got = read(fd, text + size, capacity - size - 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int saved = errno;
            free(text);
            errno = saved;
            return NULL;
        }
        size += (size_t)got;
        if (got == 0) {
            text[size] = '\0';
            break;
        }
        if (capacity - size < 2) {
            capacity *= 2;
            char *larger = realloc(text, capacity);
            if (larger == NULL) {
                free(text);
            }
            text = larger;
        }
    }
    return text;
}

/* Spares the fsyncs when the file holds the text already, as at every start but the first. */
static bool file_ensure(const char *folder, const char *name, const char *text, char *error,
                        size_t error_size)
{
    __attribute__((cleanup(text_free))) char *path = text_format("%s/%s", folder, name);
    if (path == NULL || text == NULL) {
        return out_of_memory(error, error_size);
    }
    __attribute__((cleanup(text_free))) char *present = file_read(path);
    if (present != NULL && strcmp(present, text) == 0) {
        return true;
    }
    return file_write_private(path, text, strlen(text), error, error_size);
}

/* ---- Child processes ---- */

/* Runs in the forked child: only async-signal-safe calls, for other threads may have held locks. */
_Noreturn static void child_run(const char *program, char *const *arguments, char *const *environment,
                                int output_fd, int input_fd, int failure_fd, int death_signal, pid_t parent)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int signal_number = 1; signal_number < NSIG; signal_number++) {
        sigaction(signal_number, &standard, NULL); /* fails for some: those cannot be changed anyway */
    }
    /* Own session: a Ctrl-C at the terminal reaches the service alone, which then stops the server in order.
     */
    setsid();
    umask(077);
    bool ready = dup2(input_fd, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
                 dup2(output_fd, STDERR_FILENO) >= 0 && chdir("/") == 0 &&
                 prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) == 0;
    /* The signal comes only for a death after prctl. */
    if (ready && getppid() != parent) {
        _exit(1);
    }
    /* What the service has inherited (pipes of a test, a listening socket) must not live on in the server. */
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (ready) {
        execve(program, arguments, environment);
    }
    int code = errno;
    while (write(failure_fd, &code, sizeof code) < 0 && errno == EINTR) {
    }
    _exit(127);
}

/* Starts a program with its output going to `output_fd`; it gets `death_signal` when the calling thread ends.
 * Returns its process id, or -1 with errno (also when it could not be executed). */
static pid_t child_start(const char *program, char *const *arguments, char *const *environment, int output_fd,
                         int death_signal)
{
    int failure[2];
    __attribute__((cleanup(fd_close))) int input_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input_fd < 0 || pipe2(failure, O_CLOEXEC) != 0) {
        return -1;
    }
    pid_t parent = getpid();
    /* No handler of the service may run in the child. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        child_run(program, arguments, environment, output_fd, input_fd, failure[1], death_signal, parent);
    }
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(failure[1]);
    if (pid > 0) {
        ssize_t got;
        do {
            got = read(failure[0], &code, sizeof code); /* ends with 0 bytes when execve succeeds */
        } while (got < 0 && errno == EINTR);
        if (got == (ssize_t)sizeof code) {
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
            }
            pid = -1;
        }
    }
    close(failure[0]);
    errno = code;
    return pid;
}

static void describe_exit(int status, char *out, size_t out_size)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigdescr_np(WTERMSIG(status));
        snprintf(out, out_size, "killed by signal %d: %s", WTERMSIG(status), name == NULL ? "unknown" : name);
    } else {
        snprintf(out, out_size, "exit status %d", WEXITSTATUS(status));
    }
}

/* What the programs get: nothing of the service's PG… settings, and a HOME they may read (libpq inside the
 * server fails on root's ~/.postgresql). */
struct child_environment {
    char path[PATH_MAX + 32];
    char home[PATH_MAX + 8];
    char library_path[PATH_MAX + 32];
    char *list[8];
};

static void environment_fill(const struct embedded *server, struct child_environment *environment)
{
    static char language[] = "LC_ALL=C.UTF-8";
    static char utc[] = "TZ=UTC";
    size_t count = 0;
    snprintf(environment->path, sizeof environment->path, "PATH=%s:/usr/bin:/bin", server->bin_dir);
    snprintf(environment->home, sizeof environment->home, "HOME=%s", server->base);
    environment->list[count++] = environment->path;
    environment->list[count++] = environment->home;
    environment->list[count++] = language;
    environment->list[count++] = utc;
    const char *library_path = getenv("LD_LIBRARY_PATH"); /* for a PostgreSQL outside the system's folders */
    if (library_path != NULL && strlen(library_path) < PATH_MAX) {
        snprintf(environment->library_path, sizeof environment->library_path, "LD_LIBRARY_PATH=%s",
                 library_path);
        environment->list[count++] = environment->library_path;
    }
    environment->list[count] = NULL;
}

/* ---- The server's log file ---- */

/* Beyond the limit the log is copied to server.log.old and emptied: the server goes on writing to the same
 * descriptor (O_APPEND), so a rename would not do. Lines written in between may be lost. */
static void log_bound(const struct embedded *server)
{
    struct stat status;
    if (fstat(server->log_fd, &status) != 0 || status.st_size <= LOG_LIMIT) {
        return;
    }
    __attribute__((cleanup(text_free))) char *old_path = text_format("%s.old", server->log_path);
    __attribute__((cleanup(fd_close))) int old_fd =
        old_path == NULL ? -1 : open(old_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (old_fd >= 0) {
        /* The newest part counts when something has flooded the file. */
        off_t offset = status.st_size > 2 * LOG_LIMIT ? status.st_size - 2 * LOG_LIMIT : 0;
        while (offset < status.st_size) {
            char block[65536];
            ssize_t got = pread(server->log_fd, block, sizeof block, offset);
            if (got <= 0 || write(old_fd, block, (size_t)got) != got) {
                break;
            }
            offset += got;
        }
    }
    if (ftruncate(server->log_fd, 0) != 0) {
        return; /* a read-only or full disk shows elsewhere soon enough */
    }
}

static off_t log_size(const struct embedded *server)
{
    struct stat status;
    return fstat(server->log_fd, &status) == 0 ? status.st_size : 0;
}

/* The most telling line written since `offset`: the last FATAL, PANIC or error, else the last line at all. */
static void log_last_words(const struct embedded *server, off_t offset, char *out, size_t out_size)
{
    char text[8192];
    off_t size = log_size(server);
    if (size - offset > (off_t)sizeof text - 1) {
        offset = size - ((off_t)sizeof text - 1);
    }
    ssize_t got = pread(server->log_fd, text, sizeof text - 1, offset);
    text[got > 0 ? got : 0] = '\0';
    static const char *const marks[] = {"PANIC:", "FATAL:", "error:"};
    const char *best = "no word in its log";
    bool marked = false;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        const char *found = NULL;
        for (size_t i = 0; found == NULL && i < sizeof marks / sizeof marks[0]; i++) {
            found = strstr(line, marks[i]);
        }
        if (found != NULL || (!marked && line[0] != '\0')) {
            best = found != NULL ? found : line;
            marked = marked || found != NULL;
        }
    }
    snprintf(out, out_size, "%s", best);
}

/* ---- Making the cluster ---- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Folders of a first start that was killed. Looked for at every start: at the one right after the kill a
 * dying process of initdb may still write there. */
static void remove_unfinished(const struct embedded *server)
{
    DIR *folder = opendir(server->base);
    if (folder == NULL) {
        return;
    }
    /* glibc's readdir is safe on a stream of one's own. */
    // cppcheck-suppress readdirCalled
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strncmp(entry->d_name, "data.new-", strlen("data.new-")) == 0) {
            __attribute__((cleanup(text_free))) char *path =
                text_format("%s/%s", server->base, entry->d_name);
            if (path != NULL) {
                remove_tree(path);
            }
        }
    }
    closedir(folder);
}

/* The text between single quotes in postgresql.conf or in a libpq string (`escape` goes before quotes there).
 */
static char *quote(const char *text, const char *quote_escape)
{
    size_t escape_length = strlen(quote_escape);
    char *quoted = malloc(strlen(text) * (escape_length + 1) + 3);
    if (quoted == NULL) {
        return NULL;
    }
    char *to = quoted;
    *to++ = '\'';
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            to = stpcpy(to, quote_escape);
        } else if (*text == '\\') {
            *to++ = '\\';
        }
        *to++ = *text;
    }
    *to++ = '\'';
    *to = '\0';
    return quoted;
}

static char *server_settings(const struct embedded *server)
{
    __attribute__((cleanup(text_free))) char *run = quote(server->run, "'");
    char connections[64] = "";
    if (server->max_connections > 0) {
        snprintf(connections, sizeof connections, "max_connections = %u\n", server->max_connections);
    }
    if (run == NULL) {
        return NULL;
    }
    /* Quoted twice: the setting is a list, in which a path with blanks or upper case stands in double quotes.
     * Statements are not logged with errors: they fill the disk under load, and the service logs what
     * matters. */
    return text_format("# Written by Postreeve at every start: changes here are lost.\n"
                       "# Other settings belong into postgresql.conf; what stands here wins.\n"
                       "listen_addresses = ''\n"
                       "port = %d\n"
                       "unix_socket_directories = '\"%.*s\"'\n"
                       "unix_socket_permissions = 0700\n"
                       "%s"
                       "jit = off\n"
                       "timezone = 'UTC'\n"
                       "log_timezone = 'UTC'\n"
                       "log_destination = 'stderr'\n"
                       "logging_collector = off\n"
                       "log_line_prefix = '%%m [%%p] %%a '\n"
                       "log_min_error_statement = panic\n"
                       "log_checkpoints = off\n"
                       "log_autovacuum_min_duration = -1\n"
                       "cluster_name = 'postreeve'\n",
                       PORT, (int)strlen(run) - 2, run + 1, connections);
}

/* Our three files in a data folder, and the line in postgresql.conf that includes the first. */
static bool settings_write(const struct embedded *server, const char *data, char *error, size_t error_size)
{
    __attribute__((cleanup(text_free))) char *settings = server_settings(server);
    __attribute__((cleanup(text_free))) char *ident = text_format(
        "# Written by Postreeve at every start. map, operating system user, database role\n"
        "postreeve \"%s\" postreeve\n"
        "%s",
        server->os_user, strcmp(server->os_user, "root") == 0 ? "" : "postreeve root postreeve\n");
    static const char *const hba = "# Written by Postreeve at every start.\n"
                                   "local all all peer map=postreeve\n";
    __attribute__((cleanup(text_free))) char *main_path = text_format("%s/postgresql.conf", data);
    if (settings == NULL || ident == NULL || main_path == NULL) {
        return out_of_memory(error, error_size);
    }
    if (!file_ensure(data, "postreeve.conf", settings, error, error_size) ||
        !file_ensure(data, "pg_ident.conf", ident, error, error_size) ||
        !file_ensure(data, "pg_hba.conf", hba, error, error_size)) {
        return false;
    }
    __attribute__((cleanup(text_free))) char *present = file_read(main_path);
    if (present == NULL && errno != ENOENT) {
        snprintf(error, error_size, "cannot read %s: %m; check its owner and its disk", main_path);
        return false;
    }
    if (present != NULL && strstr(present, "\n" INCLUDE_LINE "\n") != NULL) {
        return true;
    }
    __attribute__((cleanup(text_free))) char *wanted =
        text_format("%s\n# Postreeve's own settings, last so that they win\n" INCLUDE_LINE "\n",
                    present == NULL ? "" : present);
    return file_ensure(data, "postgresql.conf", wanted, error, error_size);
}

static bool initdb_run(const struct embedded *server, char *data, char *error, size_t error_size)
{
    __attribute__((cleanup(text_free))) char *program = text_format("%s/initdb", server->bin_dir);
    if (program == NULL) {
        return out_of_memory(error, error_size);
    }
    char *arguments[] = {
        program,
        (char[]){"-D"},
        data,
        (char[]){"--username=postreeve"},
        (char[]){"--auth=peer"},
        (char[]){"--encoding=UTF8"},
        (char[]){"--locale=C.UTF-8"},
        (char[]){"--data-checksums"},
        (char[]){"--no-instructions"},
        NULL,
    };
    struct child_environment environment = {.list = {NULL}};
    environment_fill(server, &environment);
    off_t log_start = log_size(server);
    /* SIGKILL: nothing of an unfinished cluster is worth a clean end. */
    pid_t pid = child_start(program, arguments, environment.list, server->log_fd, SIGKILL);
    if (pid < 0) {
        snprintf(error, error_size, "cannot run %s: %m; install PostgreSQL 15 or set --postgresql-bin-dir",
                 program);
        return false;
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            snprintf(error, error_size, "cannot wait for initdb: %m; SIGCHLD must not be ignored");
            return false;
        }
    }
    if (status != 0) {
        char how[80];
        char words[512];
        describe_exit(status, how, sizeof how);
        log_last_words(server, log_start, words, sizeof words);
        snprintf(error, error_size, "initdb could not make the database cluster (%s): %s; see %s", how, words,
                 server->log_path);
    }
    return status == 0;
}

static bool cluster_make(const struct embedded *server, char *error, size_t error_size)
{
    __attribute__((cleanup(text_free))) char *data = text_format("%s/data.new-XXXXXX", server->base);
    if (data == NULL) {
        return out_of_memory(error, error_size);
    }
    if (mkdtemp(data) == NULL) {
        snprintf(error, error_size, "cannot make a folder in %s: %m; check its owner and its disk",
                 server->base);
        return false;
    }
    /* initdb itself fsyncs all it has written. */
    bool done =
        initdb_run(server, data, error, error_size) && settings_write(server, data, error, error_size);
    if (done && rename(data, server->data) != 0) {
        snprintf(error, error_size, "cannot put the database cluster in place at %s: %m", server->data);
        done = false;
    }
    if (!done) {
        remove_tree(data);
        return false;
    }
    return file_sync_folder(server->data, error, error_size);
}

static bool cluster_ensure(const struct embedded *server, char *error, size_t error_size)
{
    struct stat status;
    remove_unfinished(server);
    if (lstat(server->data, &status) != 0) {
        if (errno != ENOENT) {
            snprintf(error, error_size, "cannot look at %s: %m; check its owner and its disk", server->data);
            return false;
        }
        return cluster_make(server, error, error_size);
    }
    if (status.st_uid != geteuid()) {
        snprintf(
            error, error_size,
            "%s belongs to user id %u, but the service runs as user id %u; start it as that user, or run: "
            "chown -R %s %s",
            server->data, (unsigned)status.st_uid, (unsigned)geteuid(), server->os_user, server->base);
        return false;
    }
    __attribute__((cleanup(text_free))) char *version_path = text_format("%s/PG_VERSION", server->data);
    if (version_path == NULL) {
        return out_of_memory(error, error_size);
    }
    if (access(version_path, R_OK) != 0) {
        snprintf(error, error_size,
                 "%s is there but is no PostgreSQL cluster (%m for PG_VERSION); move it away", server->data);
        return false;
    }
    return settings_write(server, server->data, error, error_size);
}

/* ---- Old servers ---- */

/* What is known of a process: its number alone says nothing, it may have been given to another since. */
enum process_use {
    PROCESS_OTHER, /* gone, or has nothing to do with the cluster */
    PROCESS_MAYBE, /* a PostgreSQL process that does not let us see its folder */
    PROCESS_USES,  /* the postmaster or one of its children: all work in the data folder */
};

static enum process_use process_look(long pid, const char *data)
{
    char path[64];
    char folder[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%ld/cwd", pid);
    ssize_t length = readlink(path, folder, sizeof folder - 1);
    bool hidden = length < 0 && errno == EACCES; /* a process that has ended gives ENOENT */
    folder[length > 0 ? length : 0] = '\0';
    if (!hidden && strcmp(folder, data) != 0) {
        return PROCESS_OTHER;
    }
    snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    __attribute__((cleanup(text_free))) char *name = file_read(path);
    if (name == NULL || strcmp(name, "postgres\n") != 0) {
        return PROCESS_OTHER;
    }
    return hidden ? PROCESS_MAYBE : PROCESS_USES;
}

/* The process id in postmaster.pid: 0 when there is no such file, -1 when it holds none. */
static long pid_file_read(const char *path)
{
    __attribute__((cleanup(text_free))) char *text = file_read(path);
    if (text == NULL) {
        return errno == ENOENT ? 0 : -1;
    }
    long pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= INT_MAX ? pid : -1;
}

/* A process that uses the cluster, or 0. The postmaster when it lives; else a child of a killed one, which
 * holds its shared memory until it notices. */
static long cluster_user_find(const struct embedded *server, const char *pid_path)
{
    long named = pid_file_read(pid_path);
    enum process_use use = named > 0 ? process_look(named, server->data) : PROCESS_OTHER;
    /* A server of another user cannot have our data folder: kill says whose it is. */
    if (use == PROCESS_USES || (use == PROCESS_MAYBE && kill((pid_t)named, 0) == 0)) {
        return named;
    }
    DIR *processes = opendir("/proc");
    if (processes == NULL) {
        return 0;
    }
    long found = 0;
    /* glibc's readdir is safe on a stream of one's own. */
    // cppcheck-suppress readdirCalled
    for (struct dirent *entry = readdir(processes); entry != NULL && found == 0; entry = readdir(processes)) {
        long pid = strtol(entry->d_name, NULL, 10);
        found = pid > 0 && process_look(pid, server->data) == PROCESS_USES ? pid : 0;
    }
    closedir(processes);
    return found;
}

/* The server refuses to start when the process named in its lock file lives, whatever that process is. Here
 * nothing uses the cluster and the caller holds the lock of the state folder: what such a file says is stale.
 * One whose process is gone stays, the server handles that itself. */
static bool stale_files_remove(const struct embedded *server, const char *pid_path, char *error,
                               size_t error_size)
{
    __attribute__((cleanup(text_free))) char *socket_path = text_format("%s/.s.PGSQL.%d", server->run, PORT);
    __attribute__((cleanup(text_free))) char *lock_path =
        text_format("%s/.s.PGSQL.%d.lock", server->run, PORT);
    if (socket_path == NULL || lock_path == NULL) {
        return out_of_memory(error, error_size);
    }
    long pid = pid_file_read(pid_path);
    bool stale = pid < 0 || (pid > 0 && kill((pid_t)pid, 0) == 0);
    if ((stale && unlink(pid_path) != 0 && errno != ENOENT) ||
        (unlink(socket_path) != 0 && errno != ENOENT) || (unlink(lock_path) != 0 && errno != ENOENT)) {
        snprintf(error, error_size, "cannot remove a left-over lock file in %s or %s: %m; check their owner",
                 server->data, server->run);
        return false;
    }
    return true;
}

static bool old_server_wait(const struct embedded *server, char *error, size_t error_size)
{
    __attribute__((cleanup(text_free))) char *pid_path = text_format("%s/postmaster.pid", server->data);
    if (pid_path == NULL) {
        return out_of_memory(error, error_size);
    }
    int64_t deadline = now_ms() + OLD_SERVER_WAIT_MS;
    long user;
    while ((user = cluster_user_find(server, pid_path)) != 0) {
        if (now_ms() >= deadline) {
            snprintf(
                error, error_size,
                "PostgreSQL process %ld still uses %s after %d s; end it (kill -INT %ld) and start again",
                user, server->data, OLD_SERVER_WAIT_MS / 1000, user);
            return false;
        }
        pause_ms(POLL_MS);
    }
    return stale_files_remove(server, pid_path, error, error_size);
}

/* ---- The server ---- */

bool embedded_reap(struct embedded *server)
{
    if (server->pid == 0) {
        return true;
    }
    log_bound(server);
    int status = 0;
    pid_t pid;
    do {
        pid = waitpid(server->pid, &status, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    if (pid == 0) {
        return false;
    }
    if (pid < 0) {
        /* ECHILD: somebody else reaped it. Gone it is. */
        snprintf(server->exit_text, sizeof server->exit_text, "exit status unknown");
    } else {
        describe_exit(status, server->exit_text, sizeof server->exit_text);
    }
    server->pid = 0;
    return true;
}

static bool server_wait_end(struct embedded *server, int64_t limit_ms)
{
    int64_t deadline = now_ms() + limit_ms;
    while (!embedded_reap(server)) {
        if (now_ms() >= deadline) {
            return false;
        }
        pause_ms(POLL_MS);
    }
    return true;
}

static void server_end(struct embedded *server)
{
    /* SIGINT: fast shutdown, cuts connections and writes a checkpoint. SIGQUIT: at once, recovery at next
     * start. */
    static const struct {
        int signal_number;
        int64_t wait_ms;
    } stages[] = {{SIGINT, FAST_STOP_WAIT_MS}, {SIGQUIT, IMMEDIATE_STOP_WAIT_MS}, {SIGKILL, INT64_MAX / 2}};
    for (size_t i = 0; i < sizeof stages / sizeof stages[0] && !embedded_reap(server); i++) {
        kill(server->pid, stages[i].signal_number);
        server_wait_end(server, stages[i].wait_ms);
    }
}

/* The server notes its state in the eighth line of postmaster.pid. Looking there, unlike trying to connect,
 * leaves no "the database system is starting up" in its log. */
static bool server_says_ready(const struct embedded *server, const char *pid_path)
{
    __attribute__((cleanup(text_free))) char *text = file_read(pid_path);
    if (text == NULL || strtol(text, NULL, 10) != (long)server->pid) {
        return false;
    }
    const char *line = text;
    for (int i = 0; i < 7 && line != NULL; i++) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return line != NULL && strncmp(line, "ready", strlen("ready")) == 0;
}

static bool server_wait_ready(struct embedded *server, off_t log_start, char *error, size_t error_size)
{
    __attribute__((cleanup(text_free))) char *pid_path = text_format("%s/postmaster.pid", server->data);
    if (pid_path == NULL) {
        return out_of_memory(error, error_size);
    }
    off_t log_seen = log_start;
    int64_t deadline = now_ms() + START_WAIT_MS;
    while (!server_says_ready(server, pid_path)) {
        if (embedded_reap(server)) {
            char words[512];
            log_last_words(server, log_start, words, sizeof words);
            snprintf(error, error_size, "PostgreSQL did not start (%s): %s; see %s", server->exit_text, words,
                     server->log_path);
            return false;
        }
        /* A long recovery reports its progress in the log every 10 s: as long as it does, it gets time. */
        off_t size = log_size(server);
        if (size != log_seen) {
            log_seen = size;
            deadline = now_ms() + START_WAIT_MS;
        }
        if (now_ms() >= deadline) {
            snprintf(error, error_size, "PostgreSQL was not ready within %d s; see %s", START_WAIT_MS / 1000,
                     server->log_path);
            return false;
        }
        pause_ms(POLL_MS);
    }
    return true;
}

/* libpq's messages end with a newline and may have several lines: one sentence is wanted. */
static void one_line(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1])) {
        text[--length] = '\0';
    }
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\n' || *c == '\t' ? ' ' : *c;
    }
}

/* Connects to the database `postgres` of the running server, which also proves that the socket and the rules
 * of pg_hba.conf work, and makes the service's database. */
static bool database_ensure(const struct embedded *server, char *error, size_t error_size)
{
    __attribute__((cleanup(pgconn_finish))) PGconn *conn = PQconnectdb(server->conninfo_postgres);
    if (PQstatus(conn) != CONNECTION_OK) {
        snprintf(error, error_size, "cannot connect to PostgreSQL: %s", PQerrorMessage(conn));
        one_line(error);
        return false;
    }
    __attribute__((cleanup(pgresult_clear))) PGresult *present =
        PQexec(conn, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = 'postreeve'");
    if (PQresultStatus(present) == PGRES_TUPLES_OK && PQntuples(present) == 1) {
        return true;
    }
    if (PQresultStatus(present) == PGRES_TUPLES_OK) {
        __attribute__((cleanup(pgresult_clear))) PGresult *made = PQexec(conn, "CREATE DATABASE postreeve");
        if (PQresultStatus(made) == PGRES_COMMAND_OK) {
            return true;
        }
    }
    snprintf(error, error_size, "cannot make the database postreeve: %s", PQerrorMessage(conn));
    one_line(error);
    return false;
}

static bool server_run(struct embedded *server, char *error, size_t error_size)
{
    if (gettid() != getpid()) {
        snprintf(error, error_size, "PostgreSQL must be started from the main thread");
        return false;
    }
    if (!old_server_wait(server, error, error_size)) {
        return false;
    }
    __attribute__((cleanup(text_free))) char *program = text_format("%s/postgres", server->bin_dir);
    if (program == NULL) {
        return out_of_memory(error, error_size);
    }
    char *arguments[] = {program, (char[]){"-D"}, server->data, NULL};
    struct child_environment environment = {.list = {NULL}};
    environment_fill(server, &environment);
    log_bound(server);
    off_t log_start = log_size(server);
    pid_t pid = child_start(program, arguments, environment.list, server->log_fd, SIGINT);
    if (pid < 0) {
        snprintf(error, error_size, "cannot run %s: %m; install PostgreSQL 15 or set --postgresql-bin-dir",
                 program);
        return false;
    }
    server->pid = pid;
    server->exit_text[0] = '\0';
    if (server_wait_ready(server, log_start, error, error_size) &&
        database_ensure(server, error, error_size)) {
        return true;
    }
    server_end(server);
    return false;
}

/* ---- The interface ---- */

/* The libpq string for the socket in `run`; NULL when out of memory. The port is named lest PGPORT decide. */
static char *conninfo_make(const char *run, const char *database)
{
    __attribute__((cleanup(text_free))) char *host = quote(run, "\\");
    if (host == NULL) {
        return NULL;
    }
    return text_format("host=%s port=%d user=postreeve dbname=%s connect_timeout=10", host, PORT, database);
}

/* Whether a socket can stand in the folder and be named to server and client. */
static bool run_path_check(const char *run, char *error, size_t error_size)
{
    for (const char *c = run; *c != '\0'; c++) {
        if (*c == ',' || *c == '"' || iscntrl((unsigned char)*c)) {
            snprintf(error, error_size,
                     "the state folder's path holds a comma, a double quote or a control character, which "
                     "PostgreSQL "
                     "cannot have in a socket path; choose another --state-dir");
            return false;
        }
    }
    size_t limit = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    char socket_name[32];
    int name_length = snprintf(socket_name, sizeof socket_name, "/.s.PGSQL.%d", PORT);
    size_t length = strlen(run) + (size_t)name_length;
    if (length > limit) {
        snprintf(error, error_size,
                 "the socket path %s%s has %zu bytes, the system allows %zu; choose a --state-dir whose path "
                 "is at "
                 "least %zu bytes shorter",
                 run, socket_name, length, limit, length - limit);
        return false;
    }
    return true;
}

static bool folder_ensure(const char *path, char *error, size_t error_size)
{
    if (mkdir(path, 0700) == 0) {
        return file_sync_folder(path, error, error_size);
    }
    struct stat status;
    if (errno != EEXIST) {
        snprintf(error, error_size, "cannot make the folder %s: %m; check its parent's owner and disk", path);
        return false;
    }
    if (lstat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        snprintf(error, error_size, "%s is not a folder; move it away", path);
        return false;
    }
    if (status.st_uid != geteuid()) {
        snprintf(error, error_size,
                 "the folder %s belongs to user id %u, not to the service (user id %u); "
                 "start it as that user or give it the folder with chown -R",
                 path, (unsigned)status.st_uid, (unsigned)geteuid());
        return false;
    }
    return true;
}

static bool user_name_get(char **ret_name, char *error, size_t error_size)
{
    if (geteuid() == 0) {
        snprintf(
            error, error_size,
            "PostgreSQL refuses to run as root; name an unprivileged user with --user, or use --database");
        return false;
    }
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[16384];
    int code = getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found);
    if (code != 0 || found == NULL) {
        snprintf(error, error_size,
                 "user id %u has no name (no line in /etc/passwd), PostgreSQL needs one; run the service as "
                 "a user "
                 "made with useradd",
                 (unsigned)geteuid());
        return false;
    }
    if (strpbrk(found->pw_name, "\"\n\\") != NULL) {
        snprintf(error, error_size,
                 "the name of user id %u holds a quote or a backslash; run as another user",
                 (unsigned)geteuid());
        return false;
    }
    char *name = strdup(found->pw_name);
    if (name == NULL) {
        return out_of_memory(error, error_size);
    }
    *ret_name = name;
    return true;
}

static void embedded_free(struct embedded *server)
{
    if (server->log_fd >= 0) {
        close(server->log_fd);
    }
    free(server->bin_dir);
    free(server->base);
    free(server->data);
    free(server->run);
    free(server->log_path);
    free(server->conninfo);
    free(server->conninfo_postgres);
    free(server->os_user);
    free(server);
}

static bool embedded_fill(struct embedded *server, const struct embedded_options *options, char *error,
                          size_t error_size)
{
    server->max_connections = options->max_connections;
    if (!user_name_get(&server->os_user, error, error_size)) {
        return false;
    }
    __attribute__((cleanup(text_free))) char *state = realpath(options->state_dir, NULL);
    if (state == NULL) {
        snprintf(error, error_size, "cannot use the state folder %s: %m; check the path and its permissions",
                 options->state_dir);
        return false;
    }
    server->bin_dir = realpath(options->bin_dir, NULL);
    if (server->bin_dir == NULL) {
        snprintf(
            error, error_size,
            "PostgreSQL is not in %s (%m); run apt-get install postgresql-15 or set --postgresql-bin-dir",
            options->bin_dir);
        return false;
    }
    server->base = text_format("%s/postgresql", state);
    server->data = text_format("%s/postgresql/data", state);
    server->run = text_format("%s/postgresql/run", state);
    server->log_path = text_format("%s/postgresql/server.log", state);
    if (server->base == NULL || server->data == NULL || server->run == NULL || server->log_path == NULL) {
        return out_of_memory(error, error_size);
    }
    server->conninfo = conninfo_make(server->run, "postreeve");
    server->conninfo_postgres = conninfo_make(server->run, "postgres");
    if (server->conninfo == NULL || server->conninfo_postgres == NULL) {
        return out_of_memory(error, error_size);
    }
    return run_path_check(server->run, error, error_size);
}

static bool log_open(struct embedded *server, char *error, size_t error_size)
{
    int flags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
    server->log_fd = open(server->log_path, flags, 0600);
    if (server->log_fd < 0) {
        snprintf(error, error_size, "cannot open %s: %m; check its owner and its disk", server->log_path);
        return false;
    }
    return true;
}

bool embedded_start(const struct embedded_options *options, struct embedded **ret, char *error,
                    size_t error_size)
{
    struct embedded *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return out_of_memory(error, error_size);
    }
    server->log_fd = -1;
    bool started = embedded_fill(server, options, error, error_size) &&
                   folder_ensure(server->base, error, error_size) &&
                   folder_ensure(server->run, error, error_size) && log_open(server, error, error_size) &&
                   cluster_ensure(server, error, error_size) && server_run(server, error, error_size);
    if (!started) {
        embedded_free(server);
        return false;
    }
    *ret = server;
    return true;
}

bool embedded_restart(struct embedded *server, char *error, size_t error_size)
{
    if (!embedded_reap(server)) {
        snprintf(error, error_size, "PostgreSQL process %ld still runs; stop it first", (long)server->pid);
        return false;
    }
    return server_run(server, error, error_size);
}

void embedded_stop(struct embedded **server)
{
    if (*server == NULL) {
        return;
    }
    server_end(*server);
    embedded_free(*server);
    *server = NULL;
}

const char *embedded_conninfo(const struct embedded *server)
{
    return server->conninfo;
}

void embedded_conninfo_for(const char *state_dir, char *out, size_t out_size)
{
    char error[1024];
    __attribute__((cleanup(text_free))) char *state = realpath(state_dir, NULL);
    __attribute__((cleanup(text_free))) char *current = state_dir[0] == '/' ? NULL : get_current_dir_name();
    /* A folder that is not there (yet) gives a string too: connecting then says what is missing. It must
     * start with a slash, or libpq takes it for the name of a host. */
    __attribute__((cleanup(text_free))) char *run =
        state != NULL ? text_format("%s/postgresql/run", state)
                      : text_format("%s%s%s/postgresql/run", current == NULL ? "" : current,
                                    state_dir[0] == '/' ? "" : "/", state_dir);
    __attribute__((cleanup(text_free))) char *conninfo = NULL;
    if (run != NULL && run_path_check(run, error, sizeof error)) {
        conninfo = conninfo_make(run, "postreeve");
    }
    bool fits = conninfo != NULL && strlen(conninfo) < out_size;
    if (out_size > 0) {
        snprintf(out, out_size, "%s", fits ? conninfo : "");
    }
}

bool embedded_check_path(const char *state_dir, char *error, size_t error_size)
{
    __attribute__((cleanup(text_free))) char *run = text_format("%s/postgresql/run", state_dir);
    return run != NULL && run_path_check(run, error, error_size);
}

bool embedded_answers(const char *conninfo)
{
    return PQping(conninfo) == PQPING_OK;
}

pid_t embedded_pid(const struct embedded *server)
{
    return server->pid;
}

const char *embedded_exit_text(const struct embedded *server)
{
    return server->exit_text;
}
