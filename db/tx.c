#include "db/tx.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/notifier.h"

#define MAX_ATTEMPTS 6

static const struct statement begin = {"BEGIN ISOLATION LEVEL READ COMMITTED", 0};
static const struct statement commit = {"COMMIT", 0};
static const struct statement rollback = {"ROLLBACK", 0};

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
    db_queue_silently(db, &rollback);
    db_finish(db, problem);
}

static enum code attempt(struct db *db, struct change *change, tx_body *body, void *argument)
{
    change->answer = (struct answer){.body.arena = change->arena};
    db_queue_silently(db, &begin);
    enum code code = body(db, change, argument);
    if (code == CODE_OK)
        code = end_with_commit(db, change->problem);
    if (code != CODE_OK && code != CODE_OUTCOME_UNKNOWN) {
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

enum code tx_run(struct db *db, struct change *change, tx_body *body, void *argument)
{
    enum code code = CODE_DATABASE_UNAVAILABLE;
    for (unsigned tries = 1; tries <= MAX_ATTEMPTS; tries++) {
        db_take_job_note(db);
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
    if (code == CODE_OK && db_take_job_note(db) && db_notifier(db) != NULL)
        notifier_job_enqueued(db_notifier(db));
    return code;
}
