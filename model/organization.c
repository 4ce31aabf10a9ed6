#include "model/organization.h"

#include <string.h>

#include "model/buffer.h"
#include "model/directory.h"
#include "model/key.h"

/* 1..62 letters, digits and single inner hyphens, not starting `d-`: it becomes a DNS label. */
static bool check_alias(const char *alias, const char **ret_detail)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    size_t length = strlen(alias);
    if (strspn(alias, letters) != length || alias[0] == '-' || alias[length - 1] == '-' ||
        strstr(alias, "--") != NULL) {
        *ret_detail = "Use letters, digits and single hyphens inside.";
        return false;
    }
    if ((alias[0] == 'd' || alias[0] == 'D') && alias[1] == '-') {
        *ret_detail = "An alias does not start with \"d-\", which is how directory ids start.";
        return false;
    }
    return true;
}

static const char *const setups[] = {"QUICK", "STANDARD", NULL};
const char *const organization_states[] = {"REQUESTED", "CREATING", "ACTIVE",   "FAILED",  "VALIDATING",
                                           "IMPAIRED",  "INACTIVE", "DELETING", "DELETED", NULL};

static const struct field organization_fields[] = {
    FIELD_READ_ONLY_ROW("organization_id", FIELD_STRING),
    FIELD_STRING_ROW(struct organization, alias, FIELD_REQUIRED | FIELD_CREATE_ONLY, 1, 62,
                     .check = check_alias),
    FIELD_STRING_ROW(struct organization, region, FIELD_CREATE_ONLY, 1, 64),
    FIELD_ENUM_ROW(struct organization, setup, FIELD_REQUIRED | FIELD_CREATE_ONLY, setups),
    FIELD_STRING_ROW(struct organization, directory_id, FIELD_CREATE_ONLY, DIRECTORY_ID_LENGTH,
                     DIRECTORY_ID_LENGTH, .check = directory_check_id),
    FIELD_STRING_ROW(struct organization, key_id, FIELD_CREATE_ONLY, 36, 36, .check = key_check_id),
    FIELD_STRINGS_ROW(struct organization, domains, FIELD_CREATE_ONLY | FIELD_WRITE_ONLY, 0, 100),
    FIELD_BOOLEAN_ROW(struct organization, interoperability_enabled, FIELD_CREATE_ONLY),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = organization_states),
    FIELD_READ_ONLY_ROW("state_reason", FIELD_STRING),
    FIELD_READ_ONLY_ROW("default_domain", FIELD_STRING),
    FIELD_READ_ONLY_ROW("test_domain", FIELD_STRING),
    FIELD_READ_ONLY_ROW("arn", FIELD_STRING),
    FIELD_READ_ONLY_ROW("endpoints.web", FIELD_STRING),
    FIELD_READ_ONLY_ROW("endpoints.autodiscover", FIELD_STRING),
    FIELD_READ_ONLY_ROW("endpoints.mobile", FIELD_STRING),
    FIELD_READ_ONLY_ROW("endpoints.inbound_mail", FIELD_STRING),
    FIELD_READ_ONLY_ROW("endpoints.ews", FIELD_STRING),
    FIELD_READ_ONLY_ROW("completed_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("deleted_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table organization_table = FIELD_TABLE("organization", organization_fields);

enum code organization_check_setup(const struct organization *organization, struct problem *problem)
{
    bool is_standard = strcmp(organization->setup, "STANDARD") == 0;
    if (is_standard && organization->directory_id == NULL)
        problem_add_member(problem, "directory_id", "required",
                           "STANDARD uses a directory that is there; see ListDirectories.");
    else if (!is_standard && organization->directory_id != NULL)
        problem_add_member(problem, "directory_id", "read_only",
                           "QUICK makes a directory; leave this member out, or say STANDARD.");
    if (!is_standard && organization->interoperability_enabled)
        problem_add_member(problem, "interoperability_enabled", "invalid_value",
                           "It needs STANDARD, with a directory of type " DIRECTORY_AD_CONNECTOR ".");
    return problem->first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

static const struct field transition_fields[] = {
    FIELD_READ_ONLY_ROW("from", FIELD_ENUM, .values = organization_states),
    FIELD_READ_ONLY_ROW("to", FIELD_ENUM, .values = organization_states),
    FIELD_READ_ONLY_ROW("at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("actor", FIELD_STRING),
    FIELD_READ_ONLY_ROW("reason", FIELD_STRING),
};
const struct field_table transition_table = FIELD_TABLE("transition", transition_fields);

static const struct field removal_fields[] = {
    FIELD_STRING_ROW(struct organization_removal, confirm, FIELD_REQUIRED, 1, 62),
    FIELD_BOOLEAN_ROW(struct organization_removal, force, 0),
    FIELD_BOOLEAN_ROW(struct organization_removal, delete_directory, 0),
};
const struct field_table organization_removal_query =
    FIELD_TABLE("delete_organization_query", removal_fields);

static const struct {
    const char *from, *to;
} transitions[] = {
    {"REQUESTED", "CREATING"},  {"CREATING", "ACTIVE"},     {"CREATING", "FAILED"},
    {"FAILED", "REQUESTED"},    {"ACTIVE", "VALIDATING"},   {"IMPAIRED", "VALIDATING"},
    {"VALIDATING", "ACTIVE"},   {"VALIDATING", "IMPAIRED"}, {"ACTIVE", "INACTIVE"},
    {"IMPAIRED", "INACTIVE"},   {"VALIDATING", "INACTIVE"}, {"INACTIVE", "VALIDATING"},
    {"REQUESTED", "DELETING"},  {"CREATING", "DELETING"},   {"ACTIVE", "DELETING"},
    {"FAILED", "DELETING"},     {"IMPAIRED", "DELETING"},   {"INACTIVE", "DELETING"},
    {"VALIDATING", "DELETING"}, {"DELETING", "DELETED"},
};
#define TRANSITION_COUNT (sizeof(transitions) / sizeof(transitions[0]))

bool organization_may_become(const char *from, const char *to)
{
    for (size_t i = 0; i < TRANSITION_COUNT; i++)
        if (strcmp(transitions[i].from, from) == 0 && strcmp(transitions[i].to, to) == 0)
            return true;
    return false;
}

const char *organization_next_states(struct arena *arena, const char *from)
{
    struct buffer list = {.arena = arena};
    for (size_t i = 0; i < TRANSITION_COUNT; i++)
        if (strcmp(transitions[i].from, from) == 0)
            buffer_printf(&list, "%s%s", list.length > 0 ? ", " : "", transitions[i].to);
    return list.length > 0 ? buffer_string(&list) : "none";
}
