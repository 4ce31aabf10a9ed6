#include "db/import.h"

#include <stdlib.h>
#include <string.h>

#include "db/data_key.h"
#include "db/idempotency.h"
#include "db/interoperability.h"
#include "db/job.h"
#include "db/operation.h"
#include "db/organization.h"
#include "db/row.h"
#include "model/digest.h"
#include "model/fault_point.h"
#include "model/id.h"
#include "model/job.h"

#define STR(x)  STR_(x)
#define STR_(x) #x

/* --- lines --- */

void import_line_write(struct buffer *out, int64_t number, const char *json, size_t length)
{
    buffer_printf(out, "%lld ", (long long)number);
    buffer_append(out, json, length);
    buffer_byte(out, '\n');
}

void import_line_write_fault(struct buffer *out, int64_t number, const char *detail)
{
    buffer_printf(out, "%lld !%s\n", (long long)number, detail);
}

/* --- uploading --- */

/* What is written on the way to the end is no change that anybody asked for by itself. */
static struct change silent(const struct change *change)
{
    struct change quiet = *change;
    quiet.idempotency = NULL;
    quiet.validate_only = false;
    quiet.if_match = NULL;
    quiet.asked = (struct audit_note){0};
    return quiet;
}

static enum code begin_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement find = {
        "SELECT import_id, chunk_count, upload_mac,"
        " organization_id = $4 AND format = $5 AND validate_only = $6 AS is_same FROM import"
        " WHERE account_id = $1 AND actor = $2 AND idempotency_key = $3 AND state = 'UPLOADING' FOR UPDATE",
        6};
    static const struct statement insert = {
        "INSERT INTO import (import_id, account_id, organization_id, actor, access_key_id, source_address, request_id,"
        " idempotency_key, format, validate_only) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        " ON CONFLICT (account_id, actor, idempotency_key) WHERE state = 'UPLOADING' DO NOTHING",
        10};
    struct import_upload *upload = argument;
    struct organization_row organization;
    DB_RESULT found = NULL;
    DB_RESULT made = NULL;
    const char *format = import_formats[upload->format];

    organization_queue(db, change->account_id, upload->organization_id, ORGANIZATION_SHARE);
    DB_QUEUE(db, &find, change->account_id, change->actor, upload->idempotency_key, upload->organization_id,
             format, row_boolean(upload->validate_only));
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, change->problem);
    if (code == CODE_OK)
        code = interoperability_refuse(&organization, "users and groups are imported", change->problem);
    if (code == CODE_OK)
        code = organization_need_built_in(&organization, "user", change->problem);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &found);
    if (code != CODE_OK)
        return code;
    if (PQntuples(found) > 0) {
        if (!row_flag(found, 0, "is_same"))
            return problem_set(change->problem, CODE_IDEMPOTENCY_MISMATCH,
                               "This Idempotency-Key was used for an upload of another kind.");
        upload->stored = (int)strtol(PQgetvalue(found, 0, 1), NULL, 10);
        memcpy((char *)(uintptr_t)upload->import_id, PQgetvalue(found, 0, 0), 36);
        strncpy(upload->stored_mac, PQgetvalue(found, 0, 2), sizeof(upload->stored_mac) - 1);
        return CODE_OK;
    }
    upload->stored = 0;
    memcpy((char *)(uintptr_t)upload->import_id, id_new_uuid(change->arena), 36);
    code = DB_RUN(db, change->problem, &made, &insert, upload->import_id, change->account_id,
                  upload->organization_id, change->actor, change->access_key_id, change->source_address,
                  change->request_id, upload->idempotency_key, format, row_boolean(upload->validate_only));
    if (code == CODE_OK && strcmp(PQcmdTuples(made), "1") != 0)
        code = CODE_RETRY; /* made meanwhile */
    return code;
}

enum code import_begin(struct db *db, struct change *change, struct import_upload *upload)
{
    struct change quiet = silent(change);
    if (change->idempotency != NULL) {
        struct problem ignored = {.arena = change->arena};
        struct answer unused;
        struct change asked = *change;
        asked.problem = &ignored;
        enum code code = idempotency_find(db, &asked, &upload->is_known, &unused);
        if (code != CODE_OK && code != CODE_IDEMPOTENCY_MISMATCH)
            return code;
        /* Whether it is the same file shows at its end. */
        if (code == CODE_IDEMPOTENCY_MISMATCH)
            upload->is_known = true;
        if (upload->is_known)
            return CODE_OK;
    }
    return tx_run(db, &quiet, begin_body, upload);
}

