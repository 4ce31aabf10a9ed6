/* The database of a process and the keys that go with it: what `serve` and the commands open first. */
#pragma once

#include <stdint.h>

#include "api/config.h"
#include "db/embedded.h"
#include "db/identity.h"
#include "model/secret.h"

struct database {
    const char *conninfo;
    struct embedded *embedded; /* NULL with --database, and beside a running service */
    int lock_fd;               /* of the state folder; -1: not held */
    struct secret_key secret_key;
    struct secret_key audit_key;               /* signs the audit log */
    char fingerprint[SECRET_FINGERPRINT_SIZE]; /* of the root key */
    char root_key_origin[512];                 /* where it came from, for messages */
};

enum database_use {
    DATABASE_SERVE,   /* the state folder is ours alone */
    DATABASE_COMMAND, /* works beside a running service; without one the embedded cluster is run meanwhile */
};

/* What is wrong with the settings shows here, before anything runs: loads (or makes) the root key, and looks at the path of
 * the embedded cluster. The state folder is prepared and root given up already. */
bool database_check(const struct config *config, struct database *ret_database, char *error,
                    size_t error_size);

/* After database_check: takes the state folder's lock, and starts the embedded cluster or finds the running one. From the
 * main thread. On false `error` says what to do, and nothing runs. */
bool database_open(const struct config *config, enum database_use use, struct arena *arena,
                   struct database *database, char *error, size_t error_size);

void database_close(struct database *database);

/* Migrates, compares the root key, and makes the account and its root access key at the first start. */
bool database_prepare(const struct database *database, const struct db_environment *environment,
                      const struct config *config, char *error, size_t error_size);
