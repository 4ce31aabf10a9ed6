/* STATE/postgresql/server.log: what the server and initdb write, within bounds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cluster_log {
    const char *path;
    const char *old_path;
    int fd;
};

/* On false `error` says what to do. */
bool cluster_log_open(struct cluster_log *log, char *error, size_t error_size);

off_t cluster_log_size(const struct cluster_log *log);

/* When the log has become too long: its newest part goes to server.log.old, and it begins anew. */
void cluster_log_bound(const struct cluster_log *log);

/* The most telling line written since `offset`: the last fatal error, else the last line at all. */
void cluster_log_last_words(const struct cluster_log *log, off_t offset, char *out, size_t out_size);
