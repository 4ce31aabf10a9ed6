/* Identities and their access keys. */
#pragma once

#include "db/authority.h"
#include "db/sealed.h"
#include "db/tx.h"

/* A new access key; the secret is shown once. */
struct access_key {
    char access_key_id[ACCESS_KEY_ID_LENGTH + 1];
    char secret_access_key[ACCESS_KEY_SECRET_LENGTH + 1];
};

/* False when the system has no random bytes. */
bool identity_new_key(struct access_key *key);

/* The first start of an installation: makes the account and its root access key, unless there is an account already. The
 * key is written down in the state folder (db/root_access_key.h); what is left there of a killed process is settled. */
enum code identity_bootstrap(struct db *db, struct change *change, const struct secret_key *key,
                             const char *folder, bool *ret_created);

/* One more account, with its root access key. */
struct new_account {
    const char *name;
    bool is_trial;
    bool is_operator; /* the installation's own, of which there is one at most */
};
enum code identity_create_account(struct db *db, struct change *change, const struct secret_key *key,
                                  const struct new_account *wanted, const char **ret_account_id,
                                  struct access_key *ret_key);

/* A new root access key instead of all that the account's root has, written down in the state folder. */
enum code identity_reset_root_key(struct db *db, struct change *change, const struct secret_key *key,
                                  const char *folder);

/* An IAM user with policies (names, NULL after the last) and one access key. */
enum code identity_create_user(struct db *db, struct change *change, const struct secret_key *key,
                               const char *name, const char *const *policies, const char **ret_iam_user_id,
                               struct access_key *ret_key);

/* Takes effect at once in every process. */
enum code identity_disable_key(struct db *db, struct change *change, const char *access_key_id,
                               bool *ret_known);

/* Within a transaction that takes credentials away: every process forgets what it has cached. Inside the transaction,
 * unlike the jobs' hint: a revocation must not be lost. */
void identity_queue_notice(struct db *db);

/* The only account of the installation. Closed ones do not count. CODE_BAD_REQUEST, with a detail, when there are none or
 * several. */
enum code identity_only_account(struct db *db, struct problem *problem, struct arena *arena,
                                const char **ret_account_id);

/* Remembers the fingerprint of the root key at first, and tells whether it still is the same. */
enum code identity_check_root_key(struct db *db, struct problem *problem, const char *fingerprint,
                                  bool *ret_same);
