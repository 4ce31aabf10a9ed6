/* One connection to PostgreSQL, owned by one thread. Statements are queued and go out together, so that what belongs
 * together costs one round trip; each is prepared on the connection at its first use. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "model/code.h"
#include "model/problem.h"
#include "model/settings.h"

struct metrics;
struct notifier;
struct secret_key;

/* A constant SQL text. Its address is its identity: keep it for the life of the process. */
struct statement {
    const char *sql;
    int parameters;
};

/* What all connections of a process share. */
struct db_environment {
    const char *conninfo; /* libpq connection string or URI */
    const struct settings *settings;
    struct notifier *notifier;           /* told of enqueued jobs; NULL in commands */
    const struct secret_key *secret_key; /* of secrets at rest */
    const struct secret_key *audit_key;  /* signs the audit log */
    struct metrics *metrics;             /* NULL in commands */
};

struct db;

/* Does not connect yet. The environment outlives it. */
struct db *db_new(const struct db_environment *environment, int statement_timeout_ms);
void db_free(struct db *db);

/* Makes sure that there is a connection; false when there is none to be had now. Fails fast for a short while after
 * a failure, so that a dead server does not hold up every request. Call it between requests only. */
bool db_connect(struct db *db);

const struct settings *db_settings(const struct db *db);
const struct secret_key *db_secret_key(const struct db *db);
const struct secret_key *db_audit_key(const struct db *db);

/* The last error, in PostgreSQL's words, for the log. Empty when there was none. */
const char *db_error(const struct db *db);

/* Queues a statement with text parameters (NULL = SQL null), which are copied. Errors show at db_collect. */
void db_queue_parameters(struct db *db, const struct statement *statement, const char *const *parameters,
                         int count);
#define DB_QUEUE(db, statement, ...)                                       \
    db_queue_parameters(db, statement, (const char *const[]){__VA_ARGS__}, \
                        (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)))

/* The result of the next queued statement, in order; the first call sends what is queued. On success the caller
 * clears ret_result (NULL: not wanted). A violated constraint answers the code of db/constraint.c and fills the
 * problem. After an error the remaining results are gone. */
enum code db_collect(struct db *db, struct problem *problem, PGresult **ret_result);

/* Sends what is queued, and reads and drops all results: the first error. */
enum code db_finish(struct db *db, struct problem *problem);

/* One statement: DB_QUEUE and db_collect. */
#define DB_RUN(db, problem, ret_result, statement, ...) \
    (DB_QUEUE(db, statement, __VA_ARGS__), db_collect(db, problem, ret_result))

/* Where in the pipeline the next statement goes: what was queued before has its results before. */
unsigned db_position(const struct db *db);

/* Drops the results up to a position that the caller left. */
void db_skip(struct db *db, unsigned position);

/* How many pipelines ended with an error: when it changed, the results that were still to come are gone. */
unsigned db_failures(const struct db *db);

/* After a request: drops results that it left, and makes sure that no transaction is open. False (and the connection is
 * thrown away) when one was. */
bool db_is_clean(struct db *db);

/* --- for db/tx.c and db/notifier.c --- */

/* Queued and collected without the caller seeing it. */
void db_queue_silently(struct db *db, const struct statement *statement, const char *const *parameters,
                       int count);
bool db_is_lost(const struct db *db);
void db_disconnect(struct db *db);
struct notifier *db_notifier(const struct db *db);
/* What is to be told once the present transaction is committed. */
struct db_notes {
    bool identities;       /* they changed */
    char flow_rules[35];   /* the organization whose email flow rules changed; empty: none */
    bool job;              /* one was enqueued */
    bool operation;        /* one ended … */
    char operation_id[37]; /* … this one; empty: it may be any */
};
void db_note_job(struct db *db);
void db_note_identities(struct db *db);
void db_note_flow_rules(struct db *db, const char *organization_id);
/* NULL: any. */
void db_note_operation(struct db *db, const char *operation_id);
/* Gives them out and forgets them. */
struct db_notes db_take_notes(struct db *db);

/* __attribute__((cleanup)) for results. */
void db_clear_result(PGresult **result);
#define DB_RESULT __attribute__((cleanup(db_clear_result))) PGresult *
