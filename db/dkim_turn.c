#include <stdlib.h>
#include <string.h>

#include "db/data_key.h"
#include "db/dkim.h"
#include "db/job.h"
#include "db/mail_domain.h"
#include "db/row.h"
#include "model/job.h"
#include "model/json_out.h"

/* --- asking for it --- */

void dkim_hurry(struct db *db, struct arena *arena, const char *organization_id)
{
    job_enqueue_periodic(
        db, arena, &(struct job_request){.kind = JOB_DKIM_ROTATION, .organization_id = organization_id});
}

/* One that runs begins anew: it may have looked already. */
#define HURRY                                                                                           \
    "UPDATE job j SET state = 'PENDING', step = 0, failures = 0, claims = j.claims + 1, run_at = now()" \
    " FROM organization o WHERE j.organization_id = o.organization_id AND j.kind = '" JOB_DKIM_ROTATION \
    "' AND j.is_periodic AND j.state IN ('PENDING', 'RUNNING')"

void dkim_hurry_again(struct db *db, const char *organization_id)
{
    static const struct statement hurry = {HURRY " AND o.organization_id = $1", 1};
    DB_QUEUE(db, &hurry, organization_id);
    db_note_job(db);
}

void dkim_hurry_under_key(struct db *db, const char *account_id, const char *key_id)
{
    static const struct statement hurry = {HURRY " AND o.account_id = $1 AND o.key_id = $2", 2};
    DB_QUEUE(db, &hurry, account_id, key_id);
    db_note_job(db);
}

/* --- what comes next --- */

#define MICROSECONDS(time) "(extract(epoch FROM " time ") * 1000000)::bigint"

/* Three rows for each domain of the organization, or for one: its selectors, with their keys. */
static const struct statement read_slots = {
    "SELECT m.domain, m.dkim_selectors[s.slot] AS selector, k.state, k.algorithm, k.is_compromised"
    ", " MICROSECONDS("k.published_at") " AS published_us, " MICROSECONDS(
        "k.retire_at") " AS retire_us"
                       ", " MICROSECONDS("k.remove_at") " AS remove_us, " MICROSECONDS(
                           "clock_timestamp()") " AS now_us"
                                                " FROM mail_domain m CROSS JOIN generate_series(1, 3) AS s(slot) LEFT JOIN dkim_key k"
                                                " ON k.organization_id = m.organization_id AND k.domain = m.domain AND k.slot = s.slot"
                                                " WHERE m.organization_id = $1 AND ($2::text IS NULL OR m.domain = $2) AND NOT m.is_test_domain"
                                                " ORDER BY m.domain, s.slot",
    2};

static int64_t number(const PGresult *result, int row, const char *column)
{
    return strtoll(PQgetvalue(result, row, PQfnumber(result, column)), NULL, 10);
}

/* Which of the names a column has; -1: it is null. */
static int index_of(const char *const *names, const PGresult *result, int row, const char *column)
{
    int index = 0;
    if (PQgetisnull(result, row, PQfnumber(result, column)))
        return -1;
    while (names[index] != NULL &&
           strcmp(names[index], PQgetvalue(result, row, PQfnumber(result, column))) != 0)
        index++;
    return index;
}

static struct dkim_slot read_slot(const PGresult *result, int row)
{
    int state = index_of(dkim_states, result, row, "state");
    if (state < 0)
        return (struct dkim_slot){.state = DKIM_NONE};
    return (struct dkim_slot){
        .state = (enum dkim_state)(DKIM_PUBLISHED + state),
        .algorithm = (enum dkim_algorithm)index_of(dkim_algorithms, result, row, "algorithm"),
        .is_compromised = row_flag(result, row, "is_compromised"),
        .published_us = number(result, row, "published_us"),
        .retire_us = number(result, row, "retire_us"),
        .remove_us = number(result, row, "remove_us"),
    };
}

/* The first one of all domains that were read. */
static struct dkim_turn find_turn(struct db *db, struct arena *arena, const PGresult *result)
{
    struct dkim_turn first = {.domain = NULL};
    for (int row = 0; row + DKIM_SLOTS <= PQntuples(result); row += DKIM_SLOTS) {
        struct dkim_slot slots[DKIM_SLOTS];
        for (int i = 0; i < DKIM_SLOTS; i++)
            slots[i] = read_slot(result, row + i);
        struct dkim_step step = dkim_next(slots, db_settings(db)->dkim_publication_s * 1000000);
        if (first.domain != NULL && step.at_us >= first.step.at_us)
            continue;
        int64_t wait_us = step.at_us - number(result, row, "now_us");
        first =
            (struct dkim_turn){.domain = PQgetvalue(result, row, PQfnumber(result, "domain")),
                               .selector = PQgetvalue(result, row + step.slot, PQfnumber(result, "selector")),
                               .step = step,
                               .wait_us = wait_us > 0 ? wait_us : 0};
    }
    if (first.domain != NULL) {
        first.domain = arena_string(arena, first.domain);
        first.selector = arena_string(arena, first.selector);
    }
    return first;
}

static enum code make_key(struct db *db, const char *organization_id, struct problem *problem,
                          struct dkim_turn *turn)
{
    if (!dkim_key_new(turn->step.algorithm, problem->arena, &turn->key))
        return CODE_INTERNAL_ERROR;
    const char *bound_to = dkim_sealed_row(problem->arena, turn->domain, turn->selector, turn->key.value);
    enum code code = data_key_seal(db, organization_id, bound_to, turn->key.private_key, turn->key.size,
                                   problem, &turn->sealed);
    turn->is_held_up = code == CODE_KEY_STATE || code == CODE_NOT_READY;
    if (!turn->is_held_up)
        return code;
    problem_clear(problem);
    return CODE_OK;
}

