#include "model/field.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "model/json_out.h"
#include "model/text.h"

/* Where a fault is reported: members of a body by pointer, parameters by name. */
typedef void add_fault(struct problem *problem, const char *name, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

struct decoder {
    const struct field_table *table;
    struct problem *problem;
    add_fault *add;
    void *target;
    uint64_t set;
};

static void store_text(const struct field *field, const char *text, void *target)
{
    memcpy((char *)target + field->offset, &text, sizeof(text));
}

static void store_integer(const struct field *field, int64_t value, void *target)
{
    memcpy((char *)target + field->offset, &value, sizeof(value));
}

static void store_boolean(const struct field *field, bool value, void *target)
{
    memcpy((char *)target + field->offset, &value, sizeof(value));
}

static void decode_string(struct decoder *d, const struct field *field, const char *text)
{
    size_t characters = text_characters(text);
    const char *detail = NULL;

    if ((int64_t)characters < field->min)
        d->add(d->problem, field->name, "too_short", "At least %" PRId64 " character%s.", field->min,
               field->min == 1 ? "" : "s");
    else if ((int64_t)characters > field->max)
        d->add(d->problem, field->name, "too_long", "At most %" PRId64 " characters; it has %zu.", field->max,
               characters);
    else if ((field->flags & FIELD_LINES) == 0 && text_has_control(text))
        d->add(d->problem, field->name, "invalid_format", "Control characters are not allowed.");
    else if (field->check != NULL && !field->check(text, &detail))
        d->add(d->problem, field->name, field->check_code != NULL ? field->check_code : "invalid_format",
               "%s", detail);
    else
        store_text(field, arena_string(d->problem->arena, text), d->target);
}

static void decode_enum(struct decoder *d, const struct field *field, const char *text)
{
    struct buffer allowed = {.arena = d->problem->arena};
    for (const char *const *value = field->values; *value != NULL; value++) {
        if (strcmp(*value, text) == 0) {
            store_text(field, *value, d->target);
            return;
        }
        buffer_printf(&allowed, "%s%s", value == field->values ? "" : ", ", *value);
    }
    d->add(d->problem, field->name, "invalid_value", "One of: %s.", buffer_string(&allowed));
}

static void decode_time(struct decoder *d, const struct field *field, const char *text)
{
    if (text_is_time(text))
        store_text(field, arena_string(d->problem->arena, text), d->target);
    else
        d->add(d->problem, field->name, "invalid_format",
               "A time is written as in RFC 3339: 2026-11-23T10:00:00Z.");
}

static void decode_integer(struct decoder *d, const struct field *field, int64_t value)
{
    if (value < field->min)
        d->add(d->problem, field->name, "too_small", "At least %" PRId64 ".", field->min);
    else if (value > field->max)
        d->add(d->problem, field->name, "too_large", "At most %" PRId64 ".", field->max);
    else
        store_integer(field, value, d->target);
}

/* Each 1 to 256 characters. */
static void decode_strings(struct decoder *d, const struct field *field, const json_t *value)
{
    size_t count = json_array_size(value);
    if ((int64_t)count < field->min || (int64_t)count > field->max) {
        d->add(d->problem, field->name, (int64_t)count < field->min ? "too_short" : "too_long",
               "%" PRId64 " to %" PRId64 " items; it has %zu.", field->min, field->max, count);
        return;
    }
    const char **list = arena_alloc(d->problem->arena, (count + 1) * sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(value, i));
        if (text == NULL || *text == '\0' || text_characters(text) > 256 || text_has_control(text)) {
            d->add(d->problem, field->name, text == NULL ? "wrong_type" : "invalid_format",
                   "Item %zu is not a text of 1 to 256 characters without control characters.", i + 1);
            return;
        }
        list[i] = arena_string(d->problem->arena, text);
    }
    const char *const *stored = list;
    memcpy((char *)d->target + field->offset, &stored, sizeof(stored));
}

/* Kept as text, without the spaces between. */
static void decode_json(struct decoder *d, const struct field *field, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    if (text == NULL)
        abort();
    store_text(field, arena_string(d->problem->arena, text), d->target);
    free(text);
}

/* The row for a member; for a sub-object the first of its dotted rows, which are not members themselves. */
static const struct field *find(const struct field_table *table, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < table->count; i++) {
        const char *row = table->fields[i].name;
        if (strcspn(row, ".") == length && memcmp(row, name, length) == 0)
            return &table->fields[i];
    }
    return NULL;
}

/* --- bodies --- */

/* A member, or one of a sub-object: `part.member`. */
__attribute__((format(printf, 4, 5))) static void add_body_fault(struct problem *problem, const char *name,
                                                                 const char *code, const char *format, ...)
{
    const char *dot = strchr(name, '.');
    va_list args;
    va_start(args, format);
    const char *detail = arena_vprintf(problem->arena, format, args);
    va_end(args);
    if (dot == NULL)
        problem_add_member(problem, name, code, "%s", detail);
    else
        problem_add_part(problem, arena_copy(problem->arena, name, (size_t)(dot - name)), dot + 1, code, "%s",
                         detail);
}

