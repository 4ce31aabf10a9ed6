#include "db/authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/row.h"

/* When it ends is rounded down, as it is where a new key is compared with it: else each could make one that ends a little
 * later. */
#define EXPIRES "floor(extract(epoch FROM c.expires_at))::bigint AS expires_s"
/* One row for each policy, or one without. */
#define POLICIES                                                                                       \
    " LEFT JOIN iam_user_authority a ON a.account_id = c.account_id AND a.iam_user_id = c.iam_user_id" \
    " LEFT JOIN policy p ON p.policy_id = a.policy_id"
#define POLICY_COLUMNS "p.policy_id, p.name, p.document_version, p.document"

const char *const *authority_read_texts(struct arena *arena, const char *literal)
{
    size_t length = strlen(literal);
    const char **texts = arena_alloc(arena, (length + 1) * sizeof(*texts));
    size_t count = 0;
    /* Networks have nothing in them that an array literal would quote. */
    for (const char *at = literal + 1; *at != '}' && *at != '\0';) {
        size_t size = strcspn(at, ",}");
        texts[count++] = arena_copy(arena, at, size);
        at += size;
        at += *at == ',';
    }
    return texts;
}

static bool add_policies(struct authority *authority, const PGresult *result, struct arena *arena)
{
    for (int row = 0; row < PQntuples(result); row++) {
        const char *document = row_text(arena, result, row, "document");
        const struct authority_policy source = {row_text(arena, result, row, "policy_id"),
                                                row_text(arena, result, row, "name"),
                                                row_text(arena, result, row, "document_version")};
        if (document != NULL && !authority_add(authority, &source, document))
            return false;
    }
    return true;
}

/* Of the rows of a credential. A policy that cannot be read may be one that denies: nothing is allowed then. */
static enum code read_authority(const PGresult *result, struct arena *arena, struct authority **ret_authority)
{
    const char *name = row_text(arena, result, 0, "user_name");
    const char *networks = row_text(arena, result, 0, "allowed_networks");
    const char *expires = row_text(arena, result, 0, "expires_s");
    struct authority *authority = authority_new(name != NULL ? name : "", (size_t)PQntuples(result));
    if (add_policies(authority, result, arena) &&
        authority_restrict(authority, authority_read_texts(arena, networks),
                           expires != NULL ? strtoll(expires, NULL, 10) : 0)) {
        *ret_authority = authority;
        return CODE_OK;
    }
    authority_release(authority);
    return CODE_INTERNAL_ERROR;
}

static void copy(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text != NULL ? text : "");
}

static enum code read_principal(const PGresult *result, struct arena *arena, struct principal *ret_principal)
{
    const char *iam_user_id = row_text(arena, result, 0, "iam_user_id");
    struct principal principal = {.kind = iam_user_id == NULL ? PRINCIPAL_ROOT : PRINCIPAL_IAM_USER};
    copy(principal.account_id, sizeof(principal.account_id), row_text(arena, result, 0, "account_id"));
    principal.is_operator = row_flag(result, 0, "is_operator");
    copy(principal.iam_user_id, sizeof(principal.iam_user_id), iam_user_id);
    enum code code = read_authority(result, arena, &principal.authority);
    if (code == CODE_OK)
        *ret_principal = principal;
    return code;
}

static const struct statement find_key = {
    "SELECT c.account_id, o.is_operator, c.iam_user_id, u.name AS user_name, c.allowed_networks, c.sealed_secret,"
    " " EXPIRES ", " POLICY_COLUMNS " FROM access_key c JOIN account o ON o.account_id = c.account_id"
    " LEFT JOIN iam_user u ON u.account_id = c.account_id AND u.iam_user_id = c.iam_user_id" POLICIES
    " WHERE c.access_key_id = $1 AND c.status = 'ACTIVE' AND o.status = 'ACTIVE'"
    " ORDER BY p.name, p.policy_id",
    1};

#define FIND_SESSION(which)                                                                      \
    "SELECT c.account_id, o.is_operator, c.iam_user_id, c.session_id, u.name AS user_name,"      \
    " '{}' AS allowed_networks, " EXPIRES ", " POLICY_COLUMNS                                    \
    " FROM iam_session c JOIN account o ON o.account_id = c.account_id"                          \
    " JOIN iam_user u ON u.account_id = c.account_id AND u.iam_user_id = c.iam_user_id" POLICIES \
    " WHERE " which " AND o.status = 'ACTIVE' AND c.expires_at > now()"                          \
    " AND c.last_used_at > now() - interval '" SESSION_IDLE "'"                                  \
    " ORDER BY p.name, p.policy_id"
