/* Rows of a result and the field tables: the columns of a view are the readable rows of its table, in that order. */
#pragma once

#include <libpq-fe.h>

#include "model/field.h"

/* Writes a row as a JSON object: straight from the columns that start at `first_column`. CODE_INTERNAL_ERROR when the
 * columns are not those of the table. */
enum code row_write(const PGresult *result, int row, int first_column, const struct field_table *table,
                    struct buffer *out);

/* Writes the first rows of a result as the elements of an array. */
enum code row_write_all(const PGresult *result, int rows, const struct field_table *table,
                        struct buffer *out);

/* How many columns a view of the table has. */
int row_columns(const struct field_table *table);

/* A column as text in the arena; NULL for a null. */
const char *row_text(struct arena *arena, const PGresult *result, int row, const char *column);

/* Whether a boolean column is true. */
bool row_flag(const PGresult *result, int row, const char *column);

/* Reads the columns named like rows of the table into the struct that the table describes. */
void row_read(struct arena *arena, const PGresult *result, int row, const struct field_table *table,
              void *target);

/* A parameter from a number or a flag. */
const char *row_integer(struct arena *arena, int64_t value);
static inline const char *row_boolean(bool value)
{
    return value ? "true" : "false";
}
