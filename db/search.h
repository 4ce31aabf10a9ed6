/* Searching an organization's directory, and its address book. What is queued here
 * organization_collect_list collects. */
#pragma once

#include "db/list.h"
#include "model/search.h"

struct search_query {
    struct list_query page;
    const char *q;
};
extern const struct field_table search_query_table;

/* Users and groups by their names and addresses: those that q is a name or address of, then those of which one begins with
 * it, then those that contain it. What is deleted is not found. */
enum code search_queue_directory(struct db *db, const char *account_id, const char *organization_id,
                                 const struct search_query *query, struct problem *problem,
                                 struct list_pending *ret_pending);

struct address_book_query {
    struct list_query page;
    const char *kind;
    const char *q;
};
extern const struct field_table address_book_query_table;

/* What is enabled and not hidden, by display name; of an organization that works beside Exchange also what its directory has
 * besides. */
enum code search_queue_address_book(struct db *db, const char *account_id, const char *organization_id,
                                    struct address_book_query *query, struct problem *problem,
                                    struct list_pending *ret_pending);
