#include "model/import.h"

#include <string.h>

#include "model/csv.h"
#include "model/email.h"
#include "model/entity.h"
#include "model/group.h"
#include "model/json_out.h"
#include "model/password.h"
#include "model/password_format.h"
#include "model/text.h"
#include "model/user.h"

#define DETAIL_MAX  256
#define ALIASES_MAX 1000 /* what an operator may allow at most in one line; the account's limit counts */

/* Only the name has to be there: of what exists already, the rest is as it is. */
static const struct field entry_fields[IMPORT_MEMBER_COUNT] = {
    [IMPORT_KIND] = FIELD_ENUM_ROW(struct import_entry, kind, 0, member_kinds),
    [IMPORT_NAME] = FIELD_STRING_ROW(struct import_entry, name, FIELD_REQUIRED, 1, GROUP_NAME_MAX),
    [IMPORT_DISPLAY_NAME] = FIELD_STRING_ROW(struct import_entry, display_name, 0, 1, DETAIL_MAX),
    [IMPORT_FIRST_NAME] = FIELD_STRING_ROW(struct import_entry, first_name, 0, 0, DETAIL_MAX),
    [IMPORT_LAST_NAME] = FIELD_STRING_ROW(struct import_entry, last_name, 0, 0, DETAIL_MAX),
    [IMPORT_INITIALS] = FIELD_STRING_ROW(struct import_entry, initials, 0, 0, DETAIL_MAX),
    [IMPORT_EMAIL] = FIELD_STRING_ROW(struct import_entry, email, 0, 1, EMAIL_MAX),
    [IMPORT_ALIASES] = FIELD_STRINGS_ROW(struct import_entry, aliases, 0, 0, ALIASES_MAX),
    [IMPORT_PASSWORD] =
        FIELD_STRING_ROW(struct import_entry, password, FIELD_WRITE_ONLY, PASSWORD_MIN, PASSWORD_MAX,
                         .check = password_check, .check_code = "weak_password"),
    [IMPORT_PASSWORD_HASH] = FIELD_STRING_ROW(struct import_entry, password_hash, FIELD_WRITE_ONLY, 1,
                                              PASSWORD_FORMAT_MAX, .check = password_format_check),
    [IMPORT_HIDDEN] = FIELD_BOOLEAN_ROW(struct import_entry, hidden_from_address_list, 0),
    [IMPORT_STREET] = FIELD_STRING_ROW(struct import_entry, street, 0, 0, DETAIL_MAX),
    [IMPORT_CITY] = FIELD_STRING_ROW(struct import_entry, city, 0, 0, DETAIL_MAX),
    [IMPORT_ZIP_CODE] = FIELD_STRING_ROW(struct import_entry, zip_code, 0, 0, DETAIL_MAX),
    [IMPORT_COUNTRY] = FIELD_STRING_ROW(struct import_entry, country, 0, 0, DETAIL_MAX),
    [IMPORT_TELEPHONE] = FIELD_STRING_ROW(struct import_entry, telephone, 0, 0, DETAIL_MAX),
    [IMPORT_JOB_TITLE] = FIELD_STRING_ROW(struct import_entry, job_title, 0, 0, DETAIL_MAX),
    [IMPORT_DEPARTMENT] = FIELD_STRING_ROW(struct import_entry, department, 0, 0, DETAIL_MAX),
    [IMPORT_COMPANY] = FIELD_STRING_ROW(struct import_entry, company, 0, 0, DETAIL_MAX),
    [IMPORT_OFFICE] = FIELD_STRING_ROW(struct import_entry, office, 0, 0, DETAIL_MAX),
    [IMPORT_QUOTA_MB] = FIELD_INTEGER_ROW(struct import_entry, quota_mb, 0, 1, USER_QUOTA_DEFAULT_MB),
    [IMPORT_DESCRIPTION] = FIELD_STRING_ROW(struct import_entry, description, 0, 0, DETAIL_MAX),
    [IMPORT_MEMBERS] = FIELD_STRINGS_ROW(struct import_entry, members, 0, 0, IMPORT_MEMBERS_MAX),
};
const struct field_table import_entry_table = FIELD_TABLE("import_entry", entry_fields);

