/* Who is in what (table entity_edge): members of groups, delegates of resources. */
#pragma once

#include "db/entity_change.h"

/* What distinguishes the relations: one constant row each. */
struct edge_kind {
    const char *relation;
    const struct field_table *table; /* of an edge as it is shown */
    const struct statement *get;     /* by organization, owner and member */
    bool nests;                      /* groups in groups: they must not close a cycle */
    /* Whether the owner, which is locked like the member, may take one more. */
    enum code (*check)(struct db *db, struct change *change, const struct entity_key *owner,
                       const char *member_id, bool is_group);
};

/* Puts a user or a group in, or takes it out. What is there is added, and what is not there is removed, without a change.
 * Adding answers the edge. */
enum code edge_add(struct db *db, struct change *change, const struct edge_kind *kind,
                   const struct entity_key *owner, const char *member_id);
enum code edge_remove(struct db *db, struct change *change, const struct edge_kind *kind,
                      const struct entity_key *owner, const char *member_id);

/* --- parts of other transactions --- */

/* entity_lock that also locks what the entity is in, all of it by id. */
enum code edge_lock_with_owners(struct db *db, struct change *change, const struct entity_key *key,
                                struct entity_locked *ret_locked, void *target);
/* The same with users and groups that are to be in it (ids as they came; NULL: none). */
enum code edge_lock_with_members(struct db *db, struct change *change, const struct entity_key *key,
                                 const char *const *ids, struct entity_locked *ret_locked, void *target);
/* Puts these, which are locked, in, and takes all others out; nothing to collect. Those that are not there are faults of the
 * body's member of that name. kind->check is left to the caller. */
enum code edge_replace(struct db *db, struct change *change, const struct edge_kind *kind,
                       const struct entity_key *owner, const char *name, const char *const *ids);
/* Queued; each gives one result to collect. */
/* What is deleted is in nothing any more, and nothing in it. Who showed it gets a new version. */
void edge_queue_remove_all(struct db *db, const struct entity_key *key);
/* What a resource shows of its delegates has changed. */
void edge_queue_touch_resources(struct db *db, const struct entity_key *delegate);
