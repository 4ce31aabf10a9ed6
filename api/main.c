/* postreeve: options, wiring, start and stop. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api/admin.h"
#include "api/app.h"
#include "api/database.h"
#include "api/ews.h"
#include "api/flow_cache.h"
#include "api/hash_gate.h"
#include "api/metrics.h"
#include "api/metrics_server.h"
#include "api/privileges.h"
#include "api/server.h"
#include "api/tls.h"
#include "db/notifier.h"
#include "db/private_file.h"
#include "ldap/library.h"
#include "model/json_out.h"
#include "model/log.h"
#include "model/metrics.h"
#include "model/secret.h"
#include "model/xml.h"
#include "workers/audit_sealer.h"
#include "workers/directory.h"
#include "workers/domain_verification.h"
#include "workers/loop.h"

/* Over so long failed authentications are counted. */
#define FAILED_AUTH_WINDOW_S 60
#define GUESS_WINDOW_S       600

/* What a running service consists of, in the order in which it is started. */
struct service {
    struct arena *arena;
    int argc; /* the arguments, to read them again */
    char **argv;
    struct config config;
    int listen_fd;
    uint16_t port;
    int metrics_fd;
    uint16_t metrics_port;
    struct tls_certificate *certificate; /* the server's once it is started */
    struct database database;
    struct app app;
    struct worker_pool *workers;
    struct domain_verification *verification;
    struct directory_follower *follower;
    struct audit_sealer *sealer;
    struct server *server;
    struct metrics_server *metrics_server;
    const char *description; /* STATE/service.json */
    char error[512];
};

/* --- signals --- */

/* What can change while the service runs, from the same sources as at its start. */
static void reload(struct service *service)
{
    struct arena *arena = arena_new();
    struct config config;
    char error[512];
    if (config_read(arena, service->argc, service->argv, NULL, &config, error, sizeof(error)))
        LOG(LOG_WARNING, "settings read again", LOG_TEXT("log_level", config.log_level),
            LOG_TEXT("log_format", config.log_format));
    else
        LOG(LOG_ERROR, "settings not read again", LOG_TEXT("why", error));
    arena_free(arena);
    server_reload(service->server);
}

static void step_log(int by)
{
    const char *level = log_level_names[log_step(by)];
    LOG(LOG_WARNING, "log level", LOG_TEXT("log_level", level));
}

static void log_more(struct service *service)
{
    (void)service;
    step_log(1);
}

static void log_less(struct service *service)
{
    (void)service;
    step_log(-1);
}

static const struct {
    int number;
    void (*act)(struct service *service);
} signal_actions[] = {
    {SIGHUP, reload},
    {SIGUSR1, log_more},
    {SIGUSR2, log_less},
};
#define SIGNAL_ACTION_COUNT (sizeof(signal_actions) / sizeof(signal_actions[0]))

/* Only the main thread hears signals; it waits for them. */
static sigset_t block_signals(void)
{
    sigset_t heard;
    sigemptyset(&heard);
    sigaddset(&heard, SIGTERM);
    sigaddset(&heard, SIGINT);
    sigaddset(&heard, SIGCHLD);
    for (size_t i = 0; i < SIGNAL_ACTION_COUNT; i++)
        sigaddset(&heard, signal_actions[i].number);
    pthread_sigmask(SIG_BLOCK, &heard, NULL);
    signal(SIGPIPE, SIG_IGN);
    return heard;
}

/* One descriptor a connection, and some for all else. */
static void raise_descriptor_limit(struct config *config)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)config->connection_limit + 1000;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    if (geteuid() == 0 && limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted)
        return;
    /* Clients must not take the descriptors that the database needs. */
    config->connection_limit = limit.rlim_cur > 1200 ? (int64_t)limit.rlim_cur - 1000 : 200;
    LOG(LOG_WARNING, "the descriptor limit is low: fewer connections",
        LOG_NUMBER("descriptors", (int64_t)limit.rlim_cur),
        LOG_NUMBER("connection_limit", config->connection_limit));
}

/* Must be done before there are threads. */
static void prepare_libraries(void)
{
    unsigned value[2] = {0};
    if (getrandom(value, sizeof(value), 0) == (ssize_t)sizeof(value)) {
        srandom(value[0]);
        json_object_seed(value[1]);
    }
    /* Copies of a body may hold a password, also of a body that does not parse. */
    json_set_alloc_funcs(malloc, secret_free);
    xml_prepare();
    ews_prepare();
    ldap_library_start();
    /* What a page needs is kept for the next one: giving it back and faulting it in again costs more than filling it. */
    mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
}

