#include "db/idempotency.h"

#include <stdlib.h>

#include "db/row.h"

/* What the sealed body is bound to. */
static const char *row_of(const struct change *change)
{
    return arena_printf(change->arena, "%s\n%s\n%s\n%s", change->account_id, change->actor, change->operation,
                        change->idempotency->key);
}

enum code idempotency_find(struct db *db, const struct change *change, bool *ret_found,
                           struct answer *ret_answer)
{
    static const struct statement find = {
        "SELECT fingerprint = $5 AS is_same, status, location, etag, sealed_body FROM idempotency_record"
        " WHERE account_id = $1 AND actor = $2 AND operation = $3 AND idempotency_key = $4"
        " AND created_at > now() - interval '24 hours'",
        5};
    const struct idempotency *idempotency = change->idempotency;
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &find, change->account_id, change->actor,
                            change->operation, idempotency->key, idempotency->fingerprint);
    if (code != CODE_OK)
        return code;
    *ret_found = PQntuples(result) == 1;
    if (!*ret_found)
        return CODE_OK;
    if (!row_flag(result, 0, "is_same"))
        return problem_set(
            change->problem, CODE_IDEMPOTENCY_MISMATCH,
            "This Idempotency-Key was used for another request; use a new one for each request.");

    size_t size;
    const char *body = sealed_open(change->arena, idempotency->secret_key, row_of(change),
                                   row_text(change->arena, result, 0, "sealed_body"), &size);
    if (body == NULL)
        return CODE_INTERNAL_ERROR;
    struct answer answer = {
        .body.arena = change->arena,
        .location = row_text(change->arena, result, 0, "location"),
        .etag = row_text(change->arena, result, 0, "etag"),
        .status = (int)strtol(PQgetvalue(result, 0, PQfnumber(result, "status")), NULL, 10),
    };
    buffer_append(&answer.body, body, size);
    *ret_answer = answer;
    return CODE_OK;
}

void idempotency_queue_begin(struct db *db, const struct change *change)
{
    static const struct statement begin = {"SELECT idempotency_begin($1, $2, $3, $4)", 4};
    const char *const parameters[] = {change->account_id, change->actor, change->operation,
                                      change->idempotency->key};
    db_queue_silently(db, &begin, parameters, 4);
}

enum code idempotency_queue_record(struct db *db, const struct change *change)
{
    static const struct statement record = {
        "INSERT INTO idempotency_record (account_id, actor, operation, idempotency_key, fingerprint, status, location,"
        " etag, sealed_body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        9};
    const struct idempotency *idempotency = change->idempotency;
    const struct answer *answer = &change->answer;
    const char *sealed =
        sealed_parameter(change->arena, idempotency->secret_key, row_of(change),
                         answer->body.length > 0 ? answer->body.data : "", answer->body.length);
    if (sealed == NULL)
        return CODE_INTERNAL_ERROR;
    DB_QUEUE(db, &record, change->account_id, change->actor, change->operation, idempotency->key,
             idempotency->fingerprint,
             row_integer(change->arena, answer->status != 0 ? answer->status : change->status),
             answer->location, answer->etag, sealed);
    return CODE_OK;
}
