/* The mobile device policy in the database. Its version is what devices acknowledge (db/mobile_device.h): a change of it
 * makes all of them stale without touching one. */
#pragma once

#include "db/tx.h"
#include "model/mobile_policy.h"

/* The rows of mobile_policy_table, of the table p. */
#define MOBILE_POLICY_COLUMNS                                                                               \
    "p.password_required, p.allow_simple_password, p.min_password_length, p.require_alphanumeric_password," \
    " p.min_character_sets, p.max_failed_attempts, p.password_expiration_days, p.screen_lock_seconds,"      \
    " p.password_history, p.require_device_encryption, p.require_storage_card_encryption,"                  \
    " p.version AS policy_version, p.created_at, p.updated_at"

/* Reading, in two halves. */
void mobile_policy_queue(struct db *db, const char *account_id, const char *organization_id);
enum code mobile_policy_collect(struct db *db, struct problem *problem, struct answer *answer);
/* The same for who wants the policy itself; ret_etag is that of the policy. */
enum code mobile_policy_collect_struct(struct db *db, struct problem *problem,
                                       struct mobile_policy *ret_policy, const char **ret_etag);

/* Answers the policy. One that is as it was changes nothing, and no device. */
enum code mobile_policy_put(struct db *db, struct change *change, const char *organization_id,
                            const struct mobile_policy *policy);

/* CODE_ORGANIZATION_STATE: what the health check finds as mobile_policy_missing. */
enum code mobile_policy_missing(struct problem *problem);
