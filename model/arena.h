/* Memory that is freed as one: everything made for a request or a job lives in its arena. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct arena;

/* Out of memory ends the process: all state is in PostgreSQL, and another process continues the work. */
struct arena *arena_new(void);

/* Wipes what was used (it may have held a secret) and frees it. Accepts NULL. */
void arena_free(struct arena *arena);

/* Bytes that it has of the process's memory. */
size_t arena_size(const struct arena *arena);

/* Zeroed memory, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);

/* The same, not zeroed: for what is written to at once. */
void *arena_alloc_raw(struct arena *arena, size_t size);

/* NUL-terminated copies. */
char *arena_copy(struct arena *arena, const char *data, size_t length);
char *arena_string(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args);
