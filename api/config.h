/* The settings: one table drives flags, environment, configuration file and help. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/arena.h"
#include "model/settings.h"

struct network_list;
struct proxy_list;

struct config {
    const char *listen;
    const char *metrics_listen; /* NULL: nowhere */
    const char *tls_cert;       /* NULL: plain HTTP */
    const char *tls_key;
    const char *trusted_proxies;
    const char *cors_origins;
    const char *ews_ca_file; /* NULL: those of the system alone */
    const char *ews_networks;
    const char *state_dir;
    const char *database; /* NULL: the embedded cluster */
    const char *postgresql_bin_dir;
    const char *root_key_file; /* NULL: none was named */
    const char *user;
    const char *log_level;
    const char *log_format;
    const char *regions;
    const char *service_domain;
    const char *ownership_label;
    const char *dns_resolvers; /* NULL: the system's */
    int64_t dns_port;
    int64_t directory_plain;
    int64_t domain_verification_timeout;
    int64_t domain_proof_grace;
    const char *journaling_sender;
    const char *region;
    int64_t http_threads;
    int64_t job_threads;
    int64_t connection_limit;
    int64_t wait_limit;
    int64_t idle_timeout;
    int64_t header_timeout;
    int64_t body_timeout;
    int64_t drain_timeout;
    int64_t upload_limit; /* MiB */
    int64_t upload_connections;
    int64_t transfer_timeout;
    int64_t rate_limit;
    int64_t rate_limit_burst;
    int64_t failed_auth_limit;
    int64_t password_guesses;
    int64_t ews_timeout;
    int64_t mailbox_retention;
    int64_t health_check_interval;
    int64_t cleaning_interval;
    int64_t idempotency_retention;
    int64_t job_retention;
    int64_t operation_retention;
    int64_t audit_retention;
    int64_t dkim_rotation_interval;
    int64_t dkim_publication_time;
    int64_t dkim_retirement_time;

    /* Made from the above. */
    struct settings settings;
    const struct proxy_list *proxies;            /* NULL: none */
    const char *const *origins;                  /* NULL: none */
    const struct network_list *ews_network_list; /* NULL: none */
};

/* What a command takes besides the settings: `--name VALUE`. */
struct config_option {
    const char *name;    /* without the dashes; NULL ends the list */
    const char **values; /* up to `max` values, in order; NULL after the last */
    int max;
};

/* Reads the arguments after the command's name. Precedence: flag, environment (POSTREEVE_NAME), file, default. On false
 * `error` says what is wrong. `options` may be NULL. The strings live in the arena or in argv. */
bool config_read(struct arena *arena, int argc, char **argv, const struct config_option *options,
                 struct config *ret_config, char *error, size_t error_size);

/* Prints a line per setting. */
void config_print_help(void);