/* As root, if the service is started as root: the key need not be readable by its user. */
static bool read_certificate(struct service *service)
{
    const struct config *config = &service->config;
    if (config->tls_cert == NULL)
        return true;
    service->certificate =
        tls_load(config->tls_cert, config->tls_key, false, service->error, sizeof(service->error));
    if (service->certificate != NULL && *service->error != '\0')
        LOG(LOG_WARNING, "certificate", LOG_TEXT("why", service->error));
    return service->certificate != NULL;
}

static bool open_state(struct service *service)
{
    struct config *config = &service->config;
    char *error = service->error;
    size_t size = sizeof(service->error);

    if (!privileges_prepare_state_dir(config->state_dir, config->user, error, size))
        return false;
    service->listen_fd = server_listen(config->listen, &service->port, error, size);
    if (service->listen_fd < 0 || !read_certificate(service))
        return false;
    if (config->metrics_listen != NULL) {
        service->metrics_fd = server_listen(config->metrics_listen, &service->metrics_port, error, size);
        if (service->metrics_fd < 0)
            return false;
    }
    raise_descriptor_limit(config);
    return privileges_drop(config->user, error, size) &&
           database_check(config, &service->database, error, size);
}

static bool start_metrics(struct service *service)
{
    if (service->metrics_fd < 0)
        return true;
    service->metrics_server = metrics_server_start(&service->app, service->metrics_fd);
    if (service->metrics_server == NULL)
        snprintf(service->error, sizeof(service->error), "cannot start serving metrics");
    return service->metrics_server != NULL;
}

static bool start(struct service *service)
{
    struct app *app = &service->app;
    char *error = service->error;
    size_t size = sizeof(service->error);

    if (!database_open(&service->config, DATABASE_SERVE, service->arena, &service->database, error, size))
        return false;
    app->config = &service->config;
    app->secret_key = &service->database.secret_key;
    app->audit_key = &service->database.audit_key;
    app->environment = (struct db_environment){.conninfo = service->database.conninfo,
                                               .settings = &service->config.settings,
                                               .secret_key = app->secret_key,
                                               .audit_key = app->audit_key,
                                               .metrics = metrics_new(route_count)};
    if (!database_prepare(&service->database, &app->environment, &service->config, error, size))
        return false;
    app->router = router_new();
    app->environment.notifier = notifier_new(service->database.conninfo);
    app->auth_cache = auth_cache_new(app->environment.notifier);
    app->flow_cache = flow_cache_new(app->environment.notifier);
    app->request_limiter = rate_limiter_new(service->config.rate_limit, 1, service->config.rate_limit_burst);
    app->failure_limiter = rate_limiter_new(service->config.failed_auth_limit, 1,
                                            service->config.failed_auth_limit * FAILED_AUTH_WINDOW_S);
    app->guess_limiter =
        rate_limiter_new(service->config.password_guesses, GUESS_WINDOW_S, service->config.password_guesses);
    app->hash_gate = hash_gate_new();
    app->metrics_view = metrics_view_new(&app->environment);
    if (!notifier_start(app->environment.notifier)) {
        snprintf(error, size, "cannot start a thread: %m");
        return false;
    }
    service->workers = worker_pool_start(&app->environment, (unsigned)service->config.job_threads);
    service->verification = domain_verification_start(&app->environment);
    service->follower = directory_follower_start(&app->environment);
    service->sealer = audit_sealer_start(&app->environment, app->audit_key->bytes);
    app->refusals = refusals_start(&app->environment);
    if (service->workers == NULL || service->verification == NULL || service->follower == NULL ||
        service->sealer == NULL || app->refusals == NULL) {
        snprintf(error, size, "cannot start a thread: %m");
        return false;
    }
    service->server = server_start(app, service->listen_fd, service->certificate, error, size);
    return service->server != NULL && start_metrics(service);
}

static const char *url_of(const struct service *service, const char *scheme, const char *listen,
                          uint16_t port)
{
    return arena_printf(service->arena, "%s://%.*s:%u", scheme, (int)(strrchr(listen, ':') - listen), listen,
                        port);
}

static bool announce(struct service *service)
{
    struct buffer json = {.arena = service->arena};
    const char *scheme = service->config.tls_cert != NULL ? "https" : "http";
    const char *url = url_of(service, scheme, service->config.listen, service->port);
    out_begin_object(&json);
    out_member(&json, "url", url);
    if (service->metrics_server != NULL)
        out_member(&json, "metrics_url",
                   url_of(service, "http", service->config.metrics_listen, service->metrics_port));
    out_member_integer(&json, "pid", getpid());
    out_member(&json, "version", POSTREEVE_VERSION);
    out_end_object(&json);
    buffer_byte(&json, '\n');
    service->description = arena_printf(service->arena, "%s/service.json", service->config.state_dir);
    if (!file_write_private(service->description, json.data, json.length, service->error,
                            sizeof(service->error)))
        return false;
    sd_notifyf(0, "READY=1\nSTATUS=Serving on %s", url);
    LOG(LOG_INFO, "ready", LOG_TEXT("url", url), LOG_TEXT("version", POSTREEVE_VERSION));
    return true;
}

