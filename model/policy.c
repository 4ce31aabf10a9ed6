#include "model/policy.h"

#include <ctype.h>
#include <string.h>

struct statement {
    bool allow;
    const char *const *actions; /* NULL after the last */
};

struct policy {
    const char *name;
    const struct statement *statements;
    size_t count;
};

/* The guide's managed policies. Full access holds no `iam:` action: it is not root. */
static const char *const full_actions[] = {"workmail:*", "ds:*", "kms:*", "ses:*", NULL};
static const struct statement full_statements[] = {{.allow = true, .actions = full_actions}};

static const char *const read_only_actions[] = {"workmail:VerifyAuditLog",
                                                "workmail:Get*",
                                                "workmail:List*",
                                                "workmail:Describe*",
                                                "workmail:Search*",
                                                "workmail:Test*",
                                                "ses:Get*",
                                                "ses:Describe*",
                                                "ds:Describe*",
                                                "ds:List*",
                                                "kms:Describe*",
                                                "kms:List*",
                                                NULL};
static const struct statement read_only_statements[] = {{.allow = true, .actions = read_only_actions}};

static const struct policy managed[] = {
    {"AmazonWorkMailFullAccess", full_statements, 1},
    {"AmazonWorkMailReadOnlyAccess", read_only_statements, 1},
};

const struct policy *policy_managed(const char *name)
{
    for (size_t i = 0; i < sizeof(managed) / sizeof(managed[0]); i++)
        if (strcmp(managed[i].name, name) == 0)
            return &managed[i];
    return NULL;
}

const char *policy_name(const struct policy *policy)
{
    return policy->name;
}

bool policy_matches(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *resume = NULL;

    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == '?' || tolower((unsigned char)*pattern) == tolower((unsigned char)*text)) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool statement_matches(const struct statement *statement, const char *action)
{
    for (const char *const *pattern = statement->actions; *pattern != NULL; pattern++)
        if (policy_matches(*pattern, action))
            return true;
    return false;
}

bool policy_allows(const struct principal *principal, const char *action)
{
    if (principal->kind == PRINCIPAL_ROOT)
        return true;

    bool allowed = false;
    for (size_t p = 0; p < POLICY_MAX_ATTACHED && principal->policies[p] != NULL; p++) {
        const struct policy *policy = principal->policies[p];
        for (size_t s = 0; s < policy->count; s++) {
            if (!statement_matches(&policy->statements[s], action))
                continue;
            if (!policy->statements[s].allow)
                return false;
            allowed = true;
        }
    }
    return allowed;
}
