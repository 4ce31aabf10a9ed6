#include "db/iam.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/identity.h"
#include "db/row.h"
#include "model/text.h"

enum code iam_run(struct db *db, struct change *change, struct grant *grant, tx_body *body, void *argument)
{
    enum code code = tx_run(db, change, body, argument);
    authority_release(grant->principal.authority);
    grant->principal.authority = NULL;
    return code;
}

void iam_queue_begin(struct db *db, const struct change *change, const struct grant *grant)
{
    /* Identities change rarely, and one change may bear on what another one checked: one after the other. */
    static const struct statement lock = {"SELECT pg_advisory_xact_lock(hashtextextended($1, 7265))", 1};
    db_queue_silently(db, &lock, &change->account_id, 1);
    identity_queue_notice(db);
    if (grant != NULL && grant->granter != NULL)
        authority_queue_again(db, grant->granter->principal);
}

/* All that let him in is looked at again, at this moment: his credential, where it may be used from, and what he asked for. */
enum code iam_collect_grant(struct db *db, struct change *change, struct grant *grant)
{
    const struct granter *granter = grant->granter;
    if (granter == NULL)
        return CODE_OK;
    struct policy_question question = granter->question;
    authority_release(grant->principal.authority); /* of an attempt before */
    grant->principal.authority = NULL;
    enum code code = authority_collect_again(db, change->problem, granter->principal, &grant->principal);
    if (code != CODE_OK)
        return code;
    question.context.now = time(NULL);
    if (!authority_is_usable(grant->principal.authority, question.context.source_address,
                             question.context.now))
        return problem_set(change->problem, CODE_UNAUTHENTICATED,
                           "The credential was limited meanwhile: it may not be used here and now.");
    if (principal_decide(&grant->principal, &question).effect != POLICY_ALLOWED)
        return problem_set(change->problem, CODE_ACCESS_DENIED, "%s on %s was taken from you meanwhile.",
                           question.action, question.resource);
    return CODE_OK;
}

enum code iam_collect_version(struct db *db, struct change *change, enum code missing)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return missing;
    return tx_match(change, PQgetvalue(result, 0, PQfnumber(result, "version")));
}

enum code iam_list_of(struct db *db, const struct statement *one, enum code missing,
                      const struct list_spec *list, const struct list_query *query,
                      const char *const fixed[static 2], struct problem *problem, struct buffer *out,
                      const char **ret_next_token)
{
    struct list_pending pending;
    DB_RESULT result = NULL;
    db_queue_parameters(db, one, fixed, 2);
    enum code code = list_queue(db, list, query, fixed, out->arena, problem, &pending);
    if (code == CODE_OK)
        code = db_collect(db, problem, &result);
    if (code == CODE_OK && PQntuples(result) == 0)
        code = missing;
    return code == CODE_OK ? list_collect(db, &pending, problem, out, ret_next_token) : code;
}

static enum code not_held(struct change *change, const char *which)
{
    return problem_set(
        change->problem, CODE_NOT_HELD,
        "%s allows more than you are sure to be allowed yourself: each of its actions on each of its resources"
        " must lie within an Allow of yours that has no condition, and meet none of your Denies.",
        which);
}

static bool holds(const struct grant *grant, const struct policy *policy, size_t *ret_statement)
{
    *ret_statement = 0;
    return grant == NULL || grant->granter == NULL ||
           principal_holds(&grant->principal, policy, ret_statement);
}

static const char *name_of(struct change *change, size_t statement, const char *policy)
{
    return arena_printf(change->arena, "Statement %zu of the policy %s", statement, policy);
}

enum code iam_check_policy(struct change *change, const struct grant *grant, const struct policy *policy,
                           const char *name)
{
    size_t statement;
    return holds(grant, policy, &statement) ? CODE_OK : not_held(change, name_of(change, statement, name));
}

static bool may_read(struct change *change, const struct grant *grant, const char *policy_id)
{
    struct policy_question question = {
        .action = grant->granter->reads_policy,
        .resource = arena_printf(change->arena, "%s%s", grant->granter->policy_name, policy_id),
        .context = grant->granter->question.context};
    return principal_decide(&grant->principal, &question).effect == POLICY_ALLOWED;
}