/* A server that died is started again; requests answer 503 meanwhile. */
static void watch_database(struct service *service)
{
    struct embedded *embedded = service->database.embedded;
    if (embedded == NULL || !embedded_reap(embedded))
        return;
    LOG(LOG_WARNING, "the embedded database ended", LOG_TEXT("how", embedded_exit_text(embedded)));
    if (embedded_restart(embedded, service->error, sizeof(service->error)))
        LOG(LOG_WARNING, "the embedded database runs again");
    else
        LOG(LOG_ERROR, "the embedded database does not start", LOG_TEXT("why", service->error));
}

static void run_until_signal(struct service *service, const sigset_t *heard)
{
    const struct timespec tick = {.tv_sec = 1};
    for (;;) {
        int signal_number = sigtimedwait(heard, NULL, &tick);
        if (signal_number == SIGTERM || signal_number == SIGINT) {
            LOG(LOG_INFO, "ending", LOG_TEXT("signal", strsignal(signal_number)));
            return;
        }
        for (size_t i = 0; i < SIGNAL_ACTION_COUNT; i++)
            if (signal_actions[i].number == signal_number)
                signal_actions[i].act(service);
        watch_database(service);
    }
}

static void stop(struct service *service)
{
    struct app *app = &service->app;
    app->draining = true;
    sd_notify(0, "STOPPING=1");
    if (service->description != NULL)
        unlink(service->description);
    metrics_server_stop(service->metrics_server);
    server_stop(service->server);
    refusals_stop(app->refusals);
    /* All end at the same time: each may wait for a database that stands still. */
    worker_pool_end(service->workers);
    domain_verification_end(service->verification);
    directory_follower_end(service->follower);
    worker_pool_stop(service->workers);
    domain_verification_stop(service->verification);
    directory_follower_stop(service->follower);
    audit_sealer_stop(service->sealer);
    metrics_view_free(app->metrics_view);
    auth_cache_free(app->auth_cache);
    flow_cache_free(app->flow_cache);
    rate_limiter_free(app->request_limiter);
    rate_limiter_free(app->failure_limiter);
    rate_limiter_free(app->guess_limiter);
    hash_gate_free(app->hash_gate);
    notifier_free(app->environment.notifier);
    router_free(app->router);
    metrics_free(app->environment.metrics);
    database_close(&service->database);
}

static int serve_main(int argc, char **argv)
{
    struct service service = {.arena = arena_new(),
                              .argc = argc,
                              .argv = argv,
                              .listen_fd = -1,
                              .metrics_fd = -1,
                              .database.lock_fd = -1};
    int status = 1;

    if (!config_read(service.arena, argc, argv, NULL, &service.config, service.error,
                     sizeof(service.error))) {
        fprintf(stderr, "postreeve: %s\n", service.error);
        arena_free(service.arena);
        return 2;
    }
    sigset_t heard = block_signals();
    prepare_libraries();
    /* Settings that cannot be used answer 2, like those that cannot be read. */
    if (!open_state(&service))
        status = 2;
    else if (start(&service) && announce(&service))
        status = 0;
    if (status == 0)
        run_until_signal(&service, &heard);
    else
        fprintf(stderr, "postreeve: %s\n", service.error);
    stop(&service);
    if (service.server == NULL && service.listen_fd >= 0)
        close(service.listen_fd);
    if (service.server == NULL)
        tls_free(service.certificate);
    if (status == 0)
        LOG(LOG_INFO, "ended");
    arena_free(service.arena);
    return status;
}

static int help_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("postreeve: the control plane of organizations' email\n\n"
           "  serve                      serves HTTP and does the background work\n"
           "  migrate                    brings the database up to date\n");
    admin_print_help();
    printf(
        "  version                    prints the version\n"
        "  help                       prints this\n\n"
        "Settings: a flag, POSTREEVE_NAME in the environment, or `name = value` in the file that --config names.\n\n");
    config_print_help();
    return 0;
}

static int version_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("postreeve " POSTREEVE_VERSION);
    return 0;
}

/* Whoever starts the program may have closed them: what is opened next would get their numbers, and the log. */
static void open_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"serve", serve_main},     {"migrate", migrate_main}, {"admin", admin_main},
        {"version", version_main}, {"help", help_main},       {"--help", help_main},
    };
    open_standard_descriptors();
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    fprintf(stderr,
            "usage: postreeve serve|migrate|admin|version|help [--setting VALUE]…; see `postreeve help`\n");
    return 2;
}
