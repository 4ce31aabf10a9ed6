/* Mobile devices and the states they are in (behaviour: "Mobile device policy and devices"). */
#pragma once

#include "model/field.h"

/* What a device tells of itself; NULL: nothing. */
struct mobile_device {
    const char *type;
    const char *model;
    const char *os;
    const char *os_language;
    const char *user_agent;
    const char *imei;
    const char *phone_number;
    const char *friendly_name;
    const char *protocol_version;
};
#define MOBILE_DEVICE_TEXT_MAX 256

extern const char *const mobile_device_statuses[]; /* NULL after the last */
extern const struct field_table mobile_device_table;

/* Whether it can be the id of a device: 1 to 64 letters, digits, underscores and hyphens. */
bool mobile_device_is_id(const char *text);

enum mobile_device_event {
    DEVICE_SYNCS,
    DEVICE_ACKNOWLEDGES_POLICY,
    DEVICE_ACKNOWLEDGES_WIPE,
    DEVICE_IS_TO_WIPE,
    DEVICE_WIPE_CANCELED,
    DEVICE_IS_TO_PROVISION,
    MOBILE_DEVICE_EVENTS
};

/* The state machine: what a device in this status becomes. CODE_MOBILE_DEVICE_STATE, with the reason, where there is no way. */
enum code mobile_device_next(const char *status, enum mobile_device_event event, struct problem *problem,
                             const char **ret_status);

/* What a device of this status must do: NONE, PROVISION or WIPE. */
const char *mobile_device_required(const char *status);
/* The answer to a device that synchronizes. */
extern const struct field_table mobile_device_sync_table;

/* What a device did. */
struct mobile_device_acknowledgement {
    const char *acknowledged; /* PROVISION or WIPE */
    const char *policy_key;   /* of what it provisioned */
};
extern const struct field_table mobile_device_acknowledgement_table;
