#include "model/key.h"

#include <string.h>

#include "model/id.h"

#define ALIAS_MAX       64
#define DESCRIPTION_MAX 256

static bool check_alias(const char *alias, const char **ret_detail)
{
    *ret_detail = "Use letters, digits, and / _ - between them.";
    return alias[strspn(alias, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-")] == '\0';
}

bool key_check_id(const char *text, const char **ret_detail)
{
    *ret_detail = "Give the id of a key; see ListKeys.";
    return id_is_uuid(text);
}

enum code key_is_unknown(struct problem *problem)
{
    problem_clear(problem);
    problem_add_member(problem, "key_id", "invalid_value",
                       "No key of this account has this id; see ListKeys.");
    return CODE_VALIDATION_FAILED;
}

static const char *const origins[] = {"DEFAULT", "CUSTOM", NULL};
static const char *const statuses[] = {"ENABLED", "DISABLED", NULL};

/* The columns of the view in db/master_key.c, in this order. */
static const struct field key_fields[] = {
    FIELD_READ_ONLY_ROW("key_id", FIELD_STRING),
    FIELD_STRING_ROW(struct key, alias, FIELD_NULLABLE, 1, ALIAS_MAX, .check = check_alias),
    FIELD_STRING_ROW(struct key, description, FIELD_NULLABLE, 0, DESCRIPTION_MAX),
    FIELD_READ_ONLY_ROW("origin", FIELD_ENUM, .values = origins),
    FIELD_ENUM_ROW(struct key, status, 0, statuses),
    FIELD_BOOLEAN_ROW(struct key, rotate, FIELD_WRITE_ONLY),
    FIELD_READ_ONLY_ROW("is_rotating", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("rotated_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table key_table = FIELD_TABLE("key", key_fields);

static const struct field new_key_fields[] = {
    FIELD_STRING_ROW(struct key, alias, 0, 1, ALIAS_MAX, .check = check_alias),
    FIELD_STRING_ROW(struct key, description, 0, 0, DESCRIPTION_MAX),
};
const struct field_table new_key_table = FIELD_TABLE("create_key", new_key_fields);
