/* What is metered: the time in which users are enabled, as periods that the changes themselves begin and end. */
#pragma once

#include "db/entity.h"
#include "db/list.h"

/* Within a transaction that has locked the user: one result to collect each. */
void usage_queue_begin(struct db *db, const struct entity_key *key);
void usage_queue_end(struct db *db, const struct entity_key *key);

struct usage_query {
    struct list_query page;
    const char *month; /* YYYY-MM; NULL: the present one */
    const char *organization_id;
};
extern const struct field_table usage_query_table;

/* Each organization's active users, in the month and on each day of it up to today (UTC): whoever was enabled at any
 * moment of the month, or of the day, counts once in it. */
list_of_account usage_list; /* struct usage_query */
