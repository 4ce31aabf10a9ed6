#include "model/directory.h"

#include <string.h>

#include "model/id.h"
#include "model/text.h"

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

bool directory_type_is_read_only(const char *type)
{
    return strcmp(type, DIRECTORY_AD_CONNECTOR) == 0 || strcmp(type, "LDAP") == 0;
}

bool directory_type_is_external(const char *type)
{
    return strcmp(type, "WORKMAIL") != 0;
}

static bool check_name(const char *name, const char **ret_detail)
{
    if (text_has_control(name)) {
        *ret_detail = "A name has no control characters.";
        return false;
    }
    return text_has_no_outer_space(name, ret_detail);
}

const char *const directory_types[] = {"WORKMAIL", "SIMPLE_AD", "MANAGED_AD", DIRECTORY_AD_CONNECTOR,
                                       "LDAP",     NULL};
const char *const directory_statuses[] = {"AVAILABLE", "IN_USE", NULL};
static const char *const sync_statuses[] = {"PENDING", "LOADING", "FOLLOWING", "FAILING", NULL};

/* The columns of the view in db/directory.c, in this order. */
static const struct field fields[] = {
    FIELD_READ_ONLY_ROW("directory_id", FIELD_STRING),
    FIELD_ENUM_ROW(struct directory, type, FIELD_REQUIRED | FIELD_CREATE_ONLY, directory_types),
    FIELD_STRING_ROW(struct directory, name, FIELD_REQUIRED, 1, 128, .check = check_name),
    FIELD_STRING_ROW(struct directory, region, FIELD_CREATE_ONLY, 1, 64),
    FIELD_READ_ONLY_ROW("organization_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("status", FIELD_ENUM, .values = directory_statuses),
    FIELD_JSON_ROW(struct directory, connection, FIELD_REQUIRED),
    FIELD_READ_ONLY_ROW("has_bind_password", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("sync.status", FIELD_ENUM, .values = sync_statuses),
    FIELD_READ_ONLY_ROW("sync.last_synced_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("sync.last_compared_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("sync.lag_ms", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("sync.users", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("sync.groups", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("sync.changes", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("sync.errors", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("sync.failure_code", FIELD_STRING),
    FIELD_READ_ONLY_ROW("sync.failure", FIELD_STRING),
    FIELD_READ_ONLY_ROW("sync.failing_since", FIELD_TIME),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table directory_table = FIELD_TABLE("directory", fields);

static const struct field test_fields[] = {FIELD_JSON_ROW(struct directory, connection, 0)};
const struct field_table test_directory_table = FIELD_TABLE("test_directory", test_fields);

static const struct field error_fields[] = {
    FIELD_READ_ONLY_ROW("external_id", FIELD_STRING), FIELD_READ_ONLY_ROW("dn", FIELD_STRING),
    FIELD_READ_ONLY_ROW("code", FIELD_STRING),        FIELD_READ_ONLY_ROW("detail", FIELD_STRING),
    FIELD_READ_ONLY_ROW("since", FIELD_TIME),
};
const struct field_table directory_error_table = FIELD_TABLE("directory_error", error_fields);