static const char *const outcomes[] = {"CREATED", "UPDATED", "UNCHANGED", "ERROR", NULL};
static const struct field result_fields[] = {
    FIELD_READ_ONLY_ROW("line", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("outcome", FIELD_ENUM, .values = outcomes),
    FIELD_READ_ONLY_ROW("kind", FIELD_ENUM, .values = member_kinds),
    FIELD_READ_ONLY_ROW("id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("errors", FIELD_JSON),
};
const struct field_table import_result_table = FIELD_TABLE("import_result", result_fields);

const char *const import_formats[] = {"NDJSON", "CSV", NULL};

#define BIT(member) (UINT64_C(1) << (member))
#define OF_BOTH                                                                           \
    (BIT(IMPORT_KIND) | BIT(IMPORT_NAME) | BIT(IMPORT_DISPLAY_NAME) | BIT(IMPORT_EMAIL) | \
     BIT(IMPORT_ALIASES) | BIT(IMPORT_HIDDEN))
#define OF_GROUPS (OF_BOTH | BIT(IMPORT_DESCRIPTION) | BIT(IMPORT_MEMBERS))
#define OF_USERS  (BIT(IMPORT_DESCRIPTION) - 1)

static void check_entry(const struct import_entry *entry, bool is_group, uint64_t set,
                        struct problem *problem)
{
    const char *detail;
    uint64_t foreign = set & ~(is_group ? OF_GROUPS : OF_USERS);
    for (unsigned i = 0; i < IMPORT_MEMBER_COUNT; i++)
        if ((foreign & BIT(i)) != 0)
            problem_add_member(problem, entry_fields[i].name, "unknown_member", "A %s has no such member.",
                               is_group ? "group" : "user");
    if (entry->password != NULL && entry->password_hash != NULL)
        problem_add_member(problem, "password", "invalid_value", "Give the password or its hash, not both.");
    if (entry->name == NULL)
        return;
    if (is_group ? !text_has_no_outer_space(entry->name, &detail) : !entity_check_name(entry->name, &detail))
        problem_add_member(problem, "name", "invalid_format", "%s", detail);
    else if (!is_group && text_characters(entry->name) > USER_NAME_MAX)
        problem_add_member(problem, "name", "too_long", "At most %d characters.", USER_NAME_MAX);
}

enum code import_decode(const char *json, size_t length, struct import_entry *ret_entry, uint64_t *ret_set,
                        struct problem *problem)
{
    struct import_entry entry = {0};
    uint64_t set = 0;
    enum code code =
        field_decode_body(&import_entry_table, FIELD_CREATE, json, length, &entry, &set, problem);
    if (code == CODE_MALFORMED_JSON)
        return code;
    check_entry(&entry, entry.kind != NULL && strcmp(entry.kind, "GROUP") == 0, set, problem);
    /* Null clears a detail; of what there always is, it says nothing. */
    if (entry.display_name == NULL)
        set &= ~BIT(IMPORT_DISPLAY_NAME);
    if (entry.quota_mb == 0)
        set &= ~BIT(IMPORT_QUOTA_MB);
    *ret_entry = entry; /* also a faulty one: its result shows the name */
    *ret_set = set;
    return problem->first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

/* --- CSV --- */

const unsigned char *import_csv_columns(struct arena *arena, const char *record, size_t length,
                                        size_t *ret_count, const char **ret_detail)
{
    bool seen[IMPORT_MEMBER_COUNT] = {false};
    size_t count = 0;
    const char *const *cells = csv_read(arena, record, length, &count, ret_detail);
    if (cells == NULL)
        return NULL;
    unsigned char *columns = arena_alloc(arena, count);
    for (size_t i = 0; i < count; i++) {
        unsigned member = 0;
        while (member < IMPORT_MEMBER_COUNT && strcmp(entry_fields[member].name, cells[i]) != 0)
            member++;
        if (member == IMPORT_MEMBER_COUNT || seen[member]) {
            *ret_detail = arena_printf(
                arena, "Column %zu of the header line, \"%.64s\", %s.", i + 1, cells[i],
                member == IMPORT_MEMBER_COUNT ? "is no member of users and groups" : "stands there twice");
            return NULL;
        }
        seen[member] = true;
        columns[i] = (unsigned char)member;
    }
    if (!seen[IMPORT_NAME]) {
        *ret_detail = "The header line has no column \"name\".";
        return NULL;
    }
    *ret_count = count;
    return columns;
}

static void write_list(struct buffer *out, const char *text)
{
    out_begin_array(out);
    while (*text != '\0') {
        size_t length = strcspn(text, "\r\n");
        if (length > 0)
            out_text(out, text, length);
        text += length;
        text += strspn(text, "\r\n");
    }
    out_end_array(out);
}

/* What is not of the member's type goes as text: the fault is found where all are. */
static void write_cell(struct buffer *out, const struct field *field, const char *text)
{
    long long value;
    out_name(out, field->name);
    if (field->kind == FIELD_STRINGS)
        write_list(out, text);
    else if (field->kind == FIELD_INTEGER && text_to_integer(text, &value))
        out_integer(out, value);
    else if (field->kind == FIELD_BOOLEAN && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        out_boolean(out, text[0] == 't');
    else
        out_string(out, text);
}

bool import_csv_to_json(const unsigned char *columns, size_t count, const char *record, size_t length,
                        struct buffer *out, const char **ret_detail)
{
    size_t found = 0;
    const char *const *cells = csv_read(out->arena, record, length, &found, ret_detail);
    if (cells == NULL)
        return false;
    if (found != count) {
        *ret_detail =
            arena_printf(out->arena, "It has %zu cells, and the header line has %zu.", found, count);
        return false;
    }
    out_begin_object(out);
    for (size_t i = 0; i < count; i++)
        if (cells[i][0] != '\0')
            write_cell(out, &entry_fields[columns[i]], cells[i]);
    out_end_object(out);
    return true;
}

/* --- exports --- */

static void write_json_line(const char *const *values, struct buffer *out)
{
    out_begin_object(out);
    for (unsigned i = 0; i < IMPORT_MEMBER_COUNT; i++) {
        const struct field *field = &entry_fields[i];
        if (values[i] == NULL)
            continue;
        out_name(out, field->name);
        if (field->kind == FIELD_STRINGS)
            write_list(out, values[i]);
        else if (field->kind == FIELD_INTEGER)
            out_raw(out, values[i], strlen(values[i]));
        else if (field->kind == FIELD_BOOLEAN)
            out_boolean(out, values[i][0] == 't');
        else
            out_string(out, values[i]);
    }
    out_end_object(out);
    buffer_byte(out, '\n');
}

/* Passwords and their hashes never leave. */
static bool is_exported(unsigned member)
{
    return (entry_fields[member].flags & FIELD_WRITE_ONLY) == 0;
}

static void write_csv_line(const char *const *values, struct buffer *out)
{
    for (unsigned i = 0; i < IMPORT_MEMBER_COUNT; i++) {
        const char *text = values[i] != NULL ? values[i] : "";
        if (entry_fields[i].kind == FIELD_BOOLEAN && values[i] != NULL)
            text = text[0] == 't' ? "true" : "false";
        if (is_exported(i))
            csv_write_cell(out, i == 0, text);
    }
    csv_end_record(out);
}

void import_write_line(enum import_format format, const char *const values[static IMPORT_MEMBER_COUNT],
                       struct buffer *out)
{
    if (format == IMPORT_CSV)
        write_csv_line(values, out);
    else
        write_json_line(values, out);
}

void import_write_header(enum import_format format, struct buffer *out)
{
    if (format != IMPORT_CSV)
        return;
    for (unsigned i = 0; i < IMPORT_MEMBER_COUNT; i++)
        if (is_exported(i))
            csv_write_cell(out, i == 0, entry_fields[i].name);
    csv_end_record(out);
}
