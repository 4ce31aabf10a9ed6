/* Bytes that grow in an arena. */
#pragma once

#include "model/arena.h"

struct buffer {
    struct arena *arena;
    char *data; /* NULL while nothing was written; not NUL-terminated */
    size_t length;
    size_t capacity;
};

/* Room for `extra` more bytes after data[length]. */
char *buffer_reserve(struct buffer *buffer, size_t extra);

void buffer_append(struct buffer *buffer, const char *data, size_t length);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_byte(struct buffer *buffer, char byte);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes so far as a NUL-terminated string. */
const char *buffer_string(struct buffer *buffer);
