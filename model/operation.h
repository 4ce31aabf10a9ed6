/* Operations: what a caller sees of long work (design: "Long work"). */
#pragma once

#include "model/field.h"

extern const struct field_table operation_table;

/* Whether it has ended, one way or another. */
bool operation_is_over(const char *status);
