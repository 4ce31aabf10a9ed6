/* Text from outside: UTF-8, percent-encoding, folding. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/arena.h"

/* Well-formed UTF-8 without NUL (RFC 3629). */
bool text_is_utf8(const char *text, size_t length);

/* Code points in well-formed UTF-8. */
size_t text_characters(const char *text);

/* Has a C0 control character or DEL. */
bool text_has_control(const char *text);

/* For tables of fields: neither begins nor ends with a space; says so in ret_detail. Not for the empty text. */
bool text_has_no_outer_space(const char *text, const char **ret_detail);

/* A time that there is, as in RFC 3339: 2026-11-23T10:00:00Z, with up to six decimals of the second, or with an offset
 * such as +01:00 instead of Z. */
bool text_is_time(const char *text);

/* Such a time in seconds since 1970. */
bool text_read_time(const char *text, int64_t *ret_seconds);

/* ASCII letters in lower case, in the arena. */
char *text_lower(struct arena *arena, const char *text);

/* Undoes percent-encoding (RFC 3986, 2.1), with `+` as a space when asked. False when an escape is broken or
 * the result is not UTF-8 or holds a NUL. */
bool text_percent_decode(struct arena *arena, const char *text, size_t length, bool plus_is_space,
                         const char **ret_text);

/* Percent-encodes all but the unreserved characters. */
const char *text_percent_encode(struct arena *arena, const char *text);

/* A decimal integer, whole text, no spaces. */
bool text_to_integer(const char *text, long long *ret_value);
