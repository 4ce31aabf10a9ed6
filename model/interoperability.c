#include "model/interoperability.h"

/* The columns of db/interoperability.c, in this order. */
static const struct field fields[] = {
    FIELD_READ_ONLY_ROW("enabled", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("enabled_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("disabled_at", FIELD_TIME),
};
const struct field_table interoperability_table = FIELD_TABLE("interoperability", fields);

static const struct field end_fields[] = {
    FIELD_STRING_ROW(struct interoperability_end, confirm, FIELD_REQUIRED, 1, 62),
};
const struct field_table interoperability_end_query =
    FIELD_TABLE("disable_interoperability_query", end_fields);
