#include "model/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *buffer_reserve(struct buffer *buffer, size_t extra)
{
    if (extra > SIZE_MAX / 4)
        abort();
    if (buffer->capacity - buffer->length < extra) {
        size_t capacity = buffer->capacity < 512 ? 512 : buffer->capacity * 2;
        while (capacity - buffer->length < extra)
            capacity *= 2;
        char *data = arena_alloc_raw(buffer->arena, capacity);
        if (buffer->length > 0)
            memcpy(data, buffer->data, buffer->length);
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const char *data, size_t length)
{
    if (length == 0)
        return;
    memcpy(buffer_reserve(buffer, length), data, length);
    buffer->length += length;
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_byte(struct buffer *buffer, char byte)
{
    *buffer_reserve(buffer, 1) = byte;
    buffer->length++;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        abort();
    vsnprintf(buffer_reserve(buffer, (size_t)length + 1), (size_t)length + 1, format, again);
    va_end(again);
    buffer->length += (size_t)length;
}

const char *buffer_string(struct buffer *buffer)
{
    *buffer_reserve(buffer, 1) = '\0';
    return buffer->data;
}
