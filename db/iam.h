/* Identities of an account. Ids from paths are checked by the caller (id_is_uuid). Each change takes the account's identities
 * for itself, checks that its `granter` gives away no more than he holds by then (NULL: the operator, who may), and tells all
 * processes. */
#pragma once

#include "db/authority.h"
#include "db/list.h"
#include "db/tx.h"
#include "model/iam.h"

/* Who asks for a change that may give authority, and what he was let in for. */
struct granter {
    const struct principal *principal; /* as he came */
    struct policy_question question;
    /* What says whether he may read a policy: the action, and the name of policies up to the id. */
    const char *reads_policy, *policy_name;
};

struct iam_query {
    struct list_query page;
    const char *name;
};

/* --- users, db/iam_user.c --- */

enum code iam_create_user(struct db *db, struct change *change, const struct iam_user *user);
enum code iam_describe_user(struct db *db, const char *account_id, const char *iam_user_id,
                            struct problem *problem, struct answer *answer);
extern const struct field_table iam_user_query_table;
list_of_account iam_list_users; /* struct iam_query */
enum code iam_delete_user(struct db *db, struct change *change, const char *iam_user_id);

/* A hash of NULL takes the console password away. All sessions of the user end. */
enum code iam_set_password(struct db *db, struct change *change, const struct granter *granter,
                           const char *iam_user_id, const char *hash);

/* --- groups, db/iam_group.c --- */

enum code iam_create_group(struct db *db, struct change *change, const struct iam_group *group);
enum code iam_describe_group(struct db *db, const char *account_id, const char *iam_group_id,
                             struct problem *problem, struct answer *answer);
extern const struct field_table iam_group_query_table;
list_of_account iam_list_groups; /* struct iam_query */
extern const struct field_table iam_member_query_table;
enum code iam_list_members(struct db *db, const char *account_id, const char *iam_group_id,
                           struct iam_query *query, struct problem *problem, struct buffer *out,
                           const char **ret_next_token);
enum code iam_delete_group(struct db *db, struct change *change, const char *iam_group_id);

/* --- policies, db/iam_policy.c --- */

/* `compiled` is the document, `warnings` a JSON array. */
enum code iam_create_policy(struct db *db, struct change *change, const struct granter *granter,
                            const struct iam_policy *policy, const struct policy *compiled,
                            const char *warnings);
enum code iam_describe_policy(struct db *db, const char *account_id, const char *policy_id,
                              struct problem *problem, struct answer *answer);
extern const struct field_table policy_query_table;
list_of_account iam_list_policies; /* struct iam_query */
/* `compiled` is NULL when the document stays as it is. */
enum code iam_update_policy(struct db *db, struct change *change, const struct granter *granter,
                            const char *policy_id, const struct iam_policy *patch, uint64_t set,
                            const struct policy *compiled, const char *warnings);
enum code iam_delete_policy(struct db *db, struct change *change, const char *policy_id);

/* --- who has which policy, and who is in which group, db/iam_edge.c --- */

enum iam_edge { IAM_USER_POLICY, IAM_GROUP_POLICY, IAM_GROUP_MEMBER };

/* Both succeed when it is so already. */
enum code iam_put_edge(struct db *db, struct change *change, const struct granter *granter,
                       enum iam_edge edge, const char *left, const char *right);
enum code iam_remove_edge(struct db *db, struct change *change, const struct granter *granter,
                          enum iam_edge edge, const char *left, const char *right);

/* --- access keys, db/iam_key.c --- */

enum code iam_create_key(struct db *db, struct change *change, const struct granter *granter,
                         const struct secret_key *key, const char *iam_user_id, const struct iam_key *wanted);
extern const struct field_table access_key_query_table;
enum code iam_list_keys(struct db *db, const char *account_id, const char *iam_user_id,
                        struct iam_query *query, struct problem *problem, struct buffer *out,
                        const char **ret_next_token);
enum code iam_describe_key(struct db *db, const char *account_id, const char *iam_user_id,
                           const char *access_key_id, struct problem *problem, struct answer *answer);
enum code iam_update_key(struct db *db, struct change *change, const struct granter *granter,
                         const char *iam_user_id, const char *access_key_id, const struct iam_key *patch,
                         uint64_t set);
enum code iam_delete_key(struct db *db, struct change *change, const char *iam_user_id,
                         const char *access_key_id);

/* --- parts of these --- */

/* Who grants, as it stands while the account is locked: another change may have taken from him while this one waited. */
struct grant {
    const struct granter *granter; /* NULL: the operator, or nothing is given */
    struct principal principal;
};

/* tx_run for a body that uses a grant. */
enum code iam_run(struct db *db, struct change *change, struct grant *grant, tx_body *body, void *argument);

/* Queues the lock and the notice, and reads who grants (NULL: nobody need hold anything). The body collects the latter before
 * anything else. */
void iam_queue_begin(struct db *db, const struct change *change, const struct grant *grant);
enum code iam_collect_grant(struct db *db, struct change *change, struct grant *grant);

/* Collects: the row must be there, and its version be the one that If-Match names. */
enum code iam_collect_version(struct db *db, struct change *change, enum code missing);

/* The list of what one identity has: `one` finds it, by the same two parameters as the list begins with. */
enum code iam_list_of(struct db *db, const struct statement *one, enum code missing,
                      const struct list_spec *list, const struct list_query *query,
                      const char *const fixed[static 2], struct problem *problem, struct buffer *out,
                      const char **ret_next_token);

/* CODE_NOT_HELD when the policy, which he wrote, allows what the granter may not do. */
enum code iam_check_policy(struct change *change, const struct grant *grant, const struct policy *policy,
                           const char *name);

/* What policies have in them. */
struct iam_content {
    bool allows, denies;
};

/* As iam_check_policy, for each row of a queued statement with columns policy_id, name and document; the policy is named to who
 * may read it. ret_content may be NULL. */
enum code iam_collect_held(struct db *db, struct change *change, const struct grant *grant,
                           struct iam_content *ret_content);

/* The credentials of users that are of use, by a condition on their ids (" = $2"), over parameters whose first is the account. */
#define IAM_CREDENTIALS(users)                                                                \
    "SELECT floor(extract(epoch FROM k.expires_at))::bigint AS expires_s, k.allowed_networks" \
    " FROM access_key k WHERE k.account_id = $1 AND k.status = 'ACTIVE'"                      \
    " AND (k.expires_at IS NULL OR k.expires_at > now()) AND k.iam_user_id" users             \
    " UNION ALL SELECT NULL, '{}'::text[] FROM iam_user u"                                    \
    " WHERE u.account_id = $1 AND u.password_hash IS NOT NULL AND u.iam_user_id" users

/* Of such a statement: CODE_NOT_HELD when the granter's own credential has limits and one of these lacks them, for what he gives
 * could be used beyond them. Without limits nothing is asked. */
enum code iam_check_limits(struct db *db, struct change *change, const struct grant *grant,
                           const struct statement *credentials, const char *const *parameters);

/* Whether the granter may make a credential of that user's, with these limits (NULL: none): he holds all that the user may
 * do, or is that user, and his own credential has no limits that the new one lacks. */
enum code iam_check_credential(struct db *db, struct change *change, const struct grant *grant,
                               const char *iam_user_id, const char *const *networks, const char *expires_at);
