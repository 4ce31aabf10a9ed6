/* Users in the database. Ids in paths are checked by the caller (id_is_organization, id_is_uuid). Each change answers
 * the user as it then is. */
#pragma once

#include "db/list.h"
#include "db/tx.h"
#include "model/user.h"

/* Which user. */
struct user_key {
    const char *organization_id;
    const char *user_id;
};

/* password_hash is NULL for a user without one, who stays DISABLED. */
enum code user_create(struct db *db, struct change *change, const char *organization_id,
                      const struct user *user, const char *password_hash);

/* The view of a user with its entity tag: what user_queue_view asked for, user_collect_view writes. */
void user_queue_view(struct db *db, const char *account_id, const struct user_key *key);
enum code user_collect_view(struct db *db, struct problem *problem, struct answer *answer);

struct user_query {
    struct list_query page;
    const char *state; /* NULL: all but DELETED ones */
    const char *type;
    const char *name;
    const char *email;
    const char *q;
};
extern const struct field_table user_query_table;
enum code user_queue_list(struct db *db, const char *account_id, const char *organization_id,
                          struct user_query *query, struct problem *problem,
                          struct list_pending *ret_pending);
enum code user_collect_list(struct db *db, const struct list_pending *pending, struct problem *problem,
                            struct buffer *out, const char **ret_next_token);

/* The members of `patch` whose bit is set in `set`, by user_table. */
enum code user_update(struct db *db, struct change *change, const struct user_key *key,
                      const struct user *patch, uint64_t set);

/* email is the wanted primary address, or NULL for the one before or the default. */
enum code user_enable(struct db *db, struct change *change, const struct user_key *key, const char *email);
enum code user_disable(struct db *db, struct change *change, const struct user_key *key);
enum code user_delete(struct db *db, struct change *change, const struct user_key *key);
enum code user_set_password(struct db *db, struct change *change, const struct user_key *key,
                            const char *password_hash);

/* Whether these would be refused at once: asked before the cost of a password hash. */
enum code user_check_create(struct db *db, struct change *change, const char *organization_id);
enum code user_check_password_change(struct db *db, struct change *change, const struct user_key *key);

/* Within a worker's transaction: gives up the mailbox and addresses of a user whose time is over, and the row of a
 * deleted one. Nothing when it was enabled again. */
enum code user_purge(struct db *db, struct change *change, const struct user_key *key);

/* --- addresses --- */

struct alias_query {
    struct list_query page;
};
extern const struct field_table alias_query_table;
enum code user_list_aliases(struct db *db, const char *account_id, const struct user_key *key,
                            struct alias_query *query, struct problem *problem, struct buffer *out,
                            const char **ret_next_token);

/* Answers the alias: 201, or 200 when the user had it already. */
enum code user_add_alias(struct db *db, struct change *change, const struct user_key *key, const char *email);
enum code user_remove_alias(struct db *db, struct change *change, const struct user_key *key,
                            const char *email);
enum code user_set_primary_email(struct db *db, struct change *change, const struct user_key *key,
                                 const char *email);
