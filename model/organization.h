/* Organizations: a tenant and its life cycle (behaviour: "Organizations"). */
#pragma once

#include <stdbool.h>

#include "model/field.h"

/* What a creator says of it. */
struct organization {
    const char *alias;
    const char *region;
    const char *setup;
    const char *directory_id; /* of a STANDARD one */
    const char *key_id;
    bool interoperability_enabled; /* works beside Exchange */
    const char *const *domains;    /* to be registered with it, as they came; NULL: none */
};

extern const char *const organization_states[]; /* NULL after the last */

/* A directory is named with STANDARD, and only then, and interoperability needs one: adds the fault. */
enum code organization_check_setup(const struct organization *organization, struct problem *problem);
extern const struct field_table organization_table;
extern const struct field_table transition_table;

/* The state machine. A transition that is not in its table does not happen. */
bool organization_may_become(const char *from, const char *to);

/* The states that may follow, as "A, B"; "none" for a final one. */
const char *organization_next_states(struct arena *arena, const char *from);

/* What a DELETE says. */
struct organization_removal {
    const char *confirm;
    bool force;
    bool delete_directory;
};
extern const struct field_table organization_removal_query;