static void decode_null(struct decoder *d, const struct field *field, enum field_mode mode)
{
    /* When creating, null says the same as leaving an optional member out: the default stays. */
    if (mode == FIELD_CREATE ? (field->flags & FIELD_REQUIRED) != 0 : (field->flags & FIELD_NULLABLE) == 0)
        d->add(d->problem, field->name, "not_nullable", "This member cannot be null.");
    else if (mode == FIELD_UPDATE)
        store_text(field, NULL, d->target); /* only texts are nullable */
}

static void decode_member(struct decoder *d, const char *name, const struct field *field,
                          enum field_mode mode, const json_t *value);

/* A sub-object: its members are rows of their own. */
static void decode_part(struct decoder *d, const char *part, enum field_mode mode, const json_t *value)
{
    const char *name;
    json_t *member;
    if (json_is_null(value) && mode == FIELD_CREATE)
        return;
    if (!json_is_object(value)) {
        problem_add_member(d->problem, part, json_is_null(value) ? "not_nullable" : "wrong_type",
                           "This member is an object.");
        return;
    }
    json_object_foreach ((json_t *)value, name, member) {
        const char *path = arena_printf(d->problem->arena, "%s.%s", part, name);
        const struct field *field = NULL;
        for (size_t i = 0; i < d->table->count; i++)
            if (strcmp(d->table->fields[i].name, path) == 0)
                field = &d->table->fields[i];
        if (field == NULL)
            problem_add_part(d->problem, part, name, "unknown_member", "This resource has no such member.");
        else
            decode_member(d, field->name, field, mode, member);
    }
}

static void decode_member(struct decoder *d, const char *name, const struct field *field,
                          enum field_mode mode, const json_t *value)
{
    if ((field->flags & FIELD_READ_ONLY) != 0) {
        d->add(d->problem, name, "read_only", "The service sets this member; leave it out.");
        return;
    }
    if (mode == FIELD_UPDATE && (field->flags & FIELD_CREATE_ONLY) != 0) {
        d->add(d->problem, field->name, "create_only",
               "This member is set when creating and not changed here.");
        return;
    }
    d->set |= UINT64_C(1) << (field - d->table->fields);

    if (json_is_null(value))
        decode_null(d, field, mode);
    else if (field->kind == FIELD_STRING && json_is_string(value))
        decode_string(d, field, json_string_value(value));
    else if (field->kind == FIELD_ENUM && json_is_string(value))
        decode_enum(d, field, json_string_value(value));
    else if (field->kind == FIELD_TIME && json_is_string(value))
        decode_time(d, field, json_string_value(value));
    else if (field->kind == FIELD_STRINGS && json_is_array(value))
        decode_strings(d, field, value);
    else if (field->kind == FIELD_JSON && json_is_object(value))
        decode_json(d, field, value);
    else if (field->kind == FIELD_INTEGER && json_is_integer(value))
        decode_integer(d, field, json_integer_value(value));
    else if (field->kind == FIELD_BOOLEAN && json_is_boolean(value))
        store_boolean(field, json_is_true(value), d->target);
    else
        d->add(d->problem, field->name, "wrong_type", "This member is %s.",
               field->kind == FIELD_INTEGER   ? "an integer"
               : field->kind == FIELD_BOOLEAN ? "true or false"
               : field->kind == FIELD_STRINGS ? "a list of strings"
               : field->kind == FIELD_JSON    ? "an object"
                                              : "a string");
}

static void require_members(struct decoder *d)
{
    for (size_t i = 0; i < d->table->count; i++) {
        const struct field *field = &d->table->fields[i];
        if ((field->flags & FIELD_REQUIRED) != 0 && (d->set & (UINT64_C(1) << i)) == 0)
            d->add(d->problem, field->name, "required", "This member is required.");
    }
}

