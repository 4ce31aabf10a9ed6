#include "db/conn.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/constraint.h"
#include "db/wait.h"
#include "model/metrics.h"

/* How many statements may wait for their results; the longest pipeline has about a dozen. */
#define MAX_QUEUED 64
/* A connection with more than this many prepared statements is replaced: rare list filters would pile up. */
#define MAX_PREPARED 400
#define TABLE_SIZE \
    1024 /* slots of the statement table: a power of two, well over MAX_PREPARED + MAX_QUEUED */
/* A lock that is not to be had holds up a thread: it is given up sooner than a statement. */
#define LOCK_TIMEOUT_MS 2000
/* The server ends a statement that takes too long; one that does not even do that is given up. */
#define GRACE_MS         2000
#define RETRY_CONNECT_MS 200

enum prepared { NOT_PREPARED, PREPARING, PREPARED };

struct slot {
    const struct statement *statement;
    enum prepared prepared;
    char name[12]; /* of the statement on the server */
};

struct queued {
    struct slot *prepares; /* the result is that of a Parse */
    bool silent;
};

struct db {
    const struct db_environment *environment;
    int statement_timeout_ms;
    PGconn *connection;
    bool lost;
    struct db_notes notes;
    bool counted; /* as an open one */
    int64_t retry_at_ms;
    char error[512];

    struct slot slots[TABLE_SIZE];
    unsigned prepared_count;

    struct queued queue[MAX_QUEUED];
    unsigned head, tail; /* results to come: queue[head .. tail) */
    bool synced;         /* a Sync was sent after the last of them */
    enum code failed;    /* the first error of this pipeline */
    unsigned failures;   /* pipelines that had one */
    char constraint[64]; /* that it violated, if it did */
    const char *detail;  /* what to say of it; NULL: nothing more than the code says */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct db *db_new(const struct db_environment *environment, int statement_timeout_ms)
{
    struct db *db = calloc(1, sizeof(*db));
    if (db == NULL)
        abort();
    db->environment = environment;
    db->statement_timeout_ms = statement_timeout_ms;
    return db;
}

void db_disconnect(struct db *db)
{
    if (db->counted)
        metrics_add(db->environment->metrics, METRIC_DATABASE_CONNECTIONS, -1);
    db->counted = false;
    PQfinish(db->connection);
    db->connection = NULL;
    db->lost = false;
    db->head = db->tail = 0;
    db->synced = false;
    db->failed = CODE_OK;
    db->detail = NULL;
    db->constraint[0] = '\0';
    db->prepared_count = 0;
    memset(db->slots, 0, sizeof(db->slots));
}

void db_free(struct db *db)
{
    if (db == NULL)
        return;
    db_disconnect(db);
    free(db);
}

static void remember_error(struct db *db, const char *text)
{
    snprintf(db->error, sizeof(db->error), "%s", text != NULL ? text : "");
    size_t length = strlen(db->error);
    while (length > 0 && db->error[length - 1] == '\n')
        db->error[--length] = '\0';
}

/* Plans are generic, so that a statement is planned once. A plan made while a table was empty must still be good when
 * it is full: every statement here has an index to go by. (A scan that is taken all the same looks so dear that it would
 * be compiled.) A generic plan does not know how few rows a page has: of a large list it would start processes for each.
 * Nothing may wait for ever. */
static bool prepare_session(struct db *db)
{
    char sql[768];
    snprintf(
        sql, sizeof(sql),
        "SELECT set_config('TimeZone', 'UTC', false), set_config('plan_cache_mode', 'force_generic_plan', false),"
        " set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false),"
        " set_config('max_parallel_workers_per_gather', '0', false),"
        " set_config('statement_timeout', '%d', false), set_config('lock_timeout', '%d', false),"
        " set_config('idle_in_transaction_session_timeout', '30000', false),"
        " set_config('DateStyle', 'ISO', false), set_config('IntervalStyle', 'postgres', false)",
        db->statement_timeout_ms, LOCK_TIMEOUT_MS);
    PGresult *result = wait_run(db->connection, sql, db->statement_timeout_ms + GRACE_MS);
    bool done = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    /* Details of an error may hold what a row holds; the log is no place for that. */
    PQsetErrorVerbosity(db->connection, PQERRORS_TERSE);
    return done && PQenterPipelineMode(db->connection) == 1;
}

bool db_connect(struct db *db)
{
    db->error[0] = '\0';
    if (db->connection != NULL && !db->lost && PQstatus(db->connection) == CONNECTION_OK &&
        db->prepared_count < MAX_PREPARED && wait_is_alive(db->connection))
        return true;
    if (now_ms() < db->retry_at_ms)
        return false;
    db_disconnect(db);

    static const char *const keywords[] = {"dbname",           "application_name",
                                           "client_encoding",  "keepalives",
                                           "keepalives_idle",  "keepalives_interval",
                                           "keepalives_count", "tcp_user_timeout",
                                           "connect_timeout",  NULL};
    const char *const values[] = {
        db->environment->conninfo, "postreeve", "UTF8", "1", "20", "5", "3", "10000", "3", NULL};
    db->connection = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(db->connection) != CONNECTION_OK || !prepare_session(db)) {
        remember_error(db, PQerrorMessage(db->connection));
        db_disconnect(db);
        metrics_add(db->environment->metrics, METRIC_DATABASE_CONNECT_FAILURES, 1);
        db->retry_at_ms = now_ms() + RETRY_CONNECT_MS;
        return false;
    }
    db->retry_at_ms = 0;
    db->counted = true;
    metrics_add(db->environment->metrics, METRIC_DATABASE_CONNECTIONS, 1);
    metrics_add(db->environment->metrics, METRIC_DATABASE_CONNECTS, 1);
    return true;
}

