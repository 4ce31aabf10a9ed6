/* Mobile devices in the database. A device is provisioned as long as the policy that it acknowledged is the organization's
 * present one, which every read compares: to change the policy is to change one row, however many devices there are. */
#pragma once

#include "db/entity.h"
#include "model/mobile_device.h"

/* Which device. */
struct mobile_device_key {
    struct entity_key user;
    const char *device_id;
};

struct mobile_device_query {
    struct list_query page;
    const char *status;
    const char *type;
    const char *q;
};
extern const struct field_table mobile_device_query_table;
enum code mobile_device_list(struct db *db, const char *account_id, const struct entity_key *user,
                             struct mobile_device_query *query, struct problem *problem, struct buffer *out,
                             const char **ret_next_token);

/* The view of a device with its entity tag, in two halves. */
void mobile_device_queue_view(struct db *db, const char *account_id, const struct mobile_device_key *key);
enum code mobile_device_collect_view(struct db *db, struct problem *problem, struct answer *answer);

/* What an administrator asks for: DEVICE_IS_TO_WIPE, DEVICE_WIPE_CANCELED or DEVICE_IS_TO_PROVISION. Answers the device. */
enum code mobile_device_ask(struct db *db, struct change *change, const struct mobile_device_key *key,
                            enum mobile_device_event event);
enum code mobile_device_remove(struct db *db, struct change *change, const struct mobile_device_key *key);

/* The gateway's side: a device connects, and is registered when it is new; details that are NULL stay as they were. Answers
 * what it must do. A mere sign of life is not in the audit log. */
enum code mobile_device_sync(struct db *db, struct change *change, const struct mobile_device_key *key,
                             const struct mobile_device *device);
/* What it was told to do, it did. Answers the device. */
enum code mobile_device_acknowledge(struct db *db, struct change *change, const struct mobile_device_key *key,
                                    const struct mobile_device_acknowledgement *acknowledgement);
