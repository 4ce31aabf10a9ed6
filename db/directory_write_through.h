/* Changes of users that go to the directory that has them: what it then says of them is here at once. */
#pragma once

#include "db/entity.h"
#include "model/directory_connection.h"
#include "model/directory_entry.h"

/* Where a user of an organization is changed. */
struct directory_writing {
    bool is_external; /* he is of a directory that the company has already … */
    bool is_written;  /* … which is written to */
    struct directory_connection connection;
    const char *external_id; /* of the user that was asked for; NULL: he is not of the directory */
    const char *dn;
};

/* entity_id NULL: of a user that is to be made. */
enum code directory_find_writing(struct db *db, const char *account_id, const char *organization_id,
                                 const char *entity_id, struct problem *problem,
                                 struct directory_writing *ret_writing);

/* Makes an entry that was just written there the user that it is here, whom ret_entity_id names. Told to the audit log by
 * who wrote it, not here. */
enum code directory_adopt(struct db *db, struct change *change, const char *organization_id,
                          const struct directory_entry *entry, const char **ret_entity_id);
