#include "api/trace.h"

#include <stdbool.h>
#include <string.h>

#define ID_LENGTH 32
/* version-trace_id-parent_id-flags */
static const char form[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
#define LENGTH    (sizeof(form) - 1)
#define ID_AT     3
#define PARENT_AT 36

static bool has_form(const char *text)
{
    for (size_t i = 0; i < LENGTH; i++)
        if (form[i] == 'x' ? text[i] == '\0' || strchr("0123456789abcdef", text[i]) == NULL
                           : text[i] != form[i])
            return false;
    return true;
}

const char *trace_id_of(struct arena *arena, const char *traceparent)
{
    if (!has_form(traceparent) || strncmp(traceparent, "ff", 2) == 0 ||
        strspn(traceparent + ID_AT, "0") >= ID_LENGTH || strspn(traceparent + PARENT_AT, "0") >= 16)
        return NULL;
    /* Later versions may say more behind a hyphen; this one may not. */
    char next = traceparent[LENGTH];
    if (next != '\0' && (next != '-' || strncmp(traceparent, "00", 2) == 0))
        return NULL;
    return arena_copy(arena, traceparent + ID_AT, ID_LENGTH);
}
