/* JSON written straight into a buffer, without a tree. Separators are put where they are needed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/buffer.h"

void out_begin_object(struct buffer *out);
void out_end_object(struct buffer *out);
void out_begin_array(struct buffer *out);
void out_end_array(struct buffer *out);

/* The name of the next member. Names are ours: they need no escaping. */
void out_name(struct buffer *out, const char *name);

/* Values: after a name, or as elements of an array. Text is UTF-8. */
void out_text(struct buffer *out, const char *text, size_t length);
/* The same into memory that has room, for who reserves once for much: returns the end. Six bytes is the longest escape. */
#define OUT_TEXT_SIZE(length) ((length)*6 + 2)
char *out_text_unchecked(char *at, const char *text, size_t length);
void out_string(struct buffer *out, const char *text);
void out_integer(struct buffer *out, int64_t value);
void out_boolean(struct buffer *out, bool value);
/* Text that is JSON already. */
void out_raw(struct buffer *out, const char *json, size_t length);

/* Members; a NULL text leaves the member out. */
void out_member(struct buffer *out, const char *name, const char *text);
void out_member_integer(struct buffer *out, const char *name, int64_t value);
void out_member_boolean(struct buffer *out, const char *name, bool value);
