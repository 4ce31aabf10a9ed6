#include "model/json_out.h"

#include <inttypes.h>
#include <string.h>

/* What stands before tells whether a comma is due: no state is kept beside the bytes. */
static void separate(struct buffer *out)
{
    if (out->length == 0)
        return;
    char last = out->data[out->length - 1];
    if (last != '{' && last != '[' && last != ':' && last != '\n')
        buffer_byte(out, ',');
}

void out_begin_object(struct buffer *out)
{
    separate(out);
    buffer_byte(out, '{');
}

void out_end_object(struct buffer *out)
{
    buffer_byte(out, '}');
}

void out_begin_array(struct buffer *out)
{
    separate(out);
    buffer_byte(out, '[');
}

void out_end_array(struct buffer *out)
{
    buffer_byte(out, ']');
}

void out_name(struct buffer *out, const char *name)
{
    separate(out);
    buffer_byte(out, '"');
    buffer_text(out, name);
    buffer_append(out, "\":", 2);
}

static char *put_escaped(char *at, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = {['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\\'] = '\\'};

    *at++ = '\\';
    if (byte < sizeof(letters) && letters[byte] != '\0') {
        *at++ = letters[byte];
        return at;
    }
    *at++ = 'u';
    *at++ = '0';
    *at++ = '0';
    *at++ = hex[byte >> 4];
    *at++ = hex[byte & 15];
    return at;
}

/* Whether none of eight bytes is escaped. A byte is below n when taking n from it borrows: the high bit shows it, and
 * where a neighbour's borrow shows too the bytes are merely looked at one by one. */
static bool is_plain_word(const char *text)
{
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t word, quotes, backslashes;
    memcpy(&word, text, sizeof(word));
    quotes = word ^ (ones * '"');
    backslashes = word ^ (ones * '\\');
    return ((((word - ones * 0x20) | (quotes - ones) | (backslashes - ones)) & ~word) & (ones << 7)) == 0;
}

char *out_text_unchecked(char *at, const char *text, size_t length)
{
    const char *end = text + length;
    *at++ = '"';
    while (text < end) {
        while (end - text >= 8 && is_plain_word(text)) {
            memcpy(at, text, 8);
            at += 8;
            text += 8;
        }
        for (const char *word_end = end - text >= 8 ? text + 8 : end; text < word_end; text++) {
            if ((unsigned char)*text >= 0x20 && *text != '"' && *text != '\\')
                *at++ = *text;
            else
                at = put_escaped(at, (unsigned char)*text);
        }
    }
    *at++ = '"';
    return at;
}

void out_text(struct buffer *out, const char *text, size_t length)
{
    separate(out);
    char *start = buffer_reserve(out, OUT_TEXT_SIZE(length));
    out->length += (size_t)(out_text_unchecked(start, text, length) - start);
}

void out_string(struct buffer *out, const char *text)
{
    out_text(out, text, strlen(text));
}

void out_integer(struct buffer *out, int64_t value)
{
    separate(out);
    buffer_printf(out, "%" PRId64, value);
}

void out_boolean(struct buffer *out, bool value)
{
    separate(out);
    buffer_text(out, value ? "true" : "false");
}

void out_raw(struct buffer *out, const char *json, size_t length)
{
    separate(out);
    buffer_append(out, json, length);
}

void out_member(struct buffer *out, const char *name, const char *text)
{
    if (text == NULL)
        return;
    out_name(out, name);
    out_string(out, text);
}

void out_member_integer(struct buffer *out, const char *name, int64_t value)
{
    out_name(out, name);
    out_integer(out, value);
}

void out_member_boolean(struct buffer *out, const char *name, bool value)
{
    out_name(out, name);
    out_boolean(out, value);
}
