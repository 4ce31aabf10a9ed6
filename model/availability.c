#include "model/availability.h"

#include <string.h>

#include "model/ews.h"
#include "model/text.h"

static bool check_username(const char *username, const char **ret_detail)
{
    *ret_detail =
        "The service account's full address, or DOMAIN\\user; without colons and control characters.";
    bool has_form = strchr(username, '@') != NULL || strchr(username, '\\') != NULL;
    return has_form && strchr(username, ':') == NULL && !text_has_control(username);
}

static bool check_password(const char *password, const char **ret_detail)
{
    *ret_detail = "A password has no control characters.";
    return !text_has_control(password);
}

/* The rows that are not write-only are the columns of the view in db/availability.c, in this order. */
static const struct field fields[] = {
    FIELD_STRING_ROW(struct availability_configuration, domain, FIELD_REQUIRED | FIELD_CREATE_ONLY, 1, 253),
    FIELD_STRING_ROW(struct availability_configuration, ews_url, FIELD_REQUIRED, 1, 2048,
                     .check = ews_check_url, .check_code = "invalid_url"),
    FIELD_STRING_ROW(struct availability_configuration, username, FIELD_REQUIRED, 1, 256,
                     .check = check_username),
    FIELD_STRING_ROW(struct availability_configuration, password, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1, 256,
                     .check = check_password),
    FIELD_READ_ONLY_ROW("last_test.outcome", FIELD_ENUM, .values = ews_outcome_names),
    FIELD_READ_ONLY_ROW("last_test.at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("last_test.detail", FIELD_STRING),
    FIELD_READ_ONLY_ROW("last_test.help", FIELD_STRING),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table availability_configuration_table = FIELD_TABLE("availability_configuration", fields);

static const struct field test_fields[] = {
    FIELD_READ_ONLY_ROW("outcome", FIELD_ENUM, .values = ews_outcome_names),
    FIELD_READ_ONLY_ROW("at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("detail", FIELD_STRING),
    FIELD_READ_ONLY_ROW("help", FIELD_STRING),
};
const struct field_table availability_test_table = FIELD_TABLE("availability_test", test_fields);

static const struct field option_fields[] = {
    FIELD_BOOLEAN_ROW(struct availability_options, skip_test, 0),
};
const struct field_table availability_options_query =
    FIELD_TABLE("availability_options_query", option_fields);

enum code availability_check_patch(const struct availability_configuration *patch, const char *ews_url,
                                   struct problem *problem)
{
    if (patch->ews_url == NULL || patch->password != NULL || strcmp(patch->ews_url, ews_url) == 0)
        return CODE_OK;
    problem_add_member(
        problem, "password", "required",
        "With another EWS URL the password is needed again: the one that is kept goes to no other"
        " server.");
    return CODE_VALIDATION_FAILED;
}
