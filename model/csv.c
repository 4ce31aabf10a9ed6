#include "model/csv.h"

#include <string.h>

#include "model/text.h"

size_t csv_record_length(const char *data, size_t length, bool ended, size_t *ret_lines)
{
    bool quoted = false;
    size_t lines = 0;
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '"')
            quoted = !quoted; /* a doubled one turns it twice */
        if (data[i] != '\n')
            continue;
        lines++;
        if (!quoted) {
            *ret_lines = lines;
            return i + 1;
        }
    }
    *ret_lines = lines + 1;
    return ended ? length : 0;
}

static size_t without_line_end(const char *record, size_t length)
{
    if (length > 0 && record[length - 1] == '\n')
        length--;
    if (length > 0 && record[length - 1] == '\r')
        length--;
    return length;
}

/* A cell in quotes, from behind the first one: where it ends, behind the last one. NULL: it does not. */
static const char *read_quoted(struct buffer *cell, const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == '"' && (at + 1 == end || at[1] != '"'))
            return at + 1;
        at += *at == '"';
        buffer_byte(cell, *at);
    }
    return NULL;
}

const char *const *csv_read(struct arena *arena, const char *record, size_t length, size_t *ret_count,
                            const char **ret_detail)
{
    size_t commas = 0;
    length = without_line_end(record, length);
    const char *end = record + length;
    if (!text_is_utf8(record, length)) {
        *ret_detail = "It is not UTF-8, or has a NUL.";
        return NULL;
    }
    for (size_t i = 0; i < length; i++)
        commas += record[i] == ',';
    const char **cells = arena_alloc(arena, (commas + 2) * sizeof(*cells));
    size_t count = 0;
    for (const char *at = record;; at++) {
        struct buffer cell = {.arena = arena};
        if (at < end && *at == '"') {
            at = read_quoted(&cell, at + 1, end);
        } else {
            const char *comma = memchr(at, ',', (size_t)(end - at));
            const char *stop = comma != NULL ? comma : end;
            if (memchr(at, '"', (size_t)(stop - at)) != NULL) {
                *ret_detail = "A quote stands in a cell that is not in quotes.";
                return NULL;
            }
            buffer_append(&cell, at, (size_t)(stop - at));
            at = stop;
        }
        if (at == NULL || (at < end && *at != ',')) {
            *ret_detail = at == NULL ? "A quote is not closed." : "Something stands behind a closing quote.";
            return NULL;
        }
        cells[count++] = buffer_string(&cell);
        if (at == end)
            break;
    }
    *ret_count = count;
    return cells;
}

void csv_write_cell(struct buffer *out, bool is_first, const char *text)
{
    if (!is_first)
        buffer_byte(out, ',');
    if (strpbrk(text, ",\"\r\n") == NULL) {
        buffer_text(out, text);
        return;
    }
    buffer_byte(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            buffer_byte(out, '"');
        buffer_byte(out, *text);
    }
    buffer_byte(out, '"');
}

void csv_end_record(struct buffer *out)
{
    buffer_text(out, "\r\n");
}
