/* All that is sealed in the database, at once. */
#pragma once

#include "db/conn.h"
#include "model/buffer.h"

/* Tries to open every sealed value, a batch of rows at a time: writes {"checked": {table: number}, "unreadable": [{"table",
 * "row"}]}, and tells whether all opened. One that does not is of another root key, was altered, or was copied from
 * another row. Nothing that was opened is shown. */
enum code secrets_verify(struct db *db, struct problem *problem, struct buffer *out, bool *ret_whole);
