/* Resources in the database: what only they have (the rest: db/entity.h). Each change answers the resource as it then
 * is. */
#pragma once

#include "db/edge.h"
#include "db/entity.h"
#include "model/resource.h"

extern const struct entity_kind resource_kind;
extern const struct field_table resource_query_table;

/* It is ENABLED at once. */
enum code resource_create(struct db *db, struct change *change, const char *organization_id,
                          const struct resource *resource);

/* The members of `patch` whose bit is set in `set`, by resource_table. delegate_ids replaces all delegates. */
enum code resource_update(struct db *db, struct change *change, const struct entity_key *key,
                          const struct resource *patch, uint64_t set);

/* Delegates of a resource: edges of this kind (db/edge.h). None while requests are accepted automatically:
 * CODE_BOOKING_OPTIONS, also when both are to be changed to that. */
extern const struct edge_kind edge_delegate;

struct delegate_query {
    struct list_query page;
};
extern const struct field_table delegate_query_table;
enum code resource_list_delegates(struct db *db, const char *account_id, const struct entity_key *key,
                                  struct delegate_query *query, struct problem *problem, struct buffer *out,
                                  const char **ret_next_token);

/* The booking options as a document of their own; a change answers them. */
enum code resource_get_booking_options(struct db *db, const char *account_id, const struct entity_key *key,
                                       struct problem *problem, struct answer *answer);
enum code resource_put_booking_options(struct db *db, struct change *change, const struct entity_key *key,
                                       const struct booking_options *options);

/* What would become of a request, and why. */
enum code resource_test_booking(struct db *db, const char *account_id, const struct entity_key *key,
                                const struct booking_request *request, struct problem *problem,
                                struct buffer *out);