const struct settings *db_settings(const struct db *db)
{
    return db->environment->settings;
}

const struct secret_key *db_secret_key(const struct db *db)
{
    return db->environment->secret_key;
}

const struct secret_key *db_audit_key(const struct db *db)
{
    return db->environment->audit_key;
}

struct notifier *db_notifier(const struct db *db)
{
    return db->environment->notifier;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

bool db_is_lost(const struct db *db)
{
    return db->connection == NULL || db->lost;
}

void db_note_job(struct db *db)
{
    db->notes.job = true;
}

void db_note_operation(struct db *db, const char *operation_id)
{
    bool is_only_one = operation_id != NULL && !db->notes.operation;
    snprintf(db->notes.operation_id, sizeof(db->notes.operation_id), "%s", is_only_one ? operation_id : "");
    db->notes.operation = true;
}

struct db_notes db_take_notes(struct db *db)
{
    struct db_notes notes = db->notes;
    db->notes = (struct db_notes){0};
    return notes;
}

void db_note_identities(struct db *db)
{
    db->notes.identities = true;
}

void db_note_flow_rules(struct db *db, const char *organization_id)
{
    snprintf(db->notes.flow_rules, sizeof(db->notes.flow_rules), "%s", organization_id);
}

/* --- receiving --- */

static void fail(struct db *db, enum code code, const char *text)
{
    if (db->failed == CODE_OK) {
        db->failed = code;
        remember_error(db, text);
    }
}

/* What the database has run out of, so that who can do something about it is told; NULL when that is not it. */
static const char *shortage(const char *state)
{
    if (strncmp(state, "53", 2) != 0)
        return NULL;
    return strcmp(state, "53100") == 0   ? "The database's disk is full."
           : strcmp(state, "53200") == 0 ? "The database is out of memory."
           : strcmp(state, "53300") == 0 ? "The database has no free connection."
                                         : "The database is out of resources.";
}

/* What an error means for the request, and whether the connection can still be used. */
static enum code classify(struct db *db, const PGresult *result)
{
    static const struct {
        const char *state; /* SQLSTATE, or its class */
        enum code code;
        bool lost;
    } rows[] = {
        {"PR001", CODE_IDEMPOTENCY_IN_PROGRESS, false}, /* idempotency_begin */
        {"PR002", CODE_REPLAY, false},
        {"40001", CODE_RETRY, false},
        {"40P01", CODE_RETRY, false},
        {"57014", CODE_OVERLOADED, false},          /* statement time-out */
        {"55P03", CODE_OVERLOADED, false},          /* lock time-out */
        {"22", CODE_BAD_REQUEST, false},            /* a value that our own checks let pass */
        {"25006", CODE_DATABASE_UNAVAILABLE, true}, /* the server became a standby */
        {"57P", CODE_DATABASE_UNAVAILABLE, true},   /* shutting down, crashed, starting */
        {"53", CODE_DATABASE_UNAVAILABLE, true},    /* out of connections, memory, disk */
        {"08", CODE_DATABASE_UNAVAILABLE, true},    /* connection exception */
        {"0A000", CODE_RETRY, true},                /* a cached plan is out of date */
        {"26000", CODE_RETRY, true},                /* a prepared statement is gone */
    };

    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == NULL || PQstatus(db->connection) != CONNECTION_OK) {
        db->lost = true;
        return CODE_DATABASE_UNAVAILABLE;
    }
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    if (strncmp(state, "23", 2) == 0 && constraint != NULL) {
        snprintf(db->constraint, sizeof(db->constraint), "%s", constraint);
        return CODE_INTERNAL_ERROR;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strncmp(state, rows[i].state, strlen(rows[i].state)) == 0) {
            db->lost |= rows[i].lost;
            db->detail = shortage(state);
            return rows[i].code;
        }
    }
    return CODE_INTERNAL_ERROR;
}

