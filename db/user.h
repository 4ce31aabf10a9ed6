/* Users in the database: what only they have (the rest: db/entity.h). Each change answers the user as it then is. */
#pragma once

#include "db/entity.h"
#include "model/user.h"

extern const struct entity_kind user_kind;
extern const struct field_table user_query_table;

/* password_hash is NULL for a user without one, who stays DISABLED. */
enum code user_create(struct db *db, struct change *change, const char *organization_id,
                      const struct user *user, const char *password_hash);

/* The members of `patch` whose bit is set in `set`, by user_table. */
enum code user_update(struct db *db, struct change *change, const struct entity_key *key,
                      const struct user *patch, uint64_t set);

/* The members that are kept here whatever directory the user is of, of those whose bit is set. */
uint64_t user_own_members(uint64_t set);
/* What was changed elsewhere counts as a change of the user. */
enum code user_touch(struct db *db, struct change *change, const struct entity_key *key);

enum code user_set_password(struct db *db, struct change *change, const struct entity_key *key,
                            const char *password_hash);
/* The same where the directory has it: it was set there. */
enum code user_note_password(struct db *db, struct change *change, const struct entity_key *key);

/* Whether a user whom the directory is to make could be here: all is checked and nothing done. The answer is that of a dry run. */
enum code user_try_create(struct db *db, struct change *change, const char *organization_id,
                          const struct user *user);

/* Whether these would be refused at once: asked before the cost of a password hash. */
enum code user_check_create(struct db *db, struct change *change, const char *organization_id);
enum code user_check_password_change(struct db *db, struct change *change, const struct entity_key *key);
