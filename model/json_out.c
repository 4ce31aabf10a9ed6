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

char *out_text_unchecked(char *at, const char *text, size_t length)
{
    const char *end = text + length;
    *at++ = '"';
    while (text < end) {
        const char *plain = text;
        while (text < end && (unsigned char)*text >= 0x20 && *text != '"' && *text != '\\')
            text++;
        memcpy(at, plain, (size_t)(text - plain));
        at += text - plain;
        if (text < end)
            at = put_escaped(at, (unsigned char)*text++);
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