/* Reads the result of the next entry. NULL in ret_result when it is an error or was skipped after one. */
static void receive(struct db *db, PGresult **ret_result)
{
    const struct queued *entry = &db->queue[db->head++];
    bool answered = wait_for_result(db->connection, db->statement_timeout_ms + GRACE_MS);
    PGresult *result = answered ? PQgetResult(db->connection) : NULL;
    ExecStatusType status = PQresultStatus(result);
    bool good = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;

    if (!good && status != PGRES_PIPELINE_ABORTED) {
        enum code code = result == NULL ? CODE_DATABASE_UNAVAILABLE : classify(db, result);
        db->lost |= result == NULL;
        fail(db, code,
             !answered        ? "the server does not answer"
             : result == NULL ? PQerrorMessage(db->connection)
                              : PQresultErrorMessage(result));
    }
    if (entry->prepares != NULL)
        entry->prepares->prepared = good ? PREPARED : NOT_PREPARED;
    if (!good) {
        PQclear(result);
        result = NULL;
    }
    /* Each result is followed by an empty one. */
    if (!db->lost && wait_for_result(db->connection, db->statement_timeout_ms + GRACE_MS))
        PQclear(PQgetResult(db->connection));
    else
        db->lost = true;
    *ret_result = result;
}

static void sync(struct db *db)
{
    if (!db->synced && db->head != db->tail && !db_is_lost(db)) {
        db->synced = PQpipelineSync(db->connection) == 1;
        if (!db->synced) {
            db->lost = true;
            fail(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection));
        }
    }
}

/* The Sync's own result, once all others were read. */
static void end_pipeline(struct db *db)
{
    if (db->synced && db->head == db->tail && !db_is_lost(db)) {
        PGresult *result = wait_for_result(db->connection, db->statement_timeout_ms + GRACE_MS)
                               ? PQgetResult(db->connection)
                               : NULL;
        if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
            db->lost = true;
        PQclear(result);
        db->synced = false;
    }
}

/* Results that nobody collected before more is queued are dropped; their error is that of the next db_collect. */
static void skip_uncollected(struct db *db)
{
    while (db->synced && db->head != db->tail && !db_is_lost(db)) {
        PGresult *result;
        receive(db, &result);
        PQclear(result);
    }
    end_pipeline(db);
    if (db->head == db->tail)
        db->head = db->tail = 0;
}

/* Reads to the end of the pipeline. */
static void skip_all(struct db *db)
{
    sync(db);
    while (db->head != db->tail && !db_is_lost(db)) {
        PGresult *result;
        receive(db, &result);
        PQclear(result);
    }
    end_pipeline(db);
    db->head = db->tail = 0;
    db->synced = false;
}

/* The same, and forgets its error. */
static void drop_results(struct db *db)
{
    skip_all(db);
    db->failed = CODE_OK;
    db->detail = NULL;
    db->constraint[0] = '\0';
}

