#include "model/user.h"

#include "model/email.h"
#include "model/entity.h"
#include "model/password.h"

#define DETAIL_MAX 256

const char *const user_types[] = {"USER", "SYSTEM_USER", "RESOURCE", "REMOTE_USER", NULL};

/* The rows that are not write-only are the columns of the view in db/user.c, in this order. */
static const struct field user_fields[] = {
    FIELD_READ_ONLY_ROW("user_id", FIELD_STRING),
    FIELD_STRING_ROW(struct user, name, FIELD_REQUIRED | FIELD_CREATE_ONLY, 1, USER_NAME_MAX,
                     .check = entity_check_name),
    FIELD_ENUM_ROW(struct user, type, FIELD_CREATE_ONLY, user_types),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = entity_states),
    FIELD_STRING_ROW(struct user, first_name, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, last_name, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, display_name, FIELD_REQUIRED, 1, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, initials, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, email, FIELD_CREATE_ONLY, 1, EMAIL_MAX),
    FIELD_STRING_ROW(struct user, password, FIELD_CREATE_ONLY | FIELD_WRITE_ONLY, PASSWORD_MIN, PASSWORD_MAX,
                     .check = password_check, .check_code = "weak_password"),
    FIELD_READ_ONLY_ROW("aliases", FIELD_STRINGS),
    FIELD_BOOLEAN_ROW(struct user, hidden_from_address_list, 0),
    FIELD_STRING_ROW(struct user, street, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, city, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, zip_code, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, country, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, telephone, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, job_title, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, department, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, company, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_STRING_ROW(struct user, office, FIELD_NULLABLE, 0, DETAIL_MAX),
    FIELD_INTEGER_ROW(struct user, quota_mb, 0, 1, USER_QUOTA_DEFAULT_MB),
    FIELD_READ_ONLY_ROW("has_password", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("mailbox.mailbox_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("mailbox.quota_mb", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("mailbox.provisioned_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("mailbox.purge_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("enabled_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("disabled_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("directory_id", FIELD_STRING),
    EXTERNAL_ROWS,
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table user_table = FIELD_TABLE("user", user_fields);

static const struct field password_fields[] = {
    FIELD_STRING_ROW(struct user_password, password, FIELD_REQUIRED | FIELD_WRITE_ONLY, PASSWORD_MIN,
                     PASSWORD_MAX, .check = password_check, .check_code = "weak_password")};
const struct field_table reset_password_table = FIELD_TABLE("reset_password", password_fields);
