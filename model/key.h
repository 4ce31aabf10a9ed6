/* Master keys: what wraps the data keys of organizations (behaviour: "Accounts, identity, permissions"). */
#pragma once

#include <stdbool.h>

#include "model/field.h"

/* What somebody says of it. */
struct key {
    const char *alias;
    const char *description;
    const char *status;
    bool rotate;
};
extern const struct field_table key_table; /* answers, and what is changed */
extern const struct field_table new_key_table;

/* CODE_VALIDATION_FAILED: a body names a key that is not there, or that the caller may not know. */
enum code key_is_unknown(struct problem *problem);

/* Whether a text of a body can be the id of a key. */
field_check key_check_id;