enum code field_decode_body(const struct field_table *table, enum field_mode mode, const char *body,
                            size_t length, void *target, uint64_t *ret_set, struct problem *problem)
{
    json_error_t error;
    if (length == 0)
        return problem_set(problem, CODE_MALFORMED_JSON, "Line 1, column 1: the body is empty.");
    json_t *root = json_loadb(body, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root == NULL)
        return problem_set(problem, CODE_MALFORMED_JSON, "Line %d, column %d: %s.", error.line, error.column,
                           error.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return problem_set(problem, CODE_MALFORMED_JSON, "Line 1, column 1: the body is one JSON object.");
    }

    struct decoder d = {.table = table, .problem = problem, .add = add_body_fault, .target = target};
    const char *name;
    json_t *value;
    json_object_foreach (root, name, value) {
        const struct field *field = find(table, name);
        if (field == NULL)
            problem_add_member(problem, name, "unknown_member", "This resource has no such member.");
        else if (strchr(field->name, '.') != NULL && (field->flags & FIELD_READ_ONLY) == 0)
            decode_part(&d, name, mode, value);
        else
            decode_member(&d, name, field, mode, value);
    }
    if (mode == FIELD_CREATE)
        require_members(&d);

    json_decref(root);
    *ret_set = d.set;
    return problem->first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

/* --- query strings --- */

static void decode_parameter(struct decoder *d, const struct field *field, const char *text)
{
    uint64_t bit = UINT64_C(1) << (field - d->table->fields);
    long long value;

    if ((d->set & bit) != 0) {
        d->add(d->problem, field->name, "duplicate_parameter", "Give this parameter once.");
        return;
    }
    d->set |= bit;
    if (field->kind == FIELD_STRING)
        decode_string(d, field, text);
    else if (field->kind == FIELD_ENUM)
        decode_enum(d, field, text);
    else if (field->kind == FIELD_TIME)
        decode_time(d, field, text);
    else if (field->kind == FIELD_BOOLEAN && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        store_boolean(field, strcmp(text, "true") == 0, d->target);
    else if (field->kind == FIELD_INTEGER && text_to_integer(text, &value))
        decode_integer(d, field, value);
    else
        d->add(d->problem, field->name, "wrong_type", "This parameter is %s.",
               field->kind == FIELD_INTEGER ? "an integer" : "true or false");
}

enum code field_decode_query(const struct field_table *table, const char *query, void *target,
                             uint64_t *ret_set, struct problem *problem)
{
    struct decoder d = {.table = table, .problem = problem, .add = problem_add_parameter, .target = target};
    static const struct field_table none;
    if (d.table == NULL)
        d.table = &none;

    while (*query != '\0') {
        size_t length = strcspn(query, "&");
        const char *equals = memchr(query, '=', length);
        size_t name_length = equals != NULL ? (size_t)(equals - query) : length;
        const char *name;
        const char *value = "";
        if (!text_percent_decode(problem->arena, query, name_length, true, &name) ||
            (equals != NULL &&
             !text_percent_decode(problem->arena, equals + 1, length - name_length - 1, true, &value)))
            return problem_set(problem, CODE_BAD_REQUEST,
                               "The query string has a broken percent escape or is not UTF-8.");
        if (length > 0) {
            const struct field *field = find(d.table, name);
            if (field == NULL)
                problem_add_parameter(problem, name, "unknown_parameter",
                                      "This operation has no such parameter.");
            else
                decode_parameter(&d, field, value);
        }
        query += length;
        query += *query == '&';
    }
    for (size_t i = 0; i < d.table->count; i++)
        if ((d.table->fields[i].flags & FIELD_REQUIRED) != 0 && (d.set & (UINT64_C(1) << i)) == 0)
            problem_add_parameter(problem, d.table->fields[i].name, "required",
                                  "This parameter is required.");
    if (problem->first_fault != NULL)
        return CODE_VALIDATION_FAILED;
    *ret_set = d.set;
    return CODE_OK;
}

/* --- structs --- */

void field_merge(const struct field_table *table, uint64_t set, const void *from, void *into)
{
    for (size_t i = 0; i < table->count; i++) {
        if ((set & (UINT64_C(1) << i)) == 0)
            continue;
        const struct field *field = &table->fields[i];
        size_t size = field->kind == FIELD_INTEGER   ? sizeof(int64_t)
                      : field->kind == FIELD_BOOLEAN ? sizeof(bool)
                                                     : sizeof(const char *);
        memcpy((char *)into + field->offset, (const char *)from + field->offset, size);
    }
}

void field_store(const struct field *field, const char *text, void *target)
{
    if (field->kind == FIELD_INTEGER)
        store_integer(field, text == NULL ? 0 : strtoll(text, NULL, 10), target);
    else if (field->kind == FIELD_BOOLEAN)
        store_boolean(field, text != NULL && text[0] == 't', target);
    else
        store_text(field, text, target);
}

/* --- description --- */

void field_describe(const struct field_table *table, struct buffer *out)
{
    static const char *const kinds[] = {"string", "integer", "boolean", "enum", "time", "strings", "json"};

    out_begin_array(out);
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        out_begin_object(out);
        out_member(out, "name", field->name);
        out_member(out, "kind", kinds[field->kind]);
        out_member_boolean(out, "required", (field->flags & FIELD_REQUIRED) != 0);
        out_member_boolean(out, "create_only", (field->flags & FIELD_CREATE_ONLY) != 0);
        out_member_boolean(out, "read_only", (field->flags & FIELD_READ_ONLY) != 0);
        out_member_boolean(out, "write_only", (field->flags & FIELD_WRITE_ONLY) != 0);
        out_member_boolean(out, "nullable", (field->flags & FIELD_NULLABLE) != 0);
        if (field->max != 0) {
            out_member_integer(out, "min", field->min);
            out_member_integer(out, "max", field->max);
        }
        if (field->values != NULL) {
            out_name(out, "values");
            out_begin_array(out);
            for (const char *const *value = field->values; *value != NULL; value++)
                out_string(out, *value);
            out_end_array(out);
        }
        out_end_object(out);
    }
    out_end_array(out);
}