/* Reads to the end of the pipeline and answers its first error. */
static enum code abandon(struct db *db, struct problem *problem)
{
    char constraint[sizeof(db->constraint)];
    skip_all(db);
    enum code code = db->failed;
    db->failures += code != CODE_OK;
    snprintf(constraint, sizeof(constraint), "%s", db->constraint);
    if (db->detail != NULL)
        problem_fill(problem, code, "%s", db->detail);
    drop_results(db);
    return constraint[0] != '\0' ? constraint_code(constraint, problem) : code;
}

/* --- sending --- */

static struct slot *find_slot(struct db *db, const struct statement *statement)
{
    size_t at = ((uintptr_t)statement >> 4) * 0x9E3779B97F4A7C15U >> 32;
    for (;; at++) {
        struct slot *slot = &db->slots[at % TABLE_SIZE];
        if (slot->statement == statement)
            return slot;
        if (slot->statement == NULL) {
            slot->statement = statement;
            snprintf(slot->name, sizeof(slot->name), "s%u", ++db->prepared_count);
            return slot;
        }
    }
}

static void push(struct db *db, struct slot *prepares, bool silent)
{
    db->queue[db->tail++] = (struct queued){.prepares = prepares, .silent = silent};
}

static void queue(struct db *db, const struct statement *statement, const char *const *parameters, int count,
                  bool silent)
{
    if (db_is_lost(db)) {
        fail(db, CODE_DATABASE_UNAVAILABLE, "no connection");
        return;
    }
    skip_uncollected(db);
    if (db->failed != CODE_OK)
        return;
    if (statement->parameters != count || db->tail + 2 > MAX_QUEUED ||
        db->prepared_count > MAX_PREPARED + MAX_QUEUED) {
        fail(db, CODE_INTERNAL_ERROR, "wrong use of the statement queue");
        return;
    }

    struct slot *slot = find_slot(db, statement);
    if (slot->prepared == NOT_PREPARED) {
        if (PQsendPrepare(db->connection, slot->name, statement->sql, 0, NULL) != 1) {
            db->lost = true;
            fail(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection));
            return;
        }
        slot->prepared = PREPARING;
        push(db, slot, true);
    }
    if (PQsendQueryPrepared(db->connection, slot->name, count, parameters, NULL, NULL, 0) != 1) {
        db->lost = true;
        fail(db, CODE_DATABASE_UNAVAILABLE, PQerrorMessage(db->connection));
        return;
    }
    push(db, NULL, silent);
}

void db_queue_parameters(struct db *db, const struct statement *statement, const char *const *parameters,
                         int count)
{
    queue(db, statement, parameters, count, false);
}

void db_queue_silently(struct db *db, const struct statement *statement, const char *const *parameters,
                       int count)
{
    queue(db, statement, parameters, count, true);
}

/* --- collecting --- */

enum code db_collect(struct db *db, struct problem *problem, PGresult **ret_result)
{
    PGresult *result = NULL;
    bool silent = true;

    sync(db);
    while (silent && db->failed == CODE_OK && db->head != db->tail) {
        PQclear(result);
        silent = db->queue[db->head].silent;
        receive(db, &result);
    }
    if (silent && db->failed == CODE_OK)
        fail(db, CODE_INTERNAL_ERROR, "more results wanted than statements queued");
    if (db->failed != CODE_OK) {
        PQclear(result);
        return abandon(db, problem);
    }
    end_pipeline(db);
    if (ret_result != NULL)
        *ret_result = result;
    else
        PQclear(result);
    return CODE_OK;
}

enum code db_finish(struct db *db, struct problem *problem)
{
    return abandon(db, problem);
}

unsigned db_position(const struct db *db)
{
    /* When nothing is left to be read, the next statement begins the queue anew. */
    return db->head == db->tail ? 0 : db->tail;
}

void db_skip(struct db *db, unsigned position)
{
    sync(db);
    while (db->head < position && db->head != db->tail && !db_is_lost(db)) {
        PGresult *result;
        receive(db, &result);
        PQclear(result);
    }
    end_pipeline(db);
}

unsigned db_failures(const struct db *db)
{
    return db->failures;
}

bool db_is_clean(struct db *db)
{
    if (db_is_lost(db))
        return true;
    drop_results(db);
    bool clean = PQtransactionStatus(db->connection) == PQTRANS_IDLE;
    if (!clean)
        db_disconnect(db);
    return clean;
}

void db_clear_result(PGresult **result)
{
    PQclear(*result);
    *result = NULL;
}
