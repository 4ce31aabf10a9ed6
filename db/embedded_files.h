/* Files of the source tree that the build puts into the binary (cmake/embed.cmake). */
#pragma once

#include <stddef.h>

struct embedded_file {
    const char *name;
    const char *data; /* NUL-terminated */
    size_t length;    /* without the NUL */
};

extern const struct embedded_file embedded_migrations[]; /* in order of their numbers */
extern const size_t embedded_migration_count;
extern const struct embedded_file embedded_openapi;
extern const struct embedded_file embedded_openapi_gzip;
