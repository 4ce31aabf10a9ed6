#include "db/row.h"

#include <inttypes.h>
#include <string.h>

#include "model/json_out.h"

/* `2026-11-23 10:00:00.123+00`, with TimeZone=UTC, becomes `2026-11-23T10:00:00.123Z`. */
static void write_time(struct buffer *out, const char *text, size_t length)
{
    char time[40];
    if (length > sizeof(time) - 2)
        length = sizeof(time) - 2;
    memcpy(time, text, length);
    if (length > 10)
        time[10] = 'T';
    if (length > 3 && memcmp(time + length - 3, "+00", 3) == 0) {
        length -= 3;
        time[length++] = 'Z';
    }
    out_text(out, time, length);
}

/* An array literal of text: `{a,"b,c"}`. */
static void write_strings(struct buffer *out, const char *text, size_t length)
{
    const char *end = text + length - 1; /* the closing brace */
    out_begin_array(out);
    for (const char *at = text + 1; at < end; at++) {
        struct buffer item = {.arena = out->arena};
        if (*at == '"') {
            for (at++; at < end && *at != '"'; at++) {
                if (*at == '\\')
                    at++;
                buffer_byte(&item, *at);
            }
            at++;
        } else {
            size_t plain = strcspn(at, ",}");
            buffer_append(&item, at, plain);
            at += plain;
        }
        out_text(out, item.length > 0 ? item.data : "", item.length);
    }
    out_end_array(out);
}

static void write_value(struct buffer *out, enum field_kind kind, const char *text, size_t length)
{
    switch (kind) {
    case FIELD_STRING:
    case FIELD_ENUM:
        out_text(out, text, length);
        break;
    case FIELD_TIME:
        write_time(out, text, length);
        break;
    case FIELD_BOOLEAN:
        out_boolean(out, text[0] == 't');
        break;
    case FIELD_STRINGS:
        write_strings(out, text, length);
        break;
    case FIELD_INTEGER:
    case FIELD_JSON:
        out_raw(out, text, length);
        break;
    }
}

enum code row_write(const PGresult *result, int row, int first_column, const struct field_table *table,
                    struct buffer *out)
{
    const char *part = NULL; /* the sub-object that is open: the dotted name of its first member */
    size_t part_length = 0;
    int column = first_column;

    out_begin_object(out);
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        if ((field->flags & FIELD_WRITE_ONLY) != 0)
            continue;
        /* Once a result: a column that moved must not go out under another's name. */
        if (row == 0 &&
            (PQfname(result, column) == NULL || strcmp(PQfname(result, column), field->name) != 0))
            return CODE_INTERNAL_ERROR;

        const char *name = field->name;
        const char *dot = strchr(name, '.');
        if (part != NULL && (dot == NULL || strncmp(name, part, part_length) != 0)) {
            out_end_object(out);
            part = NULL;
        }
        if (!PQgetisnull(result, row, column)) {
            if (dot != NULL && part == NULL) {
                part = name;
                part_length = (size_t)(dot - name) + 1;
                char opening[32] = {0};
                memcpy(opening, name,
                       part_length - 1 < sizeof(opening) ? part_length - 1 : sizeof(opening) - 1);
                out_name(out, opening);
                out_begin_object(out);
            }
            out_name(out, dot != NULL ? dot + 1 : name);
            write_value(out, field->kind, PQgetvalue(result, row, column),
                        (size_t)PQgetlength(result, row, column));
        }
        column++;
    }
    if (part != NULL)
        out_end_object(out);
    out_end_object(out);
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
