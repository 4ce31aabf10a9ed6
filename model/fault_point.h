/* Places where tests kill the process (POSTREEVE_FAULT=name, or name:3 for the third time). Nothing in other builds. */
#pragma once

#if POSTREEVE_FAULT_POINTS
void fault_point(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define FAULT_POINT(...) fault_point(__VA_ARGS__)
#else
#define FAULT_POINT(...) ((void)0)
#endif
