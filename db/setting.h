/* Settings of an organization that have a table each, with a row from the first change on: without one they are as at first.
 * What they are is shown with what follows from it, so that their entity tags are observed ones (db/tx.h). */
#pragma once

#include "db/tx.h"

struct setting {
    const struct field_table *table;
    struct statement
        see; /* $1: organization, $2: a text of its own; the columns of the table, then the version */
    struct statement make; /* the row as at first unless there is one; $1: organization */
    struct statement lock; /* $1: organization */
    const char *(*text)(const struct db *db);
};

/* The row that is as a setting is without one, but for what its columns say by default. */
#define SETTING_MAKE(table)                                                     \
    {                                                                           \
        "INSERT INTO " table " (organization_id, created_at, updated_at)"       \
        " SELECT organization_id, created_at, created_at FROM organization"     \
        " WHERE organization_id = $1 ON CONFLICT (organization_id) DO NOTHING", \
            1                                                                   \
    }
#define SETTING_LOCK(table)                                                     \
    {                                                                           \
        "SELECT FROM " table " WHERE organization_id = $1 FOR NO KEY UPDATE", 1 \
    }
/* The columns of every setting; s is its row, o the organization. */
#define SETTING_TIMES                                      \
    "coalesce(s.created_at, o.created_at) AS created_at,"  \
    " coalesce(s.updated_at, o.created_at) AS updated_at," \
    " coalesce(s.version, 1) AS version"
#define SETTING_FROM(table) \
    " FROM organization o LEFT JOIN " table " s ON s.organization_id = o.organization_id"

/* Reading, in two halves. */
void setting_queue(struct db *db, const struct setting *setting, const char *account_id,
                   const char *organization_id);
enum code setting_collect(struct db *db, const struct setting *setting, struct problem *problem,
                          struct answer *answer);

/* Within a change of an organization that is entered (entity_enter) and of this account: locks the setting, compares If-Match
 * and notes for the audit log what it was. */
enum code setting_lock(struct db *db, struct change *change, const struct setting *setting,
                       const char *organization_id);
/* After what was queued, with one result: answers the setting. */
enum code setting_show(struct db *db, struct change *change, const struct setting *setting,
                       const char *organization_id);
