/* Numbered migrations, embedded in the binary: each is one transaction, recorded with its checksum, never edited. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Brings the database up to date under an advisory lock, so that two processes may start at once. ret_applied counts
 * what was new. False with a plain `error` when the server cannot be used, the database is newer than this program, a
 * migration was edited after it was applied, or one fails. */
bool migrate_run(const char *conninfo, int *ret_applied, char *error, size_t error_size);
