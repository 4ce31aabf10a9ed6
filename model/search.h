/* What is found in an organization's directory, and its address book (behaviour: "Groups", "Organization settings"). */
#pragma once

#include "model/field.h"

extern const char *const entity_kinds[]; /* NULL after the last */
extern const struct field_table found_entity_table;
extern const struct field_table address_book_entry_table;
