#include "model/migration_setting.h"

#include "model/entity.h"

/* The columns of db/migration_setting.c, in this order. */
static const struct field fields[] = {
    FIELD_STRING_ROW(struct migration_setting, migration_admin, 0, 1, 64),
    FIELD_READ_ONLY_ROW("user.user_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("user.name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("user.display_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("user.email", FIELD_STRING),
    FIELD_READ_ONLY_ROW("user.state", FIELD_ENUM, .values = entity_states),
    FIELD_READ_ONLY_ROW("warnings", FIELD_STRINGS),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table migration_setting_table = FIELD_TABLE("migration_setting", fields);
