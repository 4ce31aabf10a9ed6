/* Groups in the database: what only they have (the rest: db/entity.h). Each change answers the group as it then is. */
#pragma once

#include "db/edge.h"
#include "db/entity.h"
#include "model/group.h"

extern const struct entity_kind group_kind;
extern const struct field_table group_query_table;

/* With an address the group is ENABLED, without one DISABLED. */
enum code group_create(struct db *db, struct change *change, const char *organization_id,
                       const struct mail_group *group);

/* The members of `patch` whose bit is set in `set`, by group_table. */
enum code group_update(struct db *db, struct change *change, const struct entity_key *key,
                       const struct mail_group *patch, uint64_t set);

/* Members of a group: edges of this kind (db/edge.h). Groups may be in groups, in any depth but not in a circle. */
extern const struct edge_kind edge_member;

struct member_query {
    struct list_query page;
    bool effective; /* also what is in it through other groups */
    const char *kind;
};
extern const struct field_table member_query_table;
enum code group_list_members(struct db *db, const char *account_id, const struct entity_key *key,
                             struct member_query *query, struct problem *problem, struct buffer *out,
                             const char **ret_next_token);

/* The groups that a user or group is in. */
struct membership_query {
    struct list_query page;
    bool effective; /* also those that these are in */
};
extern const struct field_table membership_query_table;
enum code group_list_of_entity(struct db *db, const char *account_id, const struct entity_key *key,
                               struct membership_query *query, struct problem *problem, struct buffer *out,
                               const char **ret_next_token);
