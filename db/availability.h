/* Availability configurations in the database. */
#pragma once

#include "db/list.h"
#include "db/organization.h"
#include "db/tx.h"
#include "model/availability.h"
#include "model/ews.h"

/* Which one. */
struct availability_key {
    const char *organization_id;
    const char *domain; /* as email_domain_parse has it */
};

/* Reading, in two halves. */
void availability_queue(struct db *db, const char *account_id, const struct availability_key *key);
enum code availability_collect(struct db *db, struct problem *problem, struct answer *answer);

struct availability_query {
    struct list_query page;
};
extern const struct field_table availability_query_table;
enum code availability_list(struct db *db, const char *account_id, const char *organization_id,
                            struct availability_query *query, struct problem *problem, struct buffer *out,
                            const char **ret_next_token);

/* What a test needs to know beforehand; outside transactions. */
struct availability_row {
    bool is_there;
    const char *ews_url;
    const char *username;
    const char *sealed_password;
    const char *version;
};
enum code availability_find(struct db *db, const char *account_id, const struct availability_key *key,
                            struct problem *problem, struct availability_row *ret_row);
enum code availability_open_password(struct db *db, const struct availability_key *key,
                                     const struct availability_row *row, struct problem *problem,
                                     const char **ret_password);

/* `test` is what was found with just this configuration; NULL: it was not tested. Answers the configuration. */
enum code availability_create(struct db *db, struct change *change, const char *organization_id,
                              const struct availability_configuration *configuration,
                              const struct ews_result *test);
/* The same for a patch of the one that was seen: CODE_PRECONDITION_FAILED when it is not that any more. */
enum code availability_update(struct db *db, struct change *change, const struct availability_key *key,
                              const struct availability_row *seen,
                              const struct availability_configuration *patch, uint64_t set,
                              const struct ews_result *test);
enum code availability_delete(struct db *db, struct change *change, const struct availability_key *key);

/* Notes a test of the one that was seen, unless it was changed meanwhile; answers the test. */
enum code availability_note_test(struct db *db, struct change *change, const struct availability_key *key,
                                 const struct availability_row *seen, const struct ews_result *test);

enum code availability_not_found(struct problem *problem);