/* Each chunk is bound to those before it. */
static bool next_mac(struct db *db, struct arena *arena, const struct import_upload *upload,
                     const char *lines, size_t length, char ret_mac[static 65])
{
    struct buffer text = {.arena = arena};
    unsigned char mac[SECRET_MAC_SIZE];
    buffer_reserve(&text, length + 66);
    buffer_printf(&text, "%s\n", upload->mac);
    buffer_append(&text, lines, length);
    if (!secret_mac(db_secret_key(db)->bytes, text.data, text.length, mac))
        return false;
    digest_to_hex(mac, sizeof(mac), ret_mac);
    return true;
}

struct chunk_work {
    struct import_upload *upload;
    const char *lines;
    size_t length;
    int64_t line_count;
    const char *mac;
};

static const char *secret_row(struct arena *arena, const char *import_id, const char *number)
{
    return arena_printf(arena, "import_chunk\n%s\n%s", import_id, number);
}

static enum code chunk_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "WITH counted AS (UPDATE import SET chunk_count = chunk_count + 1, line_count = line_count + $4,"
        "  upload_mac = $5, updated_at = now() WHERE import_id = $1 AND chunk_count = $2::integer"
        "  AND state = 'UPLOADING' RETURNING import_id)"
        " INSERT INTO import_chunk (import_id, number, line_count, sealed_lines)"
        " SELECT import_id, $2::integer, $4::bigint, $3::bytea FROM counted",
        5};
    const struct chunk_work *work = argument;
    const struct import_upload *upload = work->upload;
    const char *number = row_integer(change->arena, upload->sent);
    const char *sealed = NULL;
    DB_RESULT result = NULL;

    enum code code =
        data_key_seal(db, upload->organization_id, secret_row(change->arena, upload->import_id, number),
                      work->lines, work->length, change->problem, &sealed);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &result, &insert, upload->import_id, number, sealed,
                      row_integer(change->arena, work->line_count), work->mac);
    if (code == CODE_OK && strcmp(PQcmdTuples(result), "1") != 0)
        code = problem_set(change->problem, CODE_IDEMPOTENCY_IN_PROGRESS,
                           "Another request goes on with this upload.");
    FAULT_POINT("import.chunk.before_commit");
    return code;
}

enum code import_add_chunk(struct db *db, struct change *change, struct import_upload *upload,
                           const char *lines, size_t length, int64_t line_count)
{
    char mac[65];
    struct change quiet = silent(change);
    if (!next_mac(db, change->arena, upload, lines, length, mac))
        return CODE_INTERNAL_ERROR;
    if (!upload->is_known && upload->sent >= upload->stored) {
        struct chunk_work work = {upload, lines, length, line_count, mac};
        enum code code = tx_run(db, &quiet, chunk_body, &work);
        if (code != CODE_OK)
            return code;
        FAULT_POINT("import.chunk.after_commit");
    }
    upload->sent++;
    memcpy(upload->mac, mac, sizeof(mac));
    if (upload->sent == upload->stored && strcmp(upload->mac, upload->stored_mac) != 0)
        return problem_set(change->problem, CODE_IDEMPOTENCY_MISMATCH,
                           "What was uploaded before under this Idempotency-Key is another file.");
    return CODE_OK;
}

static enum code finish_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement finish = {
        "UPDATE import SET state = 'UPLOADED', updated_at = now()"
        " WHERE import_id = $1 AND state = 'UPLOADING' AND chunk_count = $2::integer",
        2};
    struct import_upload *upload = argument;
    struct organization_row organization;
    DB_RESULT result = NULL;
    bool over = false;
    const char *target = arena_printf(change->arena, "/v1/organizations/%s/users", upload->organization_id);

    organization_queue(db, change->account_id, upload->organization_id, ORGANIZATION_SHARE);
    DB_QUEUE(db, &finish, upload->import_id, row_integer(change->arena, upload->sent));
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, change->problem);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (strcmp(PQcmdTuples(result), "1") != 0)
        return problem_set(change->problem, CODE_IDEMPOTENCY_IN_PROGRESS,
                           "Another request goes on with this upload.");
    operation_insert(db, change, upload->import_id, upload->organization_id, target,
                     job_kind_find(JOB_IMPORT)->steps);
    job_enqueue(db, change->arena,
                &(struct job_request){.kind = JOB_IMPORT,
                                      .organization_id = upload->organization_id,
                                      .operation_id = upload->import_id});
    change->answer.location = arena_printf(change->arena, "/v1/operations/%s", upload->import_id);
    code = db_finish(db, change->problem);
    if (code != CODE_OK)
        return code;
    operation_queue(db, change->account_id, NULL, upload->import_id);
    code = operation_collect(db, change->problem, &change->answer.body, &over);
    FAULT_POINT("import.finish.before_commit");
    return code;
}

