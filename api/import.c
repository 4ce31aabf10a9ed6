#include "api/import.h"

#include <string.h>
#include <strings.h>

#include "api/authorize.h"
#include "api/body.h"
#include "db/export.h"
#include "db/import.h"
#include "model/csv.h"

const char *const import_types[] = {"application/x-ndjson", "text/csv",
                                    NULL}; /* in the order of import_formats */

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/* --- import --- */

/* From one piece to the next. */
struct progress {
    struct import_upload upload;
    char import_id[37];
    int64_t line;                 /* of the file, that comes next */
    const unsigned char *columns; /* of CSV, once its header line was there */
    size_t column_count;
};

/* What is taken off the body. */
struct taking {
    struct buffer lines;
    size_t taken; /* bytes */
    int64_t count;
};

static struct progress *begin_progress(struct request *request)
{
    struct progress *progress = arena_alloc(request->arena, sizeof(*progress));
    size_t length = strcspn(request->content_type, "; \t");
    bool is_csv = strncasecmp(request->content_type, import_types[IMPORT_CSV], length) == 0;
    progress->upload = (struct import_upload){.organization_id = request->arguments[0],
                                              .idempotency_key = request->idempotency.key,
                                              .format = is_csv ? IMPORT_CSV : IMPORT_NDJSON,
                                              .validate_only = request->validate_only,
                                              .import_id = progress->import_id};
    progress->line = 1;
    request->progress = progress;
    return progress;
}

/* The next record with its line end; 0: it is not whole yet. */
static size_t record_length(const struct progress *progress, const char *data, size_t length, bool ended,
                            size_t *ret_lines)
{
    if (progress->upload.format == IMPORT_CSV)
        return csv_record_length(data, length, ended, ret_lines);
    const char *end = memchr(data, '\n', length);
    *ret_lines = 1;
    return end != NULL ? (size_t)(end - data) + 1 : ended ? length : 0;
}

static size_t without_end(const char *record, size_t length)
{
    while (length > 0 && strchr(" \t\r\n", record[length - 1]) != NULL && record[length - 1] != '\0')
        length--;
    return length;
}

static enum code take_header(struct request *request, struct progress *progress, const char *record,
                             size_t length)
{
    const char *detail;
    progress->columns = import_csv_columns(request->arena, record, length, &progress->column_count, &detail);
    return progress->columns != NULL ? CODE_OK
                                     : problem_set(&request->problem, CODE_BAD_REQUEST, "Line 1: %s", detail);
}

static void take_record(struct progress *progress, struct taking *taking, const char *record, size_t length)
{
    struct buffer json = {.arena = taking->lines.arena};
    const char *detail;
    size_t text = without_end(record, length);
    if (text == 0) /* an empty line says nothing */
        return;
    taking->count++;
    if (progress->upload.format == IMPORT_NDJSON)
        import_line_write(&taking->lines, progress->line, record[0] == '!' ? "?" : record,
                          record[0] == '!' ? 1 : text);
    else if (import_csv_to_json(progress->columns, progress->column_count, record, length, &json, &detail))
        import_line_write(&taking->lines, progress->line, json.data, json.length);
    else
        import_line_write_fault(&taking->lines, progress->line, detail);
}

/* Takes a chunk off what is there from `from` on. Where chunks end depends on nothing but the file, so that one that is sent
 * again has the same. *ret_full: there is one, or the last. */
static enum code take_chunk(struct request *request, struct progress *progress, size_t from,
                            struct taking *taking, bool *ret_full)
{
    const struct buffer *body = &request->body;
    int64_t first = progress->line;
    *ret_full = false;
    if (first == 1 && body->length - from >= 3 && memcmp(body->data + from, BYTE_ORDER_MARK, 3) == 0)
        taking->taken = 3; /* spreadsheets and editors put it there */
    while (taking->count < IMPORT_CHUNK_LINES && taking->taken < IMPORT_CHUNK_BYTES) {
        const char *at = body->data + from + taking->taken;
        size_t left = body->length - from - taking->taken;
        size_t lines = 0;
        size_t length = left > 0 ? record_length(progress, at, left, request->body_ended, &lines) : 0;
        if (length > IMPORT_LINE_MAX || (length == 0 && left > IMPORT_LINE_MAX))
            return problem_set(&request->problem, CODE_PAYLOAD_TOO_LARGE,
                               "Line %lld has more than 1 MiB; give more members in further lines.",
                               (long long)progress->line);
        if (length == 0) {
            *ret_full = request->body_ended;
            if (!request->body_ended)
                progress->line = first; /* it is looked at again when more is there */
            return CODE_OK;
        }
        if (progress->upload.format == IMPORT_CSV && progress->columns == NULL) {
            enum code code = take_header(request, progress, at, length);
            if (code != CODE_OK)
                return code;
        } else if (progress->upload.format != IMPORT_CSV || progress->line > 1) {
            take_record(progress, taking, at, length);
        }
        progress->line += (int64_t)lines;
        taking->taken += length;
    }
    *ret_full = true;
    return CODE_OK;
}

