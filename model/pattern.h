/* Patterns with `*` (any text) and `?` (any one character), compared byte by byte. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/arena.h"

/* A pattern as the functions below want it: of a run of wildcards the `?` stand first and one `*` is enough. */
const char *pattern_normal(struct arena *arena, const char *pattern);

/* Whether the text is one of the pattern's. */
bool pattern_matches(const char *pattern, const char *text);

/* The same prepared, for patterns that are asked often. */
struct pattern {
    const char *text; /* normal */
    size_t length;
    size_t head; /* characters before the first wildcard; all of them when there is none */
    size_t tail; /* characters behind the last one */
};
struct pattern pattern_prepare(const char *normal);
bool pattern_takes(const struct pattern *pattern, const char *text, size_t length);

/* False of most texts that the pattern does not take, by a look at two of their characters. */
static inline bool pattern_may_take(const struct pattern *pattern, const char *text, size_t length)
{
    return length >= pattern->head + pattern->tail &&
           (pattern->head == 0 || text[pattern->head - 1] == pattern->text[pattern->head - 1]) &&
           (pattern->tail == 0 || (length > 0 && text[length - 1] == pattern->text[pattern->length - 1]));
}

/* Whether each text of `inner` is one of `outer`, both normal. True is certain; false also says, where
 * `outer` has a `?`, that it could not be told. */
bool pattern_contains(const char *outer, const char *inner);

/* Whether a text can be of both. False is certain. */
bool pattern_meets(const char *a, const char *b);
