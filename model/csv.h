/* Records of comma-separated values (RFC 4180). */
#pragma once

#include "model/buffer.h"

#include <stdbool.h>

/* The length of the first record with its line end; 0 when its end is not there yet. `ended`: no more will come. ret_lines is
 * how many lines it goes over. */
size_t csv_record_length(const char *data, size_t length, bool ended, size_t *ret_lines);

/* The cells of a record: NUL-terminated, in the arena, NULL after the last. NULL, and why, when it is not well-formed. */
const char *const *csv_read(struct arena *arena, const char *record, size_t length, size_t *ret_count,
                            const char **ret_detail);

/* A cell, in quotes where it needs them. */
void csv_write_cell(struct buffer *out, bool is_first, const char *text);
void csv_end_record(struct buffer *out);