enum code dkim_prepare(struct db *db, const char *organization_id, struct problem *problem,
                       struct dkim_turn *ret_turn)
{
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &read_slots, organization_id, NULL);
    if (code != CODE_OK)
        return code;
    *ret_turn = find_turn(db, problem->arena, result);
    return ret_turn->domain != NULL && ret_turn->wait_us == 0 && ret_turn->step.makes_key
               ? make_key(db, organization_id, problem, ret_turn)
               : CODE_OK;
}

/* --- taking it --- */

static void queue_new_key(struct db *db, struct arena *arena, const char *organization_id,
                          const struct dkim_turn *turn)
{
    static const struct statement put = {
        "INSERT INTO dkim_key (organization_id, domain, slot, selector, algorithm, state, value, sealed_private_key,"
        " active_at, retire_at) SELECT $1, $2, $3::smallint, $4, $5, $6, $7, $8::bytea, t.at,"
        " t.at + make_interval(secs => $9::bigint)"
        " FROM (SELECT CASE WHEN $6 = 'ACTIVE' THEN now() END AS at) t"
        " ON CONFLICT (organization_id, domain, slot) DO UPDATE SET selector = excluded.selector,"
        " algorithm = excluded.algorithm, state = excluded.state, value = excluded.value,"
        " sealed_private_key = excluded.sealed_private_key, published_at = now(), active_at = excluded.active_at,"
        " retire_at = excluded.retire_at, retired_at = NULL, remove_at = NULL, is_compromised = false",
        9};
    DB_QUEUE(db, &put, organization_id, turn->domain, row_integer(arena, turn->step.slot + 1), turn->selector,
             dkim_algorithms[turn->step.algorithm], turn->step.is_active ? "ACTIVE" : "PUBLISHED",
             turn->key.value, turn->sealed, row_integer(arena, db_settings(db)->dkim_rotation_interval_s));
}

static void queue_switch(struct db *db, struct arena *arena, const char *organization_id,
                         const struct dkim_turn *turn)
{
    static const struct statement retire = {
        "UPDATE dkim_key SET state = 'RETIRED', retired_at = now(), remove_at = now()"
        " + CASE WHEN is_compromised THEN interval '0' ELSE make_interval(secs => $4::bigint) END"
        " WHERE organization_id = $1 AND domain = $2 AND algorithm = $3 AND state = 'ACTIVE'",
        4};
    static const struct statement activate = {
        "UPDATE dkim_key SET state = 'ACTIVE', active_at = now(),"
        " retire_at = now() + make_interval(secs => $4::bigint)"
        " WHERE organization_id = $1 AND domain = $2 AND slot = $3::smallint AND state = 'PUBLISHED'",
        4};
    const struct settings *settings = db_settings(db);
    DB_QUEUE(db, &retire, organization_id, turn->domain, dkim_algorithms[turn->step.algorithm],
             row_integer(arena, settings->dkim_retirement_s));
    DB_QUEUE(db, &activate, organization_id, turn->domain, row_integer(arena, turn->step.slot + 1),
             row_integer(arena, settings->dkim_rotation_interval_s));
}

/* For the audit log. */
static void note_step(struct change *change, const char *organization_id, const struct dkim_turn *turn)
{
    struct buffer *after = &change->audit.after;
    change->audit.target = mail_domain_path(change->arena, organization_id, turn->domain);
    *after = (struct buffer){.arena = change->arena};
    out_begin_object(after);
    out_member(after, "selector", turn->selector);
    out_member(after, "algorithm", dkim_algorithms[turn->step.algorithm]);
    out_member(after, "state", turn->step.makes_key && !turn->step.is_active ? "PUBLISHED" : "ACTIVE");
    out_end_object(after);
}

static bool is_same(const struct dkim_turn *a, const struct dkim_turn *b)
{
    return strcmp(a->selector, b->selector) == 0 && a->step.slot == b->step.slot &&
           a->step.makes_key == b->step.makes_key && a->step.is_active == b->step.is_active &&
           a->step.algorithm == b->step.algorithm;
}

enum code dkim_take(struct db *db, struct change *change, const struct organization_row *organization,
                    const struct dkim_turn *turn)
{
    /* So that it is not removed meanwhile. Nobody else takes a step: the job is this worker's. */
    static const struct statement lock = {
        "SELECT FROM mail_domain WHERE organization_id = $1 AND domain = $2 FOR KEY SHARE", 2};
    const char *organization_id = organization->organization_id;
    DB_RESULT result = NULL;
    DB_QUEUE(db, &lock, organization_id, turn->domain);
    DB_QUEUE(db, &read_slots, organization_id, turn->domain);
    enum code code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    struct dkim_turn now = find_turn(db, change->arena, result);
    if (now.domain == NULL || now.wait_us > 0 || !is_same(&now, turn))
        return CODE_OK;
    if (turn->step.makes_key)
        queue_new_key(db, change->arena, organization_id, turn);
    else
        queue_switch(db, change->arena, organization_id, turn);
    note_step(change, organization_id, turn);
    return CODE_OK;
}
