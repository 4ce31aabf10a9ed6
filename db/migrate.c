#include "db/migrate.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/conn.h"
#include "db/embedded_files.h"
#include "model/digest.h"

/* "postreev" as a number: whoever migrates this database holds it. */
#define LOCK_MIGRATION "SELECT pg_advisory_lock(8101839093432870262)"
/* Another process may migrate for long; but a table that waits for its lock holds up everybody behind it. */
#define LOCK_WAIT  "60s"
#define TABLE_WAIT "10s"

static bool fail(char *error, size_t error_size, const char *what, PGconn *connection)
{
    const char *message = PQerrorMessage(connection);
    snprintf(error, error_size, "%s: %.*s", what, (int)strcspn(message, "\n"), message);
    return false;
}

static bool run(PGconn *connection, const char *sql)
{
    DB_RESULT result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* Nothing waits for ever. A time that the operator set, for the role or in the connection string, stays. */
static bool limit_waits(PGconn *connection, const char *time)
{
    DB_RESULT result = PQexecParams(connection,
                                    "SELECT set_config(name, $1, false) FROM pg_settings"
                                    " WHERE name = 'lock_timeout' AND source IN ('default', 'session')",
                                    1, NULL, &time, NULL, NULL, 0);
    return PQresultStatus(result) == PGRES_TUPLES_OK;
}

static void checksum(const struct embedded_file *file, char hex[65])
{
    unsigned char digest[DIGEST_SIZE];
    digest_sha256(file->data, file->length, digest);
    digest_to_hex(digest, sizeof(digest), hex);
}

static long version_of(const struct embedded_file *file)
{
    return strtol(file->name, NULL, 10);
}

/* What was applied before must be what this program has. */
static bool check_applied(const PGresult *applied, char *error, size_t error_size)
{
    for (int row = 0; row < PQntuples(applied); row++) {
        long version = strtol(PQgetvalue(applied, row, 0), NULL, 10);
        const struct embedded_file *file = NULL;
        for (size_t i = 0; i < embedded_migration_count; i++)
            if (version_of(&embedded_migrations[i]) == version)
                file = &embedded_migrations[i];
        if (file == NULL) {
            snprintf(error, error_size,
                     "the database is newer than this program: it has migration %ld; start the newer version",
                     version);
            return false;
        }
        char hex[65];
        checksum(file, hex);
        if (strcmp(hex, PQgetvalue(applied, row, 1)) != 0) {
            snprintf(
                error, error_size,
                "the checksum of migration %s is not that of when it was applied: this is another build's database",
                file->name);
            return false;
        }
    }
    return true;
}

static bool apply(PGconn *connection, const struct embedded_file *file, char *error, size_t error_size)
{
    char what[128];
    char version[24];
    char hex[65];
    snprintf(what, sizeof(what), "migration %s failed", file->name);
    snprintf(version, sizeof(version), "%ld", version_of(file));
    checksum(file, hex);

    if (!run(connection, "BEGIN") || !run(connection, file->data))
        return fail(error, error_size, what, connection);
    DB_RESULT recorded =
        PQexecParams(connection, "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)",
                     3, NULL, (const char *const[]){version, file->name, hex}, NULL, NULL, 0);
    if (PQresultStatus(recorded) != PGRES_COMMAND_OK)
        return fail(error, error_size, what, connection);
    DB_RESULT committed = PQexec(connection, "COMMIT");
    if (PQresultStatus(committed) != PGRES_COMMAND_OK || strcmp(PQcmdStatus(committed), "COMMIT") != 0)
        return fail(error, error_size, what, connection);
    return true;
}

static bool migrate(PGconn *connection, int *ret_applied, char *error, size_t error_size)
{
    if (!run(connection, "SET client_min_messages = warning") || !limit_waits(connection, LOCK_WAIT))
        return fail(error, error_size, "the database cannot be prepared", connection);
    if (!run(connection, LOCK_MIGRATION))
        return fail(error, error_size, "another process migrates the database, and has for long", connection);
    if (!limit_waits(connection, TABLE_WAIT) ||
        !run(connection,
             "CREATE TABLE IF NOT EXISTS schema_migration (version integer PRIMARY KEY, name text NOT NULL,"
             " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"))
        return fail(error, error_size, "the database cannot be prepared", connection);
    DB_RESULT applied = PQexec(connection, "SELECT version, checksum FROM schema_migration ORDER BY version");
    if (PQresultStatus(applied) != PGRES_TUPLES_OK)
        return fail(error, error_size, "the database cannot be prepared", connection);
    if (!check_applied(applied, error, error_size))
        return false;

    int count = 0;
    for (size_t i = (size_t)PQntuples(applied); i < embedded_migration_count; i++, count++)
        if (!apply(connection, &embedded_migrations[i], error, error_size))
            return false;
    *ret_applied = count;
    return true;
}

bool migrate_run(const char *conninfo, int *ret_applied, char *error, size_t error_size)
{
    static const char *const keywords[] = {"dbname", "application_name", "client_encoding", "connect_timeout",
                                           NULL};
    const char *const values[] = {conninfo, "postreeve migrate", "UTF8", "10", NULL};
    PGconn *connection = PQconnectdbParams(keywords, values, 1);
    bool done = PQstatus(connection) == CONNECTION_OK
                    ? migrate(connection, ret_applied, error, error_size)
                    : fail(error, error_size, "cannot connect to the database", connection);
    PQfinish(connection);
    return done;
}
