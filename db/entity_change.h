/* What the changes of entities (db/entity.c, db/entity_address.c and one file per kind) have in common. All of it within
 * a transaction. */
#pragma once

#include "db/entity.h"
#include "db/organization.h"

/* An entity that is locked for a change. */
struct entity_locked {
    struct organization_row organization;
    const char *name;
    const char *type;
    const char *state;
    const char *email; /* NULL: it has no address */
    bool is_external;  /* it is of an external directory, … */
    bool is_disabled_there;
    const char *proposed_email; /* … which suggests this; NULL: nothing */
};

/* Locks organization and entity, reads them and compares If-Match. `target`, which may be NULL, is the struct of the
 * kind's table and gets what the view has of it. */
enum code entity_lock(struct db *db, struct change *change, const struct entity_key *key,
                      struct entity_locked *ret_locked, void *target);
/* The same with a lock statement of the caller's, for who locks more than one: its parameters are organization, entity, a
 * third of the caller's, account, and it locks by id. */
enum code entity_lock_by(struct db *db, struct change *change, const struct entity_key *key,
                         const struct statement *lock, const char *third, struct entity_locked *ret_locked,
                         void *target);
/* Queues the locks of several, by id, with nothing to collect: before anything else of a transaction that changes them, for
 * who holds what addresses wait for must not wait for an entity. */
void entity_queue_lock_several(struct db *db, struct change *change, const char *organization_id,
                               const char *const *ids);
/* As an array literal: those of these texts that can be ids. */
const char *entity_id_array(struct arena *arena, const char *const *ids);
/* The same as entity_lock without a lock: as it is now. */
enum code entity_see(struct db *db, struct change *change, const struct entity_key *key,
                     struct entity_locked *ret_locked);

bool entity_is_state(const struct entity_locked *locked, const char *state);
/* CODE_ENTITY_STATE; the advice says what to do instead. */
enum code entity_wrong_state(struct change *change, const struct entity_key *key,
                             const struct entity_locked *locked, const char *advice);
/* CODE_ENTITY_STATE for what only the directory may change, and what is deleted. */
enum code entity_need_changeable(struct change *change, const struct entity_key *key,
                                 const struct entity_locked *locked);

/* The same, and CODE_INTEROPERABILITY_MODE, for what changes more than whether it is enabled. */
enum code entity_need_editable(struct change *change, const struct entity_key *key,
                               const struct entity_locked *locked);

/* The same, and CODE_DIRECTORY_READ_ONLY for what only its external directory may change … */
enum code entity_need_built_in(struct change *change, const struct entity_key *key,
                               const struct entity_locked *locked);
/* Those of the members whose bit is set that are not among these (NULL after the last). */
uint64_t entity_other_members(const struct field_table *table, uint64_t set, const char *const *own);
/* … unless nothing is to be changed but these, which are kept here (NULL after the last). */
enum code entity_need_own_members(struct change *change, const struct entity_key *key,
                                  const struct entity_locked *locked, uint64_t set, const char *const *own);

/* Locks the organization, for what is new in it: CODE_ORGANIZATION_STATE unless it serves. */
enum code entity_enter(struct db *db, struct change *change, const char *organization_id,
                       struct organization_row *ret_organization);

/* The same for a new entity: CODE_INTEROPERABILITY_MODE where those are made in Exchange. */
enum code entity_enter_to_create(struct db *db, struct change *change, const struct entity_key *key,
                                 struct organization_row *ret_organization);
enum code entity_need_creatable(const struct entity_kind *kind, const struct organization_row *organization,
                                struct problem *problem);

/* CODE_RESERVED_NAME for a name that is kept for the service. */
enum code entity_need_unreserved(const struct db *db, struct change *change, const char *name);

/* Queued; each gives one result to collect. A new entity is DISABLED; its search text is made by entity_queue_touch. */
void entity_queue_insert(struct db *db, const struct entity_key *key, const char *name,
                         const char *display_name, bool hidden_from_address_list);
void entity_queue_update(struct db *db, const struct entity_key *key, const char *name,
                         const char *display_name, bool hidden_from_address_list);

/* The bodies of entity_enable, entity_disable and entity_delete; their argument is a struct entity_work. */
struct entity_work {
    struct entity_key key;
    const char *email; /* of entity_enable */
};
enum code entity_enable_body(struct db *db, struct change *change, void *argument);
enum code entity_disable_body(struct db *db, struct change *change, void *argument);
enum code entity_delete_body(struct db *db, struct change *change, void *argument);

/* Gives an entity its mailbox and addresses and enables it: returns how many results to collect. */
int entity_queue_enable(struct db *db, struct change *change, const struct organization_row *organization,
                        const struct entity_key *key, const char *name, const char *email);

/* Every change of an entity or its addresses ends with this: one result to collect. */
void entity_queue_touch(struct db *db, const char *organization_id, const char *entity_id);

/* Answers the entity as it is … */
enum code entity_show(struct db *db, struct change *change, const struct entity_key *key);
/* … after a touch and `pending` results of what was queued before. */
enum code entity_touch_and_show(struct db *db, struct change *change, const struct entity_key *key,
                                int pending);

/* Whether the entity may take a primary address: a new one makes one alias more of the old one. ret_is_primary, which may
 * be NULL, tells that it is the primary one already. */
enum code entity_room_for_address(struct db *db, struct change *change, const struct entity_key *key,
                                  const char *email, bool *ret_is_primary);

/* Queues that an address, of the entity or a free one, becomes the primary one of an entity that is ENABLED. ret_pending is
 * how many results to collect: none when it is that already. */
enum code entity_queue_primary_email(struct db *db, struct change *change, const struct entity_key *key,
                                     const struct entity_locked *locked, const char *email, int *ret_pending);

const char *entity_path(struct arena *arena, const struct entity_key *key);
