/* The mobile device policy of an organization (behaviour: "Mobile device policy and devices"). */
#pragma once

#include "model/field.h"

struct mobile_policy {
    bool password_required;
    bool allow_simple_password;
    int64_t min_password_length;
    bool require_alphanumeric_password;
    int64_t min_character_sets;
    int64_t max_failed_attempts;
    int64_t password_expiration_days; /* 0: never */
    int64_t screen_lock_seconds;      /* 0: no lock */
    int64_t password_history;         /* 0: none is remembered */
    bool require_device_encryption;
    bool require_storage_card_encryption;
};
extern const struct field_table mobile_policy_table;

/* What contradicts itself: each contradiction is added to the problem. */
enum code mobile_policy_check(const struct mobile_policy *policy, struct problem *problem);

/* The policy as a gateway hands it to a device: EASProvisionDoc of MS-ASPROV 2.2.2.28. */
void mobile_policy_write_provision_doc(const struct mobile_policy *policy, struct buffer *out);
