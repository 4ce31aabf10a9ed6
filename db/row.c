#include "db/row.h"

#include <inttypes.h>
#include <string.h>

#include "model/json_out.h"

/* What a column of a result is called, the same in every row. */
struct column {
    enum field_kind kind;
    const char *name; /* without the sub-object's */
    size_t name_length;
    const char *part_name; /* of the sub-object that it is in */
    size_t part_length;
    int part;      /* number of that sub-object; 0: none */
    size_t length; /* of the value in the present row */
};

struct columns {
    struct column *list;
    int count;
    size_t names_length; /* of all names of a row, with what stands around them */
};

/* False when the columns are not those of the table: one that moved must not go out under another's name. */
static bool match_columns(const PGresult *result, int first_column, const struct field_table *table,
                          struct arena *arena, struct columns *ret_columns)
{
    struct columns columns = {.list = arena_alloc(arena, table->count * sizeof(struct column))};
    const char *part = "";
    size_t part_length = 0;
    int parts = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        if ((field->flags & FIELD_WRITE_ONLY) != 0)
            continue;
        const char *name = PQfname(result, first_column + columns.count);
        if (name == NULL || strcmp(name, field->name) != 0)
            return false;
        struct column *column = &columns.list[columns.count++];
        const char *dot = strchr(field->name, '.');
        column->kind = field->kind;
        column->name = dot != NULL ? dot + 1 : field->name;
        column->name_length = strlen(column->name);
        if (dot != NULL) {
            column->part_name = field->name;
            column->part_length = (size_t)(dot - field->name);
            parts += column->part_length != part_length || memcmp(part, field->name, part_length) != 0;
            column->part = parts;
        }
        part = dot != NULL ? field->name : "";
        part_length = column->part_length;
        columns.names_length += column->name_length + column->part_length + 10;
    }
    *ret_columns = columns;
    return true;
}

/* `2026-11-23 10:00:00.123+00`, with TimeZone=UTC, becomes `2026-11-23T10:00:00.123Z`. */
static char *write_time(char *at, const char *text, size_t length)
{
    char *start = at;
    *at++ = '"';
    memcpy(at, text, length);
    if (length > 10)
        start[11] = 'T';
    at += length;
    if (length > 3 && memcmp(at - 3, "+00", 3) == 0) {
        at -= 2;
        at[-1] = 'Z';
    }
    *at++ = '"';
    return at;
}

/* An array literal of text: `{a,"b,c"}`. */
static char *write_strings(char *at, const char *text, size_t length)
{
    const char *end = text + length - 1; /* the closing brace */
    char *start = at;
    *at++ = '[';
    for (const char *in = text + 1; in < end; in++) {
        if (at - start > 1)
            *at++ = ',';
        if (*in != '"') {
            size_t plain = strcspn(in, ",}");
            at = out_text_unchecked(at, in, plain);
            in += plain;
            continue;
        }
        /* The items are addresses and names: what an array literal escapes, JSON escapes alike. */
        for (*at++ = *in++; in < end && *in != '"'; *at++ = *in++)
            if (*in == '\\')
                *at++ = *in++;
        *at++ = '"';
        in++;
    }
    *at++ = ']';
    return at;
}

static char *write_value(char *at, enum field_kind kind, const char *text, size_t length)
{
    switch (kind) {
    case FIELD_STRING:
    case FIELD_ENUM:
        return out_text_unchecked(at, text, length);
    case FIELD_TIME:
        return write_time(at, text, length);
    case FIELD_STRINGS:
        return write_strings(at, text, length);
    case FIELD_BOOLEAN:
        length = text[0] == 't' ? 4 : 5;
        memcpy(at, length == 4 ? "true" : "false", length);
        return at + length;
    case FIELD_INTEGER:
    case FIELD_JSON:
        break;
    }
    memcpy(at, text, length);
    return at + length;
}

static char *write_name(char *at, const char *name, size_t length)
{
    *at++ = '"';
    memcpy(at, name, length);
    at += length;
    *at++ = '"';
    *at++ = ':';
    return at;
}

/* Room for all of a row is reserved first: nothing below asks again. */
static void write_row(const PGresult *result, int row, int first_column, const struct columns *columns,
                      struct buffer *out)
{
    size_t size = columns->names_length + 4;
    for (int i = 0; i < columns->count; i++) {
        columns->list[i].length = (size_t)PQgetlength(result, row, first_column + i);
        size += OUT_TEXT_SIZE(columns->list[i].length);
    }
    char *start = buffer_reserve(out, size);
    char *at = start;
    int part = 0;

    *at++ = '{';
    for (int i = 0; i < columns->count; i++) {
        const struct column *column = &columns->list[i];
        size_t length = column->length;
        if (part != 0 && column->part != part) {
            *at++ = '}';
            part = 0;
        }
        if (length == 0 && PQgetisnull(result, row, first_column + i))
            continue;
        if (at[-1] != '{')
            *at++ = ',';
        if (column->part != part) {
            at = write_name(at, column->part_name, column->part_length);
            *at++ = '{';
            part = column->part;
        }
        at = write_name(at, column->name, column->name_length);
        at = write_value(at, column->kind, PQgetvalue(result, row, first_column + i), length);
    }
    if (part != 0)
        *at++ = '}';
    *at++ = '}';
    out->length += (size_t)(at - start);
}

enum code row_write(const PGresult *result, int row, int first_column, const struct field_table *table,
                    struct buffer *out)
{
    struct columns columns;
    if (!match_columns(result, first_column, table, out->arena, &columns))
        return CODE_INTERNAL_ERROR;
    write_row(result, row, first_column, &columns, out);
    return CODE_OK;
}

enum code row_write_all(const PGresult *result, int rows, const struct field_table *table, struct buffer *out)
{
    struct columns columns;
    if (!match_columns(result, 0, table, out->arena, &columns))
        return CODE_INTERNAL_ERROR;
    for (int row = 0; row < rows; row++) {
        if (row > 0)
            buffer_byte(out, ',');
        write_row(result, row, 0, &columns, out);
        if (row == 0) /* the others will be about as long */
            buffer_reserve(out, (size_t)rows * (out->length + 200));
    }
    return CODE_OK;
}

int row_columns(const struct field_table *table)
{
    int columns = 0;
    for (size_t i = 0; i < table->count; i++)
        columns += (table->fields[i].flags & FIELD_WRITE_ONLY) == 0;
    return columns;
}

const char *row_text(struct arena *arena, const PGresult *result, int row, const char *column)
{
    int number = PQfnumber(result, column);
    if (number < 0 || PQgetisnull(result, row, number))
        return NULL;
    return arena_copy(arena, PQgetvalue(result, row, number), (size_t)PQgetlength(result, row, number));
}

bool row_flag(const PGresult *result, int row, const char *column)
{
    int number = PQfnumber(result, column);
    return number >= 0 && PQgetvalue(result, row, number)[0] == 't';
}

void row_read(struct arena *arena, const PGresult *result, int row, const struct field_table *table,
              void *target)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        if ((field->flags & FIELD_READ_ONLY) == 0 && PQfnumber(result, field->name) >= 0)
            field_store(field, row_text(arena, result, row, field->name), target);
    }
}

const char *row_integer(struct arena *arena, int64_t value)
{
    return arena_printf(arena, "%" PRId64, value);
}
