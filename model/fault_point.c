#include "model/fault_point.h"

#if POSTREEVE_FAULT_POINTS
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fault_point(const char *format, ...)
{
    static atomic_int passed;
    const char *wanted = getenv("POSTREEVE_FAULT");
    if (wanted == NULL)
        return;

    char name[128];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof(name), format, args);
    va_end(args);

    size_t length = strcspn(wanted, ":");
    if (strlen(name) != length || strncmp(name, wanted, length) != 0)
        return;
    int times = wanted[length] == ':' ? (int)strtol(wanted + length + 1, NULL, 10) : 1;
    if (atomic_fetch_add(&passed, 1) + 1 == times)
        raise(SIGKILL);
}
#else
/* A file without a declaration is not C. */
typedef int fault_points_are_off;
#endif
