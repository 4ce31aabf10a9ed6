/* Operations: what a caller sees of long work (design: "Long work"). */
#pragma once

#include "model/field.h"

extern const struct field_table operation_table;
