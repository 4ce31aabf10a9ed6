/* Accounts in the database. */
#pragma once

#include "db/tx.h"
#include "model/account.h"

/* --- requests --- */

enum code account_describe(struct db *db, const char *account_id, struct problem *problem,
                           struct answer *answer);

/* The members of `patch` whose bit is set in `set`, by account_table. Answers the account. */
enum code account_update(struct db *db, struct change *change, const struct account *patch, uint64_t set);

/* From then on no credential of the account is accepted. What is left in it refuses the closing (CODE_ACCOUNT_IN_USE),
 * or, when forced, is removed: organizations by the usual background work. */
enum code account_close(struct db *db, struct change *change, const struct account_closing *closing);

/* --- the operator --- */

/* Writes {"items":[…]} with all accounts, closed ones too. */
enum code account_list(struct db *db, struct problem *problem, struct buffer *out);

/* CODE_BAD_REQUEST, with a detail, when there is no trial to end. */
enum code account_end_trial(struct db *db, struct change *change);

/* --- parts of other transactions --- */

/* Within a transaction, first: nobody closes the account meanwhile. CODE_UNAUTHENTICATED when somebody did. */
enum code account_lock(struct db *db, struct change *change);

/* Within a transaction that has locked the account, when an organization is made: the first one begins the trial. */
void account_queue_begin_trial(struct db *db, struct arena *arena, const char *account_id);