static const struct statement find_session = {FIND_SESSION("c.token_digest = decode($1, 'hex')"), 1};
static const struct statement find_session_again = {FIND_SESSION("c.account_id = $1 AND c.session_id = $2"),
                                                    2};

enum code authority_find_key(struct db *db, const struct secret_key *key, const char *access_key_id,
                             struct problem *problem, struct principal *ret_principal,
                             char ret_secret[static ACCESS_KEY_SECRET_LENGTH + 1])
{
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &find_key, access_key_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return CODE_UNAUTHENTICATED;
    size_t size;
    const char *secret = sealed_open(problem->arena, key, access_key_id,
                                     row_text(problem->arena, result, 0, "sealed_secret"), &size);
    if (secret == NULL || size != ACCESS_KEY_SECRET_LENGTH)
        return CODE_INTERNAL_ERROR;
    code = read_principal(result, problem->arena, ret_principal);
    if (code != CODE_OK)
        return code;
    memcpy(ret_secret, secret, ACCESS_KEY_SECRET_LENGTH + 1);
    copy(ret_principal->access_key_id, sizeof(ret_principal->access_key_id), access_key_id);
    return CODE_OK;
}

enum code authority_find_session(struct db *db, const char *token_digest, struct problem *problem,
                                 struct principal *ret_principal)
{
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &find_session, token_digest);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return CODE_UNAUTHENTICATED;
    code = read_principal(result, problem->arena, ret_principal);
    if (code == CODE_OK)
        copy(ret_principal->session_id, sizeof(ret_principal->session_id),
             row_text(problem->arena, result, 0, "session_id"));
    return code;
}

void authority_queue_again(struct db *db, const struct principal *principal)
{
    if (principal->session_id[0] == '\0')
        DB_QUEUE(db, &find_key, principal->access_key_id);
    else
        DB_QUEUE(db, &find_session_again, principal->account_id, principal->session_id);
}

enum code authority_collect_again(struct db *db, struct problem *problem, const struct principal *principal,
                                  struct principal *ret_principal)
{
    struct principal now;
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    if (code == CODE_OK && PQntuples(result) == 0)
        code = problem_set(problem, CODE_UNAUTHENTICATED, "The credential was taken away meanwhile.");
    if (code == CODE_OK)
        code = read_principal(result, problem->arena, &now);
    if (code != CODE_OK)
        return code;
    memcpy(now.access_key_id, principal->access_key_id, sizeof(now.access_key_id));
    memcpy(now.session_id, principal->session_id, sizeof(now.session_id));
    *ret_principal = now;
    return CODE_OK;
}

enum code authority_note_use(struct db *db, const struct principal *principal, struct problem *problem)
{
    static const struct statement note_key = {
        "UPDATE access_key SET last_used_at = now() WHERE access_key_id = (SELECT access_key_id FROM access_key"
        " WHERE access_key_id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')"
        " FOR NO KEY UPDATE SKIP LOCKED)",
        1};
    static const struct statement note_session = {
        "UPDATE iam_session SET last_used_at = now() WHERE (account_id, session_id) = (SELECT account_id, session_id"
        " FROM iam_session WHERE account_id = $1 AND session_id = $2 AND last_used_at < now() - interval '1 minute'"
        " FOR NO KEY UPDATE SKIP LOCKED)",
        2};
    return principal->session_id[0] == '\0'
               ? DB_RUN(db, problem, NULL, &note_key, principal->access_key_id)
               : DB_RUN(db, problem, NULL, &note_session, principal->account_id, principal->session_id);
}

enum code authority_of_user(struct db *db, const char *account_id, const char *iam_user_id,
                            struct problem *problem, struct authority **ret_authority)
{
    static const struct statement find = {
        "SELECT c.name AS user_name, '{}' AS allowed_networks, NULL AS expires_s, " POLICY_COLUMNS
        " FROM iam_user c" POLICIES
        " WHERE c.account_id = $1 AND c.iam_user_id = $2 ORDER BY p.name, p.policy_id",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &find, account_id, iam_user_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return problem_set(problem, CODE_IAM_USER_NOT_FOUND, "No IAM user of this account has this id.");
    return read_authority(result, problem->arena, ret_authority);
}