enum code import_finish(struct db *db, struct change *change, struct import_upload *upload)
{
    if (upload->sent < upload->stored)
        return problem_set(change->problem, CODE_IDEMPOTENCY_MISMATCH,
                           "What was uploaded before under this Idempotency-Key is a longer file.");
    return tx_run(db, change, finish_body, upload);
}

/* --- results --- */

static const char *const outcomes[] = {"CREATED", "UPDATED", "UNCHANGED", "ERROR", NULL};
static const struct field result_query_fields[] = {
    LIST_PAGE_ROWS(struct import_result_query),
    FIELD_ENUM_ROW(struct import_result_query, outcome, 0, outcomes),
};
const struct field_table import_result_query_table =
    FIELD_TABLE("list_operation_results_query", result_query_fields);

enum code import_list_results(struct db *db, const char *account_id, const char *visible,
                              const char *operation_id, struct import_result_query *query,
                              struct problem *problem, struct buffer *out, const char **ret_next_token)
{
    static const struct statement find = {
        "SELECT FROM import i JOIN operation o ON o.operation_id = i.import_id"
        " WHERE i.import_id = $3 AND i.account_id = $1"
        " AND ($2::text[] IS NULL OR i.organization_id = ANY($2::text[]))",
        3};
    static const struct list_spec list = {
        .table = &import_result_table,
        .columns = "r.line, r.outcome, r.kind, r.entity_id AS id, r.name, r.errors",
        .from = "FROM import_result r WHERE r.import_id = $1",
        .fixed = 1,
        .filters = {" AND r.outcome = $?"},
        .orders = {{"line", "r.line", "bigint"}},
        .default_order = "line",
        .id = "r.line",
        .id_type = "bigint",
    };
    struct list_pending pending;
    DB_RESULT found = NULL;
    query->page.filters[0] = query->outcome;
    DB_QUEUE(db, &find, account_id, visible, operation_id);
    enum code code = list_queue(db, &list, &query->page, &operation_id, out->arena, problem, &pending);
    if (code == CODE_OK)
        code = db_collect(db, problem, &found);
    if (code == CODE_OK && PQntuples(found) == 0)
        code = problem_set(problem, CODE_OPERATION_NOT_FOUND, "No import has this id.");
    if (code != CODE_OK)
        return code;
    return list_collect(db, &pending, problem, out, ret_next_token);
}

/* --- cleaning --- */

enum code import_clean(struct db *db, struct change *change, bool *ret_more)
{
    /* Uploads that nobody went on with; lines of imports that ended otherwise than by the worker; all of those whose operation
     * is gone: some rows at a time, and the import when none is left. */
#define SOME_OF(table, key)                                                     \
    "(DELETE FROM " table " d USING (SELECT s.import_id, s." key " FROM " table \
    " s JOIN over USING (import_id)"
    static const struct statement clean = {
        "WITH over AS (SELECT i.import_id, o.operation_id IS NULL AS is_gone FROM import i"
        "  LEFT JOIN operation o ON o.operation_id = i.import_id"
        "  WHERE (i.state = 'UPLOADING' AND i.updated_at <= now() - CASE WHEN i.idempotency_key IS NULL"
        "    THEN interval '1 hour' ELSE make_interval(secs => $1::bigint) END)"
        "   OR (i.state = 'UPLOADED' AND (o.operation_id IS NULL OR (o.finished_at IS NOT NULL"
        "    AND (EXISTS (SELECT FROM import_chunk c WHERE c.import_id = i.import_id)"
        "     OR EXISTS (SELECT FROM import_trial_key k WHERE k.import_id = i.import_id)))))"
        "  ORDER BY i.updated_at FOR UPDATE OF i SKIP LOCKED LIMIT 1),"
        " chunks AS " SOME_OF(
            "import_chunk",
            "number") " LIMIT 100) x"
                      "  WHERE d.import_id = x.import_id AND d.number = x.number RETURNING 1),"
                      " keys AS " SOME_OF(
                          "import_trial_key",
                          "key") " LIMIT 10000) x"
                                 "  WHERE d.import_id = x.import_id AND d.key = x.key RETURNING 1),"
                                 " results AS " SOME_OF(
                                     "import_result",
                                     "line") " WHERE over.is_gone LIMIT 10000) x"
                                             "  WHERE d.import_id = x.import_id AND d.line = x.line RETURNING 1),"
                                             " removed AS (DELETE FROM import i USING over WHERE i.import_id = over.import_id AND over.is_gone"
                                             "  AND NOT EXISTS (SELECT FROM chunks) AND NOT EXISTS (SELECT FROM keys) AND NOT EXISTS (SELECT FROM results))"
                                             " SELECT FROM over",
        1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &clean,
                            row_integer(change->arena, db_settings(db)->idempotency_retention_s));
    if (code == CODE_OK)
        *ret_more = PQntuples(result) > 0;
    return code;
}
