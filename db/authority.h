/* What identities may do, as it stands in the database. */
#pragma once

#include "db/conn.h"
#include "db/sealed.h"
#include "model/authority.h"

#define ACCESS_KEY_ID_LENGTH     20
#define ACCESS_KEY_SECRET_LENGTH 40
#define SESSION_TOKEN_LENGTH     43

/* A session ends when it was not used for so long, and in any case after the longer time. */
#define SESSION_IDLE     "30 minutes"
#define SESSION_LIFETIME "12 hours"

/* Reads an enabled access key: who it is of, and its secret. CODE_UNAUTHENTICATED when there is none. On CODE_OK the caller
 * releases ret_principal->authority. */
enum code authority_find_key(struct db *db, const struct secret_key *key, const char *access_key_id,
                             struct problem *problem, struct principal *ret_principal,
                             char ret_secret[static ACCESS_KEY_SECRET_LENGTH + 1]);

/* The same for a session by the SHA-256 of its token, in hex. */
enum code authority_find_session(struct db *db, const char *token_digest, struct problem *problem,
                                 struct principal *ret_principal);

/* What a principal's credential says now: queued, then collected. CODE_UNAUTHENTICATED when it is of no use any more. On CODE_OK
 * the caller releases ret_principal->authority. */
void authority_queue_again(struct db *db, const struct principal *principal);
enum code authority_collect_again(struct db *db, struct problem *problem, const struct principal *principal,
                                  struct principal *ret_principal);

/* Notes that the credential was used: about once a minute, and never waiting for anybody. */
enum code authority_note_use(struct db *db, const struct principal *principal, struct problem *problem);

/* All policies of an identity, compiled: for who asks about it. NULL with the code when that failed. */
enum code authority_of_user(struct db *db, const char *account_id, const char *iam_user_id,
                            struct problem *problem, struct authority **ret_authority);

/* The texts of an array column, NULL after the last. */
const char *const *authority_read_texts(struct arena *arena, const char *literal);
