/* What users, groups and resources have in common. */
#pragma once

#include "model/field.h"

extern const char *const entity_states[]; /* NULL after the last */

/* What users and groups show of the external directory that has them. */
#define EXTERNAL_ROWS                                              \
    FIELD_READ_ONLY_ROW("read_only", FIELD_BOOLEAN),               \
        FIELD_READ_ONLY_ROW("external.external_id", FIELD_STRING), \
        FIELD_READ_ONLY_ROW("external.dn", FIELD_STRING),          \
        FIELD_READ_ONLY_ROW("external.disabled", FIELD_BOOLEAN),   \
        FIELD_READ_ONLY_ROW("external.proposed_email", FIELD_STRING)

/* A field_check of the names of users and resources. */
bool entity_check_name(const char *name, const char **ret_detail);

/* Bodies that hold an address. */
struct entity_email {
    const char *email;
};
extern const struct field_table alias_table;
extern const struct field_table enable_table; /* email may be left out */
extern const struct field_table primary_email_table;

/* Body of the operations on several at once, and the result for each of them. */
#define ENTITY_MOST_AT_ONCE 100
struct entity_ids {
    const char *const *ids; /* NULL after the last */
};
extern const struct field_table entity_ids_table;
extern const struct field_table entity_result_table;
