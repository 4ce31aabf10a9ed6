/* All users and groups of an organization in the form that an import takes: pages by key, each a read of its own. */
#pragma once

#include "db/conn.h"
#include "model/buffer.h"
#include "model/import.h"

enum export_part { EXPORT_USERS, EXPORT_GROUPS, EXPORT_MEMBERS, EXPORT_END };

/* How far an export is. The texts live as long as the arena. */
struct export
{
    struct arena *arena;
    const char *account_id;
    const char *organization_id;
    enum import_format format;
    enum export_part part;
    char *name; /* the last one, folded … */
    char id[37];
    char member_id[37];
};

/* Writes the next lines; `part` is EXPORT_END once there are no more. Groups come without members at first, so that whatever a
 * line names as a member stands before it. */
enum code export_next(struct db *db, struct export *state, struct problem *problem, struct buffer *out);
