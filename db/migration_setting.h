/* The migration administrator in the database. */
#pragma once

#include "db/setting.h"
#include "model/migration_setting.h"

extern const struct setting migration_setting;

/* Answers the setting. One that is as it was changes nothing. */
enum code migration_setting_put(struct db *db, struct change *change, const char *organization_id,
                                const struct migration_setting *wanted);
