#include "model/account.h"

#include <string.h>

#include "model/text.h"

#define NAME_MAX_LENGTH 128

static const char *const statuses[] = {"ACTIVE", "CLOSED", NULL};

/* The columns of the view in db/account.c, in this order. */
static const struct field account_fields[] = {
    FIELD_READ_ONLY_ROW("account_id", FIELD_STRING),
    FIELD_STRING_ROW(struct account, name, FIELD_REQUIRED, 1, NAME_MAX_LENGTH),
    FIELD_READ_ONLY_ROW("status", FIELD_ENUM, .values = statuses),
    FIELD_READ_ONLY_ROW("trial.ends_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("trial.user_limit", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table account_table = FIELD_TABLE("account", account_fields);

bool account_name_fits(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && text_is_utf8(name, length) && !text_has_control(name) &&
           text_characters(name) <= NAME_MAX_LENGTH;
}

static const struct field closing_fields[] = {
    FIELD_STRING_ROW(struct account_closing, confirm, FIELD_REQUIRED, 1, ACCOUNT_ID_LENGTH),
    FIELD_BOOLEAN_ROW(struct account_closing, force, 0),
};
const struct field_table account_closing_query = FIELD_TABLE("close_account_query", closing_fields);

/* The columns of the list in db/usage.c, in this order. */
static const struct field usage_fields[] = {
    FIELD_READ_ONLY_ROW("organization_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("alias", FIELD_STRING),
    FIELD_READ_ONLY_ROW("month", FIELD_STRING),
    FIELD_READ_ONLY_ROW("active_users", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("days", FIELD_JSON),
};
const struct field_table usage_table = FIELD_TABLE("usage", usage_fields);
