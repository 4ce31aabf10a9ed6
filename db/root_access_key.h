/*
 * STATE/root-access-key.json, where a new root access key is written down for the operator, who may have no other
 * credential. It is neither lost nor replaced by one that is not valid, whenever the process is killed: before the COMMIT
 * that makes the key valid it is written beside, as root-access-key.json.next, and after it put in place. What a kill
 * between the two left is settled by the next start or admin command.
 */
#pragma once

#include "db/identity.h"

/* Within a transaction, in which nobody else settles or writes from then on: puts the key that is written beside in
 * place, when the database has it; else removes it. In place is `root-access-key-ACCOUNT.json` when the first name holds
 * the key of another account. */
enum code root_access_key_settle(struct db *db, struct problem *problem, const char *folder);

/* After that, in the same transaction. */
enum code root_access_key_write(struct problem *problem, const char *folder, const struct access_key *key,
                                const char *account_id);
