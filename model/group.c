#include "model/group.h"

#include "model/email.h"
#include "model/entity.h"
#include "model/text.h"

#define TEXT_MAX 256

const char *const group_types[] = {"GROUP", "SYSTEM_GROUP", NULL};
const char *const member_kinds[] = {"USER", "GROUP", NULL};

/* The columns of the view in db/group.c, in this order. */
static const struct field group_fields[] = {
    FIELD_READ_ONLY_ROW("group_id", FIELD_STRING),
    FIELD_STRING_ROW(struct mail_group, name, FIELD_REQUIRED, 1, GROUP_NAME_MAX,
                     .check = text_has_no_outer_space),
    FIELD_ENUM_ROW(struct mail_group, type, FIELD_CREATE_ONLY, group_types),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = entity_states),
    FIELD_STRING_ROW(struct mail_group, display_name, 0, 1, TEXT_MAX),
    FIELD_STRING_ROW(struct mail_group, description, FIELD_NULLABLE, 0, TEXT_MAX),
    FIELD_STRING_ROW(struct mail_group, email, 0, 1, EMAIL_MAX),
    FIELD_READ_ONLY_ROW("aliases", FIELD_STRINGS),
    FIELD_BOOLEAN_ROW(struct mail_group, hidden_from_address_list, 0),
    FIELD_READ_ONLY_ROW("member_count", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("directory_id", FIELD_STRING),
    EXTERNAL_ROWS,
    FIELD_READ_ONLY_ROW("enabled_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("disabled_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("purge_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table group_table = FIELD_TABLE("group", group_fields);

static const struct field member_fields[] = {
    FIELD_READ_ONLY_ROW("member_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("member_kind", FIELD_ENUM, .values = member_kinds),
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("display_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("email", FIELD_STRING),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = entity_states),
    FIELD_READ_ONLY_ROW("via", FIELD_STRINGS),
};
const struct field_table member_table = FIELD_TABLE("member", member_fields);

static const struct field membership_fields[] = {
    FIELD_READ_ONLY_ROW("group_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("display_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("email", FIELD_STRING),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = entity_states),
};
const struct field_table membership_table = FIELD_TABLE("membership", membership_fields);
