/* What the changes of a user (db/user.c) and of its addresses (db/user_address.c) have in common. All of it within a
 * transaction. */
#pragma once

#include "db/organization.h"
#include "db/user.h"

/* A user that is locked for a change. */
struct user_locked {
    struct organization_row organization;
    struct user user;
    const char *state;
};

/* Locks organization and user, reads them and compares If-Match. */
enum code user_lock(struct db *db, struct change *change, const struct user_key *key,
                    struct user_locked *ret_locked);

bool user_is_state(const struct user_locked *locked, const char *state);
/* CODE_ENTITY_STATE; the advice says what to do instead. */
enum code user_wrong_state(struct change *change, const struct user_locked *locked, const char *advice);
/* CODE_ENTITY_STATE for what only the directory may change, and what is deleted. */
enum code user_need_changeable(struct change *change, const struct user_locked *locked);

/* Every change of a user or its addresses ends with this: one result to collect. */
void user_queue_touch(struct db *db, const struct user_key *key);

/* Answers the user as it is … */
enum code user_show(struct db *db, struct change *change, const struct user_key *key);
/* … after a touch and `pending` results of what was queued before. */
enum code user_touch_and_show(struct db *db, struct change *change, const struct user_key *key, int pending);

/* Whether the user may take a primary address: a new one makes one alias more of the old one. ret_is_primary, which may be
 * NULL, tells that it is the primary one already. */
enum code user_room_for_address(struct db *db, struct change *change, const struct user_key *key,
                                const char *email, bool *ret_is_primary);
