/* Working beside an Exchange server (guide, "Interoperability"). */
#pragma once

#include "model/field.h"

extern const struct field_table interoperability_table;

/* What disabling it says. */
struct interoperability_end {
    const char *confirm; /* the organization's alias */
};
extern const struct field_table interoperability_end_query;
