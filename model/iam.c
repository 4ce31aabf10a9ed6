#include "model/iam.h"

#include <string.h>

#include "model/id.h"
#include "model/password.h"

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool check_name(const char *name, const char **ret_detail)
{
    *ret_detail = "Use letters, digits and the characters _ + = , . @ -.";
    return strspn(name, LETTERS_AND_DIGITS "_+=,.@-") == strlen(name);
}

static bool check_path(const char *path, const char **ret_detail)
{
    *ret_detail =
        "Begin and end with a slash; between them letters, digits, slashes and the characters _ + = , . @ -.";
    size_t length = strlen(path);
    return path[0] == '/' && path[length - 1] == '/' && strspn(path, LETTERS_AND_DIGITS "/_+=,.@-") == length;
}

static bool check_uuid(const char *id, const char **ret_detail)
{
    *ret_detail = "An id is a UUID in lower case.";
    return id_is_uuid(id);
}

static bool check_account(const char *id, const char **ret_detail)
{
    *ret_detail = "An account id has 12 digits.";
    return strlen(id) == 12 && strspn(id, "0123456789") == 12;
}

/* The rows that are not write-only are the columns of the views in db/iam_….c, in this order. */
static const struct field user_fields[] = {
    FIELD_READ_ONLY_ROW("iam_user_id", FIELD_STRING),
    FIELD_STRING_ROW(struct iam_user, name, FIELD_REQUIRED | FIELD_CREATE_ONLY, 1, IAM_NAME_MAX,
                     .check = check_name),
    FIELD_STRING_ROW(struct iam_user, path, FIELD_CREATE_ONLY, 1, 512, .check = check_path),
    FIELD_READ_ONLY_ROW("groups", FIELD_JSON),
    FIELD_READ_ONLY_ROW("policies", FIELD_JSON),
    FIELD_READ_ONLY_ROW("has_password", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table iam_user_table = FIELD_TABLE("iam_user", user_fields);

static const struct field group_fields[] = {
    FIELD_READ_ONLY_ROW("iam_group_id", FIELD_STRING),
    FIELD_STRING_ROW(struct iam_group, name, FIELD_REQUIRED | FIELD_CREATE_ONLY, 1, IAM_NAME_MAX,
                     .check = check_name),
    FIELD_READ_ONLY_ROW("policies", FIELD_JSON),
    FIELD_READ_ONLY_ROW("member_count", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table iam_group_table = FIELD_TABLE("iam_group", group_fields);

static const struct field member_fields[] = {
    FIELD_READ_ONLY_ROW("iam_user_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
};
const struct field_table iam_member_table = FIELD_TABLE("iam_member", member_fields);

static const struct field policy_fields[] = {
    FIELD_READ_ONLY_ROW("policy_id", FIELD_STRING),
    FIELD_STRING_ROW(struct iam_policy, name, FIELD_REQUIRED | FIELD_CREATE_ONLY, 1, 128,
                     .check = check_name),
    FIELD_STRING_ROW(struct iam_policy, description, FIELD_NULLABLE, 0, 1000),
    FIELD_READ_ONLY_ROW("managed", FIELD_BOOLEAN),
    FIELD_JSON_ROW(struct iam_policy, document, FIELD_REQUIRED),
    FIELD_READ_ONLY_ROW("document_version", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("warnings", FIELD_JSON),
    FIELD_READ_ONLY_ROW("attachment_count", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table policy_table = FIELD_TABLE("policy", policy_fields);

static const char *const key_statuses[] = {"ACTIVE", "DISABLED", NULL};
static const struct field key_fields[] = {
    FIELD_READ_ONLY_ROW("access_key_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("secret_access_key", FIELD_STRING),
    FIELD_ENUM_ROW(struct iam_key, status, 0, key_statuses),
    {.name = "expires_at",
     .kind = FIELD_TIME,
     .flags = FIELD_NULLABLE,
     .offset = FIELD_OFFSET(struct iam_key, expires_at, const char *)},
    FIELD_STRINGS_ROW(struct iam_key, allowed_networks, 0, 0, 100),
    FIELD_READ_ONLY_ROW("last_used_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table access_key_table = FIELD_TABLE("access_key", key_fields);

static const struct field password_fields[] = {
    FIELD_STRING_ROW(struct iam_password, password, FIELD_REQUIRED | FIELD_WRITE_ONLY, IAM_PASSWORD_MIN,
                     IAM_PASSWORD_MAX, .check = password_check, .check_code = "weak_password"),
};
const struct field_table iam_password_table = FIELD_TABLE("iam_password", password_fields);

static const struct field sign_in_fields[] = {
    FIELD_STRING_ROW(struct sign_in, account_id, FIELD_REQUIRED, 12, 12, .check = check_account),
    FIELD_STRING_ROW(struct sign_in, name, FIELD_REQUIRED, 1, IAM_NAME_MAX, .check = check_name),
    FIELD_STRING_ROW(struct sign_in, password, FIELD_REQUIRED, 1, IAM_PASSWORD_MAX),
};
const struct field_table sign_in_table = FIELD_TABLE("sign_in", sign_in_fields);

static const struct field session_fields[] = {
    FIELD_READ_ONLY_ROW("session_id", FIELD_STRING), FIELD_READ_ONLY_ROW("iam_user_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("csrf_token", FIELD_STRING), FIELD_READ_ONLY_ROW("source_address", FIELD_STRING),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),   FIELD_READ_ONLY_ROW("last_used_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("expires_at", FIELD_TIME),
};
const struct field_table session_table = FIELD_TABLE("session", session_fields);

static const struct field simulation_fields[] = {
    FIELD_STRING_ROW(struct simulation, iam_user_id, 0, 36, 36, .check = check_uuid),
    FIELD_JSON_ROW(struct simulation, document, 0),
    FIELD_STRING_ROW(struct simulation, action, FIELD_REQUIRED, 1, 127),
    FIELD_STRING_ROW(struct simulation, resource, 0, 1, 512),
    FIELD_STRING_ROW(struct simulation, source_address, 0, 1, 45),
    {.name = "at", .kind = FIELD_TIME, .offset = FIELD_OFFSET(struct simulation, at, const char *)},
    FIELD_BOOLEAN_ROW(struct simulation, is_secure, 0),
};
const struct field_table simulation_table = FIELD_TABLE("simulation", simulation_fields);

static const struct field result_fields[] = {
    FIELD_READ_ONLY_ROW("action", FIELD_STRING),
    FIELD_READ_ONLY_ROW("resource", FIELD_STRING),
    FIELD_READ_ONLY_ROW("decision", FIELD_JSON),
    FIELD_READ_ONLY_ROW("warnings", FIELD_JSON),
};
const struct field_table simulation_result_table = FIELD_TABLE("simulation_result", result_fields);
