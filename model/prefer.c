#include "model/prefer.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define SPACE " \t"

/* Past a string in quotes, in which a backslash takes the next character along. */
static const char *skip_quoted(const char *at)
{
    for (at++; *at != '\0' && *at != '"'; at++)
        if (*at == '\\' && at[1] != '\0')
            at++;
    return *at == '"' ? at + 1 : at;
}

/* Past the parameters of a preference, to the comma before the next one. */
static const char *skip_rest(const char *at)
{
    while (*at != '\0' && *at != ',')
        at = *at == '"' ? skip_quoted(at) : at + 1;
    return at;
}

static unsigned number(const char *at, unsigned limit)
{
    const char *end = at + strspn(at, "0123456789");
    unsigned value = 0;
    if (end == at || (*end != '\0' && strchr(SPACE ",;\"", *end) == NULL))
        return 0;
    for (; at < end && value < limit; at++)
        value = value * 10 + (unsigned)(*at - '0');
    return value < limit ? value : limit;
}

unsigned prefer_wait(const char *header, unsigned limit)
{
    for (const char *at = header + strspn(header, SPACE ","); *at != '\0'; at += strspn(at, SPACE ",")) {
        size_t length = strcspn(at, SPACE ",;=\"");
        bool is_wait = length == 4 && strncasecmp(at, "wait", 4) == 0;
        at += length;
        at += strspn(at, SPACE);
        if (is_wait && *at == '=') {
            at++;
            at += strspn(at, SPACE);
            return number(at + (*at == '"'), limit);
        }
        if (is_wait) /* the first one counts, whatever it says */
            return 0;
        at = skip_rest(at);
    }
    return 0;
}
