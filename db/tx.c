#include "db/tx.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/audit.h"
#include "db/idempotency.h"
#include "db/notifier.h"
#include "db/row.h"
#include "model/digest.h"

#define MAX_ATTEMPTS 6

static const struct statement begin = {"BEGIN ISOLATION LEVEL READ COMMITTED", 0};
static const struct statement commit = {"COMMIT", 0};
static const struct statement rollback = {"ROLLBACK", 0};
static const struct statement check_now = {"SET CONSTRAINTS ALL IMMEDIATE", 0};

/* --- preconditions --- */

const char *tx_etag(struct arena *arena, const char *version)
{
    return arena_printf(arena, "\"v%s\"", version);
}

const char *tx_etag_observed(struct arena *arena, const char *version, const struct buffer *body)
{
    unsigned char digest[DIGEST_SIZE];
    char hex[2 * 8 + 1];
    digest_sha256(body->data, body->length, digest);
    digest_to_hex(digest, 8, hex);
    return arena_printf(arena, "\"v%s.%s\"", version, hex);
}

/* Whether it is the tag, or that of the same in gzip: `"v3"`, `"v3-gzip"`. What follows a dot (tx_etag_observed) is not
 * what a change depends on. */
static bool is_tag(const char *text, size_t length, const char *etag)
{
    static const char gzip[] = "-gzip\"";
    size_t tag = strlen(etag) - 1; /* without the quote at its end */
    return strncmp(text, etag, tag) == 0 &&
           ((length == tag + 1 && text[tag] == '"') ||
            (length > tag + 1 && text[tag] == '.' && text[length - 1] == '"') ||
            (length == tag + sizeof(gzip) - 1 && memcmp(text + tag, gzip, sizeof(gzip) - 1) == 0));
}

bool tx_names(const char *tags, const char *etag, bool takes_weak)
{
    if (strcmp(tags, "*") == 0)
        return true;
    for (const char *at = tags; *at != '\0';) {
        at += strspn(at, ", \t");
        if (takes_weak && strncmp(at, "W/", 2) == 0)
            at += 2;
        size_t tag = strcspn(at, ", \t");
        if (is_tag(at, tag, etag))
            return true;
        at += tag;
    }
    return false;
}

enum code tx_match(struct change *change, const char *version)
{
    change->matched = true;
    const char *etag = tx_etag(change->arena, version);
    if (change->if_match == NULL || tx_names(change->if_match, etag, false))
        return CODE_OK;
    return problem_set(change->problem, CODE_PRECONDITION_FAILED,
                       "It is %s now, which If-Match does not name: somebody changed it. Read it again.",
                       etag);
}

enum code tx_before(struct change *change, const PGresult *result, const struct field_table *table)
{
    change->audit.before = (struct buffer){.arena = change->arena};
    if (PQntuples(result) == 0)
        return CODE_OK;
    return row_write(result, 0, 0, table, &change->audit.before);
}

/* --- running --- */

static enum code end_with_commit(struct db *db, struct problem *problem)
{
    DB_RESULT result = NULL;
    db_queue_parameters(db, &commit, NULL, 0);
    enum code code;
    /* The last result is that of the COMMIT; those before it are of statements that the body left queued. */
    do {
        db_clear_result(&result);
        code = db_collect(db, problem, &result);
    } while (code == CODE_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0 &&
             strcmp(PQcmdStatus(result), "ROLLBACK") != 0);
    if (code != CODE_OK)
        return db_is_lost(db) ? CODE_OUTCOME_UNKNOWN : code;
    /* A COMMIT in a failed transaction is answered as done, with the tag ROLLBACK. */
    return strcmp(PQcmdStatus(result), "COMMIT") == 0 ? CODE_OK : CODE_INTERNAL_ERROR;
}

static void roll_back(struct db *db, struct problem *problem)
{
    db_finish(db, problem);
    if (db_is_lost(db))
        return;
    db_queue_silently(db, &rollback, NULL, 0);
    db_finish(db, problem);
}

/* What stands around a body: all of it in the same round trips. */
static enum code run_body(struct db *db, struct change *change, tx_body *body, void *argument)
{
    bool remembers = change->idempotency != NULL && !change->validate_only;

    change->answer = (struct answer){.body.arena = change->arena, .location = change->location};
    change->audit = change->asked;
    change->matched = false;
    db_queue_silently(db, &begin, NULL, 0);
    if (remembers)
        idempotency_queue_begin(db, change);
    enum code code = body(db, change, argument);
    if (code == CODE_OK && change->if_match != NULL && !change->matched)
        code = problem_set(change->problem, CODE_PRECONDITION_FAILED,
                           "This operation changes nothing that has a version; leave If-Match out.");
    if (code == CODE_OK && change->validate_only) {
        db_queue_silently(db, &check_now, NULL, 0);
        return db_finish(db, change->problem);
    }
    if (code == CODE_OK)
        audit_queue_event(db, change);
    if (code == CODE_OK && remembers)
        code = idempotency_queue_record(db, change);
    return code;
}

static enum code attempt(struct db *db, struct change *change, tx_body *body, void *argument)
{
    enum code code = run_body(db, change, body, argument);
    if (code == CODE_OK && !change->validate_only)
        code = end_with_commit(db, change->problem);
    if ((code != CODE_OK && code != CODE_OUTCOME_UNKNOWN) || change->validate_only) {
        struct problem unwanted = {.arena = change->arena};
        roll_back(db, &unwanted);
    }
    return code;
}

/* Up to 2, 4, 8, … milliseconds, so that those who met do not meet again. */
static void pause_before_retry(unsigned tries)
{
    struct timespec pause = {.tv_nsec = (long)((uint64_t)random() % (1000000ULL << tries))};
    nanosleep(&pause, NULL);
}

/* Hints only: who is not reached finds out by himself a little later. */
static void tell_others(struct db *db)
{
    struct db_notes notes = db_take_notes(db);
    if (notes.identities)
        notifier_identities_changed(db_notifier(db));
    if (notes.flow_rules[0] != '\0')
        notifier_flow_rules_changed(db_notifier(db), notes.flow_rules);
    if (notes.job)
        notifier_job_enqueued(db_notifier(db));
    if (notes.operation)
        notifier_operation_ended(db_notifier(db), notes.operation_id);
}

enum code tx_run(struct db *db, struct change *change, tx_body *body, void *argument)
{
    enum code code = CODE_DATABASE_UNAVAILABLE;
    for (unsigned tries = 1; tries <= MAX_ATTEMPTS; tries++) {
        db_take_notes(db);
        if (!db_connect(db))
            return CODE_DATABASE_UNAVAILABLE;
        code = attempt(db, change, body, argument);
        if (code != CODE_RETRY)
            break;
        problem_clear(change->problem);
        if (tries == MAX_ATTEMPTS)
            return problem_set(change->problem, CODE_OVERLOADED, "Too many changes meet here; try again.");
        pause_before_retry(tries);
    }
    if (code == CODE_OK && !change->validate_only && db_notifier(db) != NULL)
        tell_others(db);
    return code;
}
