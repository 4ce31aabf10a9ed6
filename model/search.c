#include "model/search.h"

#include "model/entity.h"
#include "model/group.h"

const char *const entity_kinds[] = {"USER", "GROUP", "RESOURCE", NULL};
static const char *const matches[] = {"EXACT", "BEGINNING", "PART", NULL};
static const char *const entry_types[] = {"USER",         "SYSTEM_USER", "RESOURCE",  "REMOTE_USER", "GROUP",
                                          "SYSTEM_GROUP", "ROOM",        "EQUIPMENT", NULL};

/* The columns in db/search.c, in this order. */
static const struct field found_fields[] = {
    FIELD_READ_ONLY_ROW("entity_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("kind", FIELD_ENUM, .values = member_kinds),
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("first_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("last_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("display_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("email", FIELD_STRING),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = entity_states),
    FIELD_READ_ONLY_ROW("hidden_from_address_list", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("match", FIELD_ENUM, .values = matches),
};
const struct field_table found_entity_table = FIELD_TABLE("found_entity", found_fields);

static const struct field entry_fields[] = {
    FIELD_READ_ONLY_ROW("entity_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("kind", FIELD_ENUM, .values = entity_kinds),
    FIELD_READ_ONLY_ROW("type", FIELD_ENUM, .values = entry_types),
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("display_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("email", FIELD_STRING),
    FIELD_READ_ONLY_ROW("first_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("last_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("telephone", FIELD_STRING),
    FIELD_READ_ONLY_ROW("job_title", FIELD_STRING),
    FIELD_READ_ONLY_ROW("department", FIELD_STRING),
    FIELD_READ_ONLY_ROW("company", FIELD_STRING),
    FIELD_READ_ONLY_ROW("office", FIELD_STRING),
    FIELD_READ_ONLY_ROW("description", FIELD_STRING),
};
const struct field_table address_book_entry_table = FIELD_TABLE("address_book_entry", entry_fields);
