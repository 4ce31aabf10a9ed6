/* Who may do what: the one decision function. An explicit deny wins, then an allow, else it is denied. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define POLICY_MAX_ATTACHED 8

struct policy;

enum principal_kind { PRINCIPAL_ROOT, PRINCIPAL_IAM_USER };

/* Who makes a request: an account's root identity or one of its IAM users, by an access key. */
struct principal {
    enum principal_kind kind;
    char account_id[13];
    char access_key_id[21];
    char iam_user_id[37];                               /* empty for root */
    const struct policy *policies[POLICY_MAX_ATTACHED]; /* NULL after the last */
};

/* A managed policy by name; NULL when there is none. */
const struct policy *policy_managed(const char *name);
const char *policy_name(const struct policy *policy);

/* Whether the principal may do `action` (`workmail:CreateUser`). Root may do everything in its account. */
bool policy_allows(const struct principal *principal, const char *action);

/* Shell-like pattern with `*` and `?`, compared without case, as actions are. */
bool policy_matches(const char *pattern, const char *text);
