/* Master keys in the database. Their material is sealed under the service's root key; it wraps the data keys of
 * organizations (db/data_key.h). Ids in paths are checked by the caller. */
#pragma once

#include "db/list.h"
#include "db/sealed.h"
#include "db/tx.h"
#include "model/key.h"

/* --- requests --- */

/* Each change answers the key. */
enum code master_key_create(struct db *db, struct change *change, const struct key *key);
/* The members of `patch` whose bit is set in `set`, by key_table. A rotation makes new material at once; a job for each
 * organization under the key then wraps its data key anew. */
enum code master_key_update(struct db *db, struct change *change, const char *key_id, const struct key *patch,
                            uint64_t set);

enum code master_key_describe(struct db *db, const char *account_id, const char *key_id,
                              struct problem *problem, struct answer *answer);

struct key_query {
    struct list_query page;
    const char *alias;
    const char *status;
};
extern const struct field_table key_query_table;
list_of_account master_key_list; /* struct key_query */

/* --- parts of other transactions --- */

/* Queues the default key of a new account. CODE_INTERNAL_ERROR when OpenSSL fails. */
enum code master_key_queue_default(struct db *db, struct arena *arena, const struct secret_key *secret_key,
                                   const char *account_id);

/* A key as it stays until the transaction ends. */
struct master_key_row {
    const char *key_id;
    const char *generation;
    bool is_enabled;
};

enum master_key_lock {
    MASTER_KEY_SHARE,  /* no rotation, no disabling meanwhile */
    MASTER_KEY_UPDATE, /* and nobody else wraps with it */
};

/* Locks a key of the account: `key_id`, or the default one, which is made if there is none yet, when that is NULL.
 * CODE_KEY_NOT_FOUND when it is not there. After the locks of account and organization. */
enum code master_key_lock(struct db *db, struct change *change, const char *key_id, enum master_key_lock lock,
                          struct master_key_row *ret_row);

/* CODE_KEY_STATE unless it may be used. */
enum code master_key_need_enabled(const char *key_id, bool is_enabled, struct problem *problem);

/* Removes former material that wraps nothing any more; the key is locked for update. */
void master_key_queue_retire(struct db *db, const char *account_id, const char *key_id);

/* Opens a column with material. False when it does not open: another root key, or a value of another row. */
bool master_key_open(struct arena *arena, const struct secret_key *secret_key, const char *account_id,
                     const char *key_id, const char *generation, const char *column,
                     struct secret_key *ret_material);
