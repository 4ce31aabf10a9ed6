/* Users and groups in bulk. An upload is stored chunk by chunk as it comes; its end makes an operation, whose job applies
 * one chunk a transaction. */
#pragma once

#include "db/list.h"
#include "db/tx.h"
#include "model/import.h"

#define IMPORT_CHUNK_LINES 1000
#define IMPORT_CHUNK_BYTES ((size_t)1024 * 1024) /* a chunk ends with the line that reaches this */
#define IMPORT_LINE_MAX    ((size_t)1024 * 1024)

/* --- uploading --- */

struct import_upload {
    const char *organization_id;
    const char *idempotency_key; /* NULL: what breaks off is begun anew */
    enum import_format format;
    bool validate_only;

    /* Of the request that sends it. */
    const char *import_id;
    bool is_known;       /* its answer is stored already: nothing is written again */
    int sent;            /* chunks that this request brought so far … */
    char mac[65];        /* … and what tells them from others */
    int stored;          /* chunks that are there since an upload that broke off … */
    char stored_mac[65]; /* … and the same of them */
};

/* Begins an upload, or finds the one with this Idempotency-Key that broke off. Its `import_id`, with room for an id, and the
 * members after it are set. */
enum code import_begin(struct db *db, struct change *change, struct import_upload *upload);

/* One more chunk: lines as import_line_write makes them. One that is stored already is only compared:
 * CODE_IDEMPOTENCY_MISMATCH when it is another one. */
enum code import_add_chunk(struct db *db, struct change *change, struct import_upload *upload,
                           const char *lines, size_t length, int64_t line_count);

/* All is there: answers the operation that was made. */
enum code import_finish(struct db *db, struct change *change, struct import_upload *upload);

/* A line of a chunk: its number in the file and its JSON, or what is wrong with it. No line end may be in either. */
void import_line_write(struct buffer *out, int64_t number, const char *json, size_t length);
void import_line_write_fault(struct buffer *out, int64_t number, const char *detail);

/* --- applying: within a worker's steps --- */

struct import_chunk;

/* Reads the next chunk and decodes it, and hashes plain passwords for up to a while: db/import_apply.c. NULL: none is left. */
enum code import_prepare(struct db *db, struct change *change, const char *import_id,
                         const char *organization_id, struct import_chunk **ret_chunk);

struct organization_row;
/* Applies it, writes what became of each line and removes it; or keeps the hashes that were made, when there are more to make. */
enum code import_apply(struct db *db, struct change *change, const struct organization_row *organization,
                       struct import_chunk *chunk);

/* For the cleaning: *ret_more: something was removed. */
enum code import_clean(struct db *db, struct change *change, bool *ret_more);

/* --- results --- */

struct import_result_query {
    struct list_query page;
    const char *outcome;
};
extern const struct field_table import_result_query_table;
/* CODE_OPERATION_NOT_FOUND when it is no import of the account, in an organization that is visible. */
enum code import_list_results(struct db *db, const char *account_id, const char *visible,
                              const char *operation_id, struct import_result_query *query,
                              struct problem *problem, struct buffer *out, const char **ret_next_token);
