/* The migration administrator: the user who may fill all mailboxes of an organization while they are taken over from another
 * mail system (behaviour: "Organization settings"). */
#pragma once

#include "model/field.h"

/* Who it is as long as nobody was chosen, if there is such a user and he is enabled. */
#define MIGRATION_ADMIN_DEFAULT "migration_admin"

struct migration_setting {
    const char *migration_admin; /* id or name of a user; NULL: nobody is chosen */
};
extern const struct field_table migration_setting_table;
