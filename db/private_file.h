/*
 * Files that only their owner may read (0600) and that are either there completely or not at all, also after
 * a kill or a power cut: written under a temporary name beside, fsynced, then put in place, and the folder
 * fsynced. A kill in the midst may leave a temporary file PATH.XXXXXX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Writes the file, replacing what was there. On false `error` holds a sentence and the old file is unchanged.
 */
bool file_write_private(const char *path, const char *text, size_t size, char *error, size_t error_size);

/* Makes the file if there is none. `*ret_created` is false when another one was there (or came first in a
 * race): that one is complete and unchanged. */
bool file_create_private(const char *path, const char *text, size_t size, bool *ret_created, char *error,
                         size_t error_size);

/* fsyncs the folder in which `path` stands, which makes a creation or a rename in it durable. */
bool file_sync_folder(const char *path, char *error, size_t error_size);
