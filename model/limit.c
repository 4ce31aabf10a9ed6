#include "model/limit.h"

#include <string.h>

const struct limit_row limit_rows[LIMIT_COUNT] = {
    [LIMIT_QUICK_SETUP_ORGANIZATIONS] =
        {"quick_setup_organizations", 2, "account and region",
         "You have reached the maximum number of organizations you can create"},
    [LIMIT_ALIASES_PER_USER] = {"aliases_per_user", 100, "user",
                                "You have reached the maximum number of aliases"},
    [LIMIT_TRIAL_USERS] = {"trial_users", 25, "account on trial",
                           "You have reached the maximum number of users of the free trial"},
    [LIMIT_CUSTOM_KEYS] = {"custom_keys", 100, "account", "You have reached the maximum number of keys"},
    [LIMIT_DEVICES_PER_USER] = {"devices_per_user", 100, "user",
                                "The user has the maximum number of mobile devices"},
    [LIMIT_AVAILABILITY_CONFIGURATIONS] =
        {"availability_configurations", 100, "organization",
         "The organization has the maximum number of availability configurations"},
    [LIMIT_SENDER_PATTERNS_PER_RULE] = {"sender_patterns_per_rule", 250, "email flow rule",
                                        "You have reached the maximum number of sender patterns"},
    [LIMIT_SENDER_PATTERNS_PER_ORGANIZATION] = {"sender_patterns_per_organization", 1000, "organization",
                                                "You have reached the maximum number of sender patterns"},
    [LIMIT_DOMAINS_PER_ORGANIZATION] = {"domains_per_organization", 100, "organization",
                                        "You have reached the maximum number of domains"},
    [LIMIT_IAM_USERS] = {"iam_users", 5000, "account", "You have reached the maximum number of IAM users"},
    [LIMIT_IAM_GROUPS] = {"iam_groups", 300, "account", "You have reached the maximum number of IAM groups"},
    [LIMIT_POLICIES] = {"policies", 1500, "account", "You have reached the maximum number of policies"},
    [LIMIT_ACCESS_KEYS_PER_USER] = {"access_keys_per_user", 2, "IAM user",
                                    "You have reached the maximum number of access keys"},
    [LIMIT_POLICIES_PER_IDENTITY] = {"policies_per_identity", 20, "IAM user or group",
                                     "You have reached the maximum number of policies attached"},
    [LIMIT_GROUPS_PER_USER] = {"groups_per_user", 10, "IAM user",
                               "You have reached the maximum number of groups of an IAM user"},
    [LIMIT_TRIAL_DAYS] = {"trial_days", 30, "account on trial", NULL},
};

static const struct field limit_fields[] = {
    FIELD_READ_ONLY_ROW("code", FIELD_STRING),
    FIELD_READ_ONLY_ROW("value", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("default", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("scope", FIELD_STRING),
};
const struct field_table limit_table = FIELD_TABLE("limit", limit_fields);

const struct limit_row *limit_find(const char *code)
{
    for (unsigned i = 0; i < LIMIT_COUNT; i++)
        if (strcmp(limit_rows[i].code, code) == 0)
            return &limit_rows[i];
    return NULL;
}
