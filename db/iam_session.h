/* Sessions of IAM users who signed in with a password. */
#pragma once

#include "db/authority.h"
#include "db/list.h"
#include "db/tx.h"
#include "model/iam.h"

/* Both NULL when there is no such user; the hash also when he has no password. */
enum code iam_find_password(struct db *db, const struct sign_in *sign_in, struct problem *problem,
                            const char **ret_iam_user_id, const char **ret_hash);

struct new_session {
    const char *iam_user_id;
    const char *password_hash; /* the one that was verified */
    const char *token_digest;  /* SHA-256, in hex */
    const char *source_address;
};
/* CODE_UNAUTHENTICATED when the password was changed meanwhile. */
enum code iam_create_session(struct db *db, struct change *change, const struct new_session *session);

enum code iam_describe_session(struct db *db, const char *account_id, const char *session_id,
                               struct problem *problem, struct answer *answer);

struct session_query {
    struct list_query page;
    const char *iam_user_id;
};
extern const struct field_table session_query_table;
list_of_account iam_list_sessions; /* struct session_query */

/* `visible`: ids of the users whose sessions count, as an array literal; NULL: all. */
enum code iam_delete_session(struct db *db, struct change *change, const char *visible,
                             const char *session_id);
