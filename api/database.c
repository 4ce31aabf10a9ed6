#include "api/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/migrate.h"
#include "db/root_key.h"
#include "db/state_lock.h"
#include "model/log.h"

/* Connections that are not the executor's: workers, notifier, and what an operator runs by hand. */
#define OTHER_CONNECTIONS 40
#define ROOT_KEY_VARIABLE "POSTREEVE_ROOT_KEY"

/* Taken out of the environment, where a child or a look into /proc would find it. */
static bool take_root_key(char *text, struct database *database, uint8_t *ret_key, char *error,
                          size_t error_size)
{
    bool good = root_key_parse(text, strlen(text), ret_key);
    secret_wipe(text, strlen(text));
    unsetenv(ROOT_KEY_VARIABLE);
    snprintf(database->root_key_origin, sizeof(database->root_key_origin), "in " ROOT_KEY_VARIABLE);
    if (!good)
        snprintf(error, error_size, ROOT_KEY_VARIABLE " is not 64 hexadecimal digits");
    return good;
}

/* From the environment or from the file that was named, not from both; else a credential of systemd, if the unit has one;
 * else from the state folder. */
static bool load_root_key(const struct config *config, struct database *database, uint8_t *ret_key,
                          char *error, size_t error_size)
{
    char *origin = database->root_key_origin;
    size_t size = sizeof(database->root_key_origin);
    char *variable = getenv(ROOT_KEY_VARIABLE);
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    char why[400];

    if (variable != NULL && config->root_key_file != NULL) {
        snprintf(error, error_size, "give " ROOT_KEY_VARIABLE " or --root-key-file, not both");
        return false;
    }
    if (variable != NULL)
        return take_root_key(variable, database, ret_key, error, error_size);
    if (config->root_key_file == NULL && credentials != NULL) {
        snprintf(origin, size, "%s/root-key", credentials);
        if (access(origin, F_OK) == 0)
            return root_key_read_credential(origin, ret_key, error, error_size);
    }
    if (config->root_key_file != NULL)
        snprintf(origin, size, "%s", config->root_key_file);
    else
        snprintf(origin, size, "%s/root-key", config->state_dir);
    if (root_key_load(origin, true, ret_key, why, sizeof(why)))
        return true;
    snprintf(error, error_size, "--root-key-file: %s", why);
    return false;
}

static bool load_keys(const struct config *config, struct database *database, char *error, size_t error_size)
{
    uint8_t root_key[SECRET_KEY_SIZE];
    if (!load_root_key(config, database, root_key, error, error_size))
        return false;
    bool good = secret_derive(root_key, "secrets at rest", database->secret_key.bytes) &&
                secret_derive(root_key, "audit log heads", database->audit_key.bytes) &&
                secret_fingerprint(root_key, database->fingerprint);
    secret_wipe(root_key, sizeof(root_key));
    if (!good)
        snprintf(error, error_size, "OpenSSL cannot derive keys from the root key");
    return good;
}

static bool start_embedded(const struct config *config, struct database *database, char *error,
                           size_t error_size)
{
    const struct embedded_options options = {
        .state_dir = config->state_dir,
        .bin_dir = config->postgresql_bin_dir,
        .max_connections = (unsigned)(config->http_threads + config->job_threads) + OTHER_CONNECTIONS,
    };
    if (!embedded_start(&options, &database->embedded, error, error_size))
        return false;
    database->conninfo = embedded_conninfo(database->embedded);
    return true;
}

/* The server of a running service, if there is one. */
static bool find_running(const struct config *config, struct arena *arena, struct database *database)
{
    char *conninfo = arena_alloc(arena, 1024);
    embedded_conninfo_for(config->state_dir, conninfo, 1024);
    if (*conninfo == '\0' || !embedded_answers(conninfo))
        return false;
    database->conninfo = conninfo;
    return true;
}

bool database_check(const struct config *config, struct database *ret_database, char *error,
                    size_t error_size)
{
    struct database database = {.conninfo = config->database, .lock_fd = -1};
    if (config->database == NULL && !embedded_check_path(config->state_dir, error, error_size))
        return false;
    if (config->database == NULL && access(config->postgresql_bin_dir, X_OK) != 0) {
        snprintf(error, error_size,
                 "--postgresql-bin-dir: PostgreSQL is not in %s (%m); install postgresql-15",
                 config->postgresql_bin_dir);
        return false;
    }
    if (!load_keys(config, &database, error, error_size))
        return false;
    *ret_database = database;
    return true;
}

bool database_open(const struct config *config, enum database_use use, struct arena *arena,
                   struct database *database, char *error, size_t error_size)
{
    if (use == DATABASE_COMMAND && (config->database != NULL || find_running(config, arena, database)))
        return true;
    database->lock_fd = state_lock(config->state_dir, error, error_size);
    if (database->lock_fd < 0)
        return false;
    if (config->database != NULL || start_embedded(config, database, error, error_size))
        return true;
    database_close(database);
    return false;
}

void database_close(struct database *database)
{
    embedded_stop(&database->embedded);
    secret_wipe(&database->secret_key, sizeof(database->secret_key));
    secret_wipe(&database->audit_key, sizeof(database->audit_key));
    if (database->lock_fd >= 0)
        close(database->lock_fd);
    database->lock_fd = -1;
}

static bool prepare_identities(struct db *db, const struct database *database, const struct config *config,
                               struct arena *arena, char *error, size_t error_size)
{
    struct problem problem = {.arena = arena};
    struct change change = {.arena = arena,
                            .problem = &problem,
                            .actor = "operator",
                            .operation = "Bootstrap",
                            .asked.action = "operator:CreateAccount"};
    bool same = false;
    bool created;
    enum code code = db_connect(db) ? identity_check_root_key(db, &problem, database->fingerprint, &same)
                                    : CODE_DATABASE_UNAVAILABLE;
    if (code == CODE_OK && !same) {
        snprintf(error, error_size,
                 "the root key %s is not the one that this database's secrets are sealed with: give that one",
                 database->root_key_origin);
        return false;
    }
    if (code == CODE_OK)
        code = identity_bootstrap(db, &change, &database->secret_key, config->state_dir, &created);
    if (code != CODE_OK)
        snprintf(error, error_size, "cannot prepare the database: %s (%s)", code_title(code), db_error(db));
    return code == CODE_OK;
}

bool database_prepare(const struct database *database, const struct db_environment *environment,
                      const struct config *config, char *error, size_t error_size)
{
    int applied;
    if (!migrate_run(database->conninfo, &applied, error, error_size))
        return false;
    if (applied > 0)
        LOG(LOG_INFO, "database migrated", LOG_NUMBER("migrations", applied));
    struct arena *arena = arena_new();
    struct db *db = db_new(environment, 30000);
    bool good = prepare_identities(db, database, config, arena, error, error_size);
    db_free(db);
    arena_free(arena);
    return good;
}
