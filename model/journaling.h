/* Email journaling: where records of an organization's mail go (behaviour: "Organization settings"). */
#pragma once

#include "model/field.h"

struct journaling {
    bool enabled;
    const char *journaling_address;
    const char *report_address;
};
extern const struct field_table journaling_table;

/* Makes its addresses as they are compared. CODE_VALIDATION_FAILED, with all faults, when one is none, lacks while it is
 * enabled, or is the one that records come from. */
enum code journaling_check(struct journaling *journaling, const char *sender_address,
                           struct problem *problem);
