#include "db/iam.h"

#include <string.h>

#include "db/notifier.h"
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
    /* Inside the transaction, unlike the jobs' hint: a revocation must not be lost. */
    static const struct statement notice = {"SELECT pg_notify('" NOTIFIER_IDENTITY_CHANNEL "', '')", 0};
    db_queue_silently(db, &lock, &change->account_id, 1);
    db_queue_silently(db, &notice, NULL, 0);
    db_note_identities(db);
    if (grant != NULL && grant->granter != NULL)
        authority_queue_again(db, grant->granter->principal);
}

/* All that let him in is looked at again: his credential, where it may be used from, and what he asked for. */
enum code iam_collect_grant(struct db *db, struct change *change, struct grant *grant)
{
    const struct granter *granter = grant->granter;
    if (granter == NULL)
        return CODE_OK;
    const struct policy_question *question = &granter->question;
    authority_release(grant->principal.authority); /* of an attempt before */
    grant->principal.authority = NULL;
    enum code code = authority_collect_again(db, change->problem, granter->principal, &grant->principal);
    if (code != CODE_OK)
        return code;
    if (!authority_is_usable(grant->principal.authority, question->context.source_address,
                             question->context.now))
        return problem_set(change->problem, CODE_UNAUTHENTICATED,
                           "The credential was limited meanwhile: it may not be used here and now.");
    if (principal_decide(&grant->principal, question).effect != POLICY_ALLOWED)
        return problem_set(change->problem, CODE_ACCESS_DENIED, "%s on %s was taken from you meanwhile.",
                           question->action, question->resource);
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

enum code iam_check_policy(struct change *change, const struct grant *grant, const struct policy *policy,
                           const char *name)
{
    size_t statement = 0;
    if (grant == NULL || grant->granter == NULL || principal_holds(&grant->principal, policy, &statement))
        return CODE_OK;
    return problem_set(
        change->problem, CODE_NOT_HELD,
        "Statement %zu of the policy %s allows more than you are sure to be allowed yourself: each of its "
        "actions on each of its resources must lie within an Allow of yours that has no condition, and "
        "meet none of your Denies.",
        statement, name);
}

enum code iam_collect_held(struct db *db, struct change *change, const struct grant *grant,
                           bool *ret_has_deny)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, change->problem, &result);
    if (ret_has_deny != NULL)
        *ret_has_deny = false;
    for (int row = 0; code == CODE_OK && row < PQntuples(result); row++) {
        struct problem unwanted = {.arena = change->arena};
        const char *document = row_text(change->arena, result, row, "document");
        const struct policy *policy =
            policy_compile(change->arena, document, strlen(document), "", &unwanted, NULL);
        if (policy == NULL)
            return CODE_INTERNAL_ERROR;
        if (ret_has_deny != NULL && policy_has_deny(policy))
            *ret_has_deny = true;
        code = iam_check_policy(change, grant, policy, row_text(change->arena, result, row, "name"));
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
        "SELECT p.name, p.document FROM iam_user_authority a JOIN policy p ON p.policy_id = a.policy_id"
        " WHERE a.account_id = $1 AND a.iam_user_id = $2",
        2};
    const struct principal *granter = &grant->principal;
    if (grant->granter == NULL)
        return CODE_OK;
    if (!has_limits(granter, networks, expires_at))
        return problem_set(
            change->problem, CODE_NOT_HELD,
            "The access key that you use ends at a time or works from some networks only: what you make "
            "with it must have the same limits, or narrower ones.");
    if (strcmp(granter->iam_user_id, iam_user_id) == 0)
        return CODE_OK;
    DB_QUEUE(db, &policies, change->account_id, iam_user_id);
    return iam_collect_held(db, change, grant, NULL);
}
