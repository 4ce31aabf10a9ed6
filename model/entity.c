#include "model/entity.h"

#include <string.h>

#include "model/email.h"

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

const char *const entity_states[] = {"ENABLED", "DISABLED", "DELETED", NULL};

/* [\w\-.]+(@[a-zA-Z0-9.\-]+\.[a-zA-Z0-9-]{2,})? */
bool entity_check_name(const char *name, const char **ret_detail)
{
    size_t local = strspn(name, LETTERS_AND_DIGITS "_-.");
    if (local > 0 && name[local] == '\0')
        return true;
    if (local > 0 && name[local] == '@') {
        const char *domain = name + local + 1;
        const char *dot = strrchr(domain, '.');
        if (strspn(domain, LETTERS_AND_DIGITS ".-") == strlen(domain) && dot != NULL && dot > domain &&
            strlen(dot + 1) >= 2)
            return true;
    }
    *ret_detail = "Use letters, digits, underscore, hyphen and dot, optionally followed by @ and a domain.";
    return false;
}

static const struct field alias_fields[] = {
    FIELD_STRING_ROW(struct entity_email, email, FIELD_REQUIRED, 1, EMAIL_MAX),
    FIELD_READ_ONLY_ROW("is_primary", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
};
const struct field_table alias_table = FIELD_TABLE("alias", alias_fields);

static const struct field enable_fields[] = {FIELD_STRING_ROW(struct entity_email, email, 0, 1, EMAIL_MAX)};
const struct field_table enable_table = FIELD_TABLE("enable", enable_fields);

static const struct field primary_fields[] = {
    FIELD_STRING_ROW(struct entity_email, email, FIELD_REQUIRED, 1, EMAIL_MAX)};
const struct field_table primary_email_table = FIELD_TABLE("primary_email", primary_fields);

static const struct field ids_fields[] = {
    FIELD_STRINGS_ROW(struct entity_ids, ids, FIELD_REQUIRED, 1, ENTITY_MOST_AT_ONCE)};
const struct field_table entity_ids_table = FIELD_TABLE("entity_ids", ids_fields);

static const struct field result_fields[] = {
    FIELD_READ_ONLY_ROW("id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("succeeded", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = entity_states),
    FIELD_READ_ONLY_ROW("code", FIELD_STRING),
    FIELD_READ_ONLY_ROW("detail", FIELD_STRING),
};
const struct field_table entity_result_table = FIELD_TABLE("entity_result", result_fields);
