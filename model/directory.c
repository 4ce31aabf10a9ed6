#include "model/directory.h"

#include "model/id.h"

enum code directory_is_unknown(struct problem *problem)
{
    problem_clear(problem);
    problem_add_member(problem, "directory_id", "invalid_value",
                       "No directory has this id; see ListDirectories.");
    return CODE_VALIDATION_FAILED;
}

bool directory_check_id(const char *id, const char **ret_detail)
{
    if (id_is_directory(id))
        return true;
    *ret_detail = "A directory's id is d- and 10 hex digits.";
    return false;
}

static const char *const types[] = {"WORKMAIL", "SIMPLE_AD", "MANAGED_AD", "AD_CONNECTOR", "LDAP", NULL};
const char *const directory_statuses[] = {"AVAILABLE", "IN_USE", NULL};

/* The columns of the view in db/directory.c, in this order. */
static const struct field fields[] = {
    FIELD_READ_ONLY_ROW("directory_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("type", FIELD_ENUM, .values = types),
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("region", FIELD_STRING),
    FIELD_READ_ONLY_ROW("organization_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("status", FIELD_ENUM, .values = directory_statuses),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table directory_table = FIELD_TABLE("directory", fields);
