/* What an import takes and an export gives: one user or group a line (behaviour: "Users", "Groups"). */
#pragma once

#include "model/field.h"

/* A user, or, of kind GROUP, a group; what a line does not name is not changed. */
struct import_entry {
    const char *kind; /* NULL: USER */
    const char *name;
    const char *display_name;
    const char *first_name;
    const char *last_name;
    const char *initials;
    const char *email;
    const char *const *aliases;
    const char *password;
    const char *password_hash;
    bool hidden_from_address_list;
    const char *street;
    const char *city;
    const char *zip_code;
    const char *country;
    const char *telephone;
    const char *job_title;
    const char *department;
    const char *company;
    const char *office;
    int64_t quota_mb;
    const char *description;
    const char *const *members;
};

/* Places in import_entry_table, which the bits of field_decode_body's `set` are by. */
enum import_member {
    IMPORT_KIND,
    IMPORT_NAME,
    IMPORT_DISPLAY_NAME,
    IMPORT_FIRST_NAME,
    IMPORT_LAST_NAME,
    IMPORT_INITIALS,
    IMPORT_EMAIL,
    IMPORT_ALIASES,
    IMPORT_PASSWORD,
    IMPORT_PASSWORD_HASH,
    IMPORT_HIDDEN,
    IMPORT_STREET,
    IMPORT_CITY,
    IMPORT_ZIP_CODE,
    IMPORT_COUNTRY,
    IMPORT_TELEPHONE,
    IMPORT_JOB_TITLE,
    IMPORT_DEPARTMENT,
    IMPORT_COMPANY,
    IMPORT_OFFICE,
    IMPORT_QUOTA_MB,
    IMPORT_DESCRIPTION,
    IMPORT_MEMBERS,
    IMPORT_MEMBER_COUNT
};

#define IMPORT_MEMBERS_MAX 1000 /* in one line; more come in further lines */

extern const struct field_table import_entry_table;
extern const struct field_table import_result_table;

enum import_format { IMPORT_NDJSON, IMPORT_CSV };
extern const char *const import_formats[]; /* their names, in the order above; NULL after the last */

/* A line of a file, and adds to the problem what no database need be asked for. CODE_OK, CODE_VALIDATION_FAILED or
 * CODE_MALFORMED_JSON. */
enum code import_decode(const char *json, size_t length, struct import_entry *ret_entry, uint64_t *ret_set,
                        struct problem *problem);

/* The columns of a CSV file from its first line: places in the table, as many as *ret_count. NULL, and why, when they cannot
 * be told. */
const unsigned char *import_csv_columns(struct arena *arena, const char *record, size_t length,
                                        size_t *ret_count, const char **ret_detail);
/* A record as a JSON object: empty cells are left out, lists are split at line ends. False, and why: it is not well-formed. */
bool import_csv_to_json(const unsigned char *columns, size_t count, const char *record, size_t length,
                        struct buffer *out, const char **ret_detail);

/* --- exports --- */

/* A line with these texts (as PostgreSQL shows them; lists with a line end between items; NULL: left out). */
void import_write_line(enum import_format format, const char *const values[static IMPORT_MEMBER_COUNT],
                       struct buffer *out);
/* What stands before the first line. */
void import_write_header(enum import_format format, struct buffer *out);