static enum code add_chunk(struct request *request, struct progress *progress, struct arena *arena,
                           const struct taking *taking)
{
    struct problem problem = {.arena = arena};
    struct change change = request_change(request);
    change.arena = arena;
    change.problem = &problem;
    enum code code = import_add_chunk(request->db, &change, &progress->upload, taking->lines.data,
                                      taking->lines.length, taking->count);
    return code == CODE_OK || problem.detail == NULL
               ? code
               : problem_set(&request->problem, code, "%s", problem.detail);
}

/* All whole chunks that are there go into the database; what is behind them stays in the body. */
static enum code take_all(struct request *request, struct progress *progress)
{
    struct buffer *body = &request->body;
    size_t from = 0;
    bool full = true;
    enum code code = CODE_OK;
    while (code == CODE_OK && full && from < body->length) {
        struct arena *arena = arena_new(); /* the request's own would grow with the file */
        struct taking taking = {.lines.arena = arena};
        code = take_chunk(request, progress, from, &taking, &full);
        if (code == CODE_OK && full) {
            if (taking.count > 0)
                code = add_chunk(request, progress, arena, &taking);
            from += taking.taken;
        }
        arena_free(arena);
    }
    body_drop(body, from);
    return code;
}

static enum code finish(struct request *request, struct progress *progress)
{
    bool replayed = false;
    enum code code = CODE_OK;
    if (progress->upload.format == IMPORT_CSV && progress->columns == NULL)
        return problem_set(&request->problem, CODE_BAD_REQUEST,
                           "The first line of a CSV file names its columns; this one is empty.");
    if (!request->validate_only)
        code = request_replay_upload(request, progress->upload.mac, &replayed);
    if (code != CODE_OK || replayed)
        return code;
    struct change change = request_change(request);
    change.validate_only = false; /* its report is kept, and nothing else */
    if (request->validate_only) {
        change.idempotency = NULL;
        change.asked.action = NULL; /* nothing is changed that the audit log tells of */
        response_header(request, "Validate-Only", "true");
    }
    code = import_finish(request->db, &change, &progress->upload);
    if (request->validate_only) { /* a dry run makes nothing that it could point to */
        change.answer.location = NULL;
        change.answer.status = 200;
    }
    return response_change(request, &change, code);
}

enum code import_users(struct request *request)
{
    struct progress *progress = request->progress;
    enum code code = CODE_OK;
    if (progress == NULL) {
        struct change change = request_change(request);
        progress = begin_progress(request);
        if (request->validate_only)
            change.idempotency = NULL;
        code = import_begin(request->db, &change, &progress->upload);
    }
    if (code == CODE_OK && request->body.length > 0)
        code = take_all(request, progress);
    if (code != CODE_OK)
        return code;
    return request->body_ended ? finish(request, progress) : CODE_CONTINUE;
}

enum code list_operation_results(struct request *request)
{
    struct import_result_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token;
    const char *visible;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = authorize_visible(request, &visible);
    if (code == CODE_OK)
        code = import_list_results(request->db, request->principal.account_id, visible, request->arguments[0],
                                   &query, &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

/* --- export --- */

static const struct field export_query_fields[] = {
    FIELD_ENUM_ROW(struct export_query, format, 0, import_formats)};
const struct field_table export_query_table = FIELD_TABLE("export_users_query", export_query_fields);

static enum code begin_export(struct request *request)
{
    struct export_query query = {0};
    enum code code = request_query(request, &query);
    if (code != CODE_OK)
        return code;
    struct export *state = arena_alloc(request->arena, sizeof(*state));
    *state = (struct export){.arena = request->arena,
                             .account_id = request->principal.account_id,
                             .organization_id = request->arguments[0],
                             .format =
                                 query.format != NULL && strcmp(query.format, import_formats[IMPORT_CSV]) == 0
                                     ? IMPORT_CSV
                                     : IMPORT_NDJSON};
    request->progress = state;
    return CODE_OK;
}

enum code export_users(struct request *request)
{
    enum code code = request->progress == NULL ? begin_export(request) : CODE_OK;
    if (code != CODE_OK)
        return code;
    struct export *state = request->progress;
    arena_free(request->piece);
    request->piece = arena_new();
    struct buffer out = {.arena = request->piece};
    struct problem problem = {.arena = request->piece};
    code = export_next(request->db, state, &problem, &out);
    if (code != CODE_OK)
        return problem.detail == NULL ? code : problem_set(&request->problem, code, "%s", problem.detail);
    request->response.status = 200;
    request->response.content_type = import_types[state->format];
    request->response.body = out.data;
    request->response.length = out.length;
    return state->part == EXPORT_END ? CODE_OK : CODE_CONTINUE;
}