/* One row of a statement with a policy. */
static enum code check_row(struct change *change, const struct grant *grant, const PGresult *result, int row,
                           struct iam_content *content)
{
    struct problem unwanted = {.arena = change->arena};
    const char *document = row_text(change->arena, result, row, "document");
    const struct policy *policy =
        policy_compile(change->arena, document, strlen(document), "", &unwanted, NULL);
    size_t statement;
    if (policy == NULL)
        return CODE_INTERNAL_ERROR;
    content->allows = content->allows || policy_has_allow(policy);
    content->denies = content->denies || policy_has_deny(policy);
    if (holds(grant, policy, &statement))
        return CODE_OK;
    bool named = may_read(change, grant, row_text(change->arena, result, row, "policy_id"));
    return not_held(change, named ? name_of(change, statement, row_text(change->arena, result, row, "name"))
                                  : "A policy");
}

enum code iam_collect_held(struct db *db, struct change *change, const struct grant *grant,
                           struct iam_content *ret_content)
{
    struct iam_content content = {0};
    DB_RESULT result = NULL;
    enum code code = db_collect(db, change->problem, &result);
    for (int row = 0; code == CODE_OK && row < PQntuples(result); row++)
        code = check_row(change, grant, result, row, &content);
    if (ret_content != NULL)
        *ret_content = content;
    return code;
}

/* --- limits of credentials --- */

static enum code beyond_limits(struct change *change, const char *what)
{
    return problem_set(
        change->problem, CODE_NOT_HELD,
        "The access key that you use ends at a time or works from some networks only: %s must have"
        " the same limits, or narrower ones.",
        what);
}

enum code iam_check_limits(struct db *db, struct change *change, const struct grant *grant,
                           const struct statement *credentials, const char *const *parameters)
{
    const struct authority *authority = grant->principal.authority;
    DB_RESULT result = NULL;
    /* A session ends too, but who is signed in may sign in again: it has all that the identity is. */
    if (grant->granter == NULL || grant->principal.session_id[0] != '\0' ||
        (authority->expires_at == 0 && authority->network_count == 0))
        return CODE_OK;
    db_queue_parameters(db, credentials, parameters, credentials->parameters);
    enum code code = db_collect(db, change->problem, &result);
    for (int row = 0; code == CODE_OK && row < PQntuples(result); row++) {
        const char *expires = row_text(change->arena, result, row, "expires_s");
        const char *networks = row_text(change->arena, result, row, "allowed_networks");
        if (!authority_has_limits_of(authority, authority_read_texts(change->arena, networks),
                                     expires != NULL ? strtoll(expires, NULL, 10) : 0))
            code = beyond_limits(change, "whoever is given more, and may use it at once,");
    }
    return code;
}

static bool has_limits(const struct principal *granter, const char *const *networks, const char *expires_at)
{
    static const char *const none[] = {NULL};
    int64_t seconds = 0;
    if (granter->session_id[0] != '\0') /* signed in with all that the identity is */
        return true;
    if (expires_at != NULL && !text_read_time(expires_at, &seconds))
        return false;
    return authority_has_limits_of(granter->authority, networks != NULL ? networks : none, seconds);
}

enum code iam_check_credential(struct db *db, struct change *change, const struct grant *grant,
                               const char *iam_user_id, const char *const *networks, const char *expires_at)
{
    static const struct statement policies = {
        "SELECT p.policy_id, p.name, p.document FROM iam_user_authority a JOIN policy p ON p.policy_id = a.policy_id"
        " WHERE a.account_id = $1 AND a.iam_user_id = $2",
        2};
    const struct principal *granter = &grant->principal;
    if (grant->granter == NULL)
        return CODE_OK;
    if (!has_limits(granter, networks, expires_at))
        return beyond_limits(change, "what you make with it");
    if (strcmp(granter->iam_user_id, iam_user_id) == 0)
        return CODE_OK;
    DB_QUEUE(db, &policies, change->account_id, iam_user_id);
    return iam_collect_held(db, change, grant, NULL);
}
