#include "db/constraint.h"

#include <string.h>

static const struct {
    const char *constraint;
    enum code code;
    const char *detail;
} rows[] = {
    {"entity_name_key", CODE_NAME_TAKEN,
     "Another user, group or resource of this organization has this name; choose another."},
    {"flow_rule_name_key", CODE_NAME_TAKEN,
     "Another email flow rule of this organization has this name; choose another."},
    {"organization_alias_pkey", CODE_ALIAS_TAKEN,
     "This alias was given to an organization, maybe one that is deleted; choose another."},
    {"address_registry_pkey", CODE_EMAIL_ADDRESS_IN_USE,
     "This address belongs to another user, group or resource, or is kept for one that was disabled or deleted."},
    {"availability_configuration_pkey", CODE_NAME_TAKEN,
     "The organization has an availability configuration for this domain; change that one."},
    {"master_key_alias_key", CODE_ALIAS_TAKEN, "Another key of this account has this alias; choose another."},
    {"master_key_default_key", CODE_RETRY, "Another request made it at the same time."},
    {"iam_group_name_key", CODE_NAME_TAKEN,
     "Another IAM group of this account has this name; choose another."},
    {"policy_name_key", CODE_NAME_TAKEN, "Another policy of this account has this name; choose another."},
    {"iam_group_member_group", CODE_IAM_IN_USE, "The group has members; take them out first."},
    {"iam_group_policy_group", CODE_IAM_IN_USE, "The group has policies; detach them first."},
    {"iam_group_policy_policy_id_fkey", CODE_IAM_IN_USE,
     "The policy is attached to groups; detach it first."},
    {"iam_user_policy_policy_id_fkey", CODE_IAM_IN_USE,
     "The policy is attached to IAM users; detach it first."},
    {"mail_domain_pkey", CODE_MAIL_DOMAIN_IN_USE, "The organization has this domain already."},
    {"iam_user_name_key", CODE_NAME_TAKEN, "Another identity of this account has this name; choose another."},
};

enum code constraint_code(const char *constraint, struct problem *problem)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].constraint, constraint) == 0)
            return problem_set(problem, rows[i].code, "%s", rows[i].detail);
    return CODE_INTERNAL_ERROR;
}
