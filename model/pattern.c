#include "model/pattern.h"

#include <stdlib.h>
#include <string.h>

const char *pattern_normal(struct arena *arena, const char *pattern)
{
    char *normal = arena_string(arena, pattern);
    char *out = normal;
    while (*pattern != '\0') {
        bool has_star = false;
        for (; *pattern == '*' || *pattern == '?'; pattern++) {
            has_star = has_star || *pattern == '*';
            if (*pattern == '?')
                *out++ = '?';
        }
        if (has_star)
            *out++ = '*';
        if (*pattern != '\0')
            *out++ = *pattern++;
    }
    *out = '\0';
    return normal;
}

/* Going back to the last star only is enough: what an earlier one could take, the last one can take as well.
 * Where `text` is a pattern itself, its star stands for more than a character: only a star takes it. */
static bool match(const char *pattern, const char *text, bool text_is_pattern)
{
    const char *star = NULL;
    const char *resume = NULL;

    while (*text != '\0') {
        bool is_many = text_is_pattern && *text == '*';
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (!is_many && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool pattern_matches(const char *pattern, const char *text)
{
    return match(pattern, text, false);
}

struct pattern pattern_prepare(const char *normal)
{
    struct pattern pattern = {.text = normal, .length = strlen(normal), .head = strcspn(normal, "*?")};
    while (pattern.head + pattern.tail < pattern.length &&
           strchr("*?", normal[pattern.length - pattern.tail - 1]) == NULL)
        pattern.tail++;
    return pattern;
}

/* Most do not match, and show it at one of their ends. */
bool pattern_takes(const struct pattern *pattern, const char *text, size_t length)
{
    if (length < pattern->head + pattern->tail ||
        memcmp(text + length - pattern->tail, pattern->text + pattern->length - pattern->tail,
               pattern->tail) != 0 ||
        memcmp(text, pattern->text, pattern->head) != 0)
        return false;
    if (pattern->head == pattern->length)
        return length == pattern->length;
    if (pattern->head + 1 + pattern->tail == pattern->length && pattern->text[pattern->head] == '*')
        return true;
    return pattern_matches(pattern->text + pattern->head, text + pattern->head);
}

/* A literal `?` in `inner` means any character, which no literal of `outer` takes: `?` equals `?` alone. */
bool pattern_contains(const char *outer, const char *inner)
{
    return match(outer, inner, true);
}

/* meets[j] of row i: the rests a[i…] and b[j…] have a text in common. From the ends, row by row. */
bool pattern_meets(const char *a, const char *b)
{
    /* Most differ where both begin. An end is found by strchr too, and left to what follows. */
    while (*a == *b && *a != '\0' && *a != '*') {
        a++;
        b++;
    }
    if (strchr("*?", *a) == NULL && strchr("*?", *b) == NULL)
        return false;
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    bool *row = calloc(b_length + 1, sizeof(bool));
    if (row == NULL)
        abort();
    row[b_length] = true;
    for (size_t j = b_length; j-- > 0;)
        row[j] = b[j] == '*' && row[j + 1];
    for (size_t i = a_length; i-- > 0;) {
        bool diagonal = row[b_length]; /* row i + 1, column j + 1 */
        row[b_length] = a[i] == '*' && row[b_length];
        for (size_t j = b_length; j-- > 0;) {
            bool below = row[j];
            if (a[i] == '*' || b[j] == '*') /* it takes nothing, or what the other side begins with */
                row[j] = below || row[j + 1];
            else
                row[j] = diagonal && (a[i] == '?' || b[j] == '?' || a[i] == b[j]);
            diagonal = below;
        }
    }
    bool meets = row[0];
    free(row);
    return meets;
}
