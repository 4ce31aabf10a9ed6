/* Email journaling in the database. */
#pragma once

#include "db/setting.h"
#include "model/journaling.h"

extern const struct setting journaling_setting;

/* Answers the setting. One that is as it was changes nothing. */
enum code journaling_put(struct db *db, struct change *change, const char *organization_id,
                         const struct journaling *journaling);
