/* Organizations in the database. Ids in paths are checked by the caller (id_is_organization). */
#pragma once

#include "db/list.h"
#include "db/tx.h"
#include "model/mail_domain.h"
#include "model/organization.h"

/* --- requests --- */

/* Each of these answers the operation that was made. */
/* `domains` are registered with it: NULL after the last. */
enum code organization_create(struct db *db, struct change *change, const struct organization *organization,
                              const struct mail_domain_name *const *domains);
enum code organization_retry(struct db *db, struct change *change, const char *organization_id);
enum code organization_validate(struct db *db, struct change *change, const char *organization_id);
enum code organization_activate(struct db *db, struct change *change, const char *organization_id);
enum code organization_remove(struct db *db, struct change *change, const char *organization_id,
                              const struct organization_removal *removal);

/* Answers the organization. */
enum code organization_deactivate(struct db *db, struct change *change, const char *organization_id);

enum code organization_describe(struct db *db, const char *account_id, const char *organization_id,
                                struct problem *problem, struct answer *answer);

struct organization_query {
    struct list_query page;
    const char *state;
    const char *alias;
};
extern const struct field_table organization_query_table;
list_of_account organization_list; /* struct organization_query */

struct transition_query {
    struct list_query page;
};
extern const struct field_table transition_query_table;
enum code organization_list_transitions(struct db *db, const char *account_id, const char *organization_id,
                                        struct transition_query *query, struct problem *problem,
                                        struct buffer *out, const char **ret_next_token);

/* --- parts of other transactions --- */

/* What a change in an organization looks at first. */
struct organization_row {
    const char *organization_id;
    const char *alias;
    const char *region;
    const char *setup;
    const char *state;
    bool is_serving;
    bool is_on_trial;      /* its account */
    bool is_interoperable; /* works beside Exchange: db/interoperability.h */
    const char *directory_id;
    const char *directory_type;
    const char *test_domain;
    const char *default_domain;
    const char *version;
};

enum organization_lock {
    ORGANIZATION_READ,   /* no lock: for reads */
    ORGANIZATION_SHARE,  /* its state stays as it is until the transaction ends */
    ORGANIZATION_UPDATE, /* it will be changed: waits for those that share it, who come later wait */
};

/* Queues the row, locked; organization_collect reads it: CODE_ORGANIZATION_NOT_FOUND when it is not there or of another
 * account. The first lock of a transaction: organization, then entities by id, then jobs. */
void organization_queue(struct db *db, const char *account_id, const char *organization_id,
                        enum organization_lock lock);
enum code organization_collect(struct db *db, struct arena *arena, struct problem *problem,
                               struct organization_row *ret_row);

/* CODE_ORGANIZATION_STATE unless its users can be worked with. */
enum code organization_need_serving(const struct organization_row *row, struct problem *problem);

/* CODE_DIRECTORY_READ_ONLY, with where to go instead: users and groups (`noun`) of an external directory. */
enum code organization_read_only(const struct organization_row *row, const char *noun,
                                 struct problem *problem);
/* … unless the directory is built in. */
enum code organization_need_built_in(const struct organization_row *row, const char *noun,
                                     struct problem *problem);
/* CODE_CONFIRMATION_MISMATCH unless its alias is repeated, for what cannot be undone. */
enum code organization_need_confirmed(struct change *change, const struct organization_row *row,
                                      const char *confirm);

/* A list of what a serving organization has, in two halves; its spec has the organization as its fixed parameter. */
enum code organization_queue_list(struct db *db, const char *account_id, const char *organization_id,
                                  const struct list_spec *spec, const struct list_query *query,
                                  struct problem *problem, struct list_pending *ret_pending);
enum code organization_collect_list(struct db *db, const struct list_pending *pending,
                                    struct problem *problem, struct buffer *out, const char **ret_next_token);
/* Both. */
enum code organization_list_parts(struct db *db, const char *account_id, const char *organization_id,
                                  const struct list_spec *spec, const struct list_query *query,
                                  struct problem *problem, struct buffer *out, const char **ret_next_token);

/* What a statement begins with that reads what an organization has (LEFT JOIN): "SELECT " ORGANIZATION_SEEN … */
#define ORGANIZATION_SEEN "o.organization_id, o.state, o.is_serving, "
enum { ORGANIZATION_SEEN_COLUMNS = 3 };
/* … and its result. CODE_ORGANIZATION_NOT_FOUND; CODE_ORGANIZATION_STATE unless it serves. */
enum code organization_collect_seen(struct db *db, struct problem *problem, PGresult **ret_result);

/* The same problems for who found out otherwise. */
enum code organization_not_found(struct problem *problem);
enum code organization_not_serving(const char *organization_id, const char *state, struct problem *problem);

/* Queues a transition of a row that is locked for update, and sets its state. CODE_ORGANIZATION_STATE when the state
 * machine has none. */
enum code organization_transition(struct db *db, struct change *change, struct organization_row *row,
                                  const char *to, const char *reason);
