/* Directories in the database. Ids in paths are checked by the caller (id_is_directory). */
#pragma once

#include "db/list.h"
#include "db/tx.h"
#include "model/directory.h"

struct directory_query {
    struct list_query page;
    const char *status;
};
extern const struct field_table directory_query_table;
list_of_account directory_list; /* struct directory_query */

enum code directory_describe(struct db *db, const char *account_id, const char *directory_id,
                             struct problem *problem, struct answer *answer);

/* With all its entries. CODE_DIRECTORY_IN_USE while an organization uses it. */
enum code directory_delete(struct db *db, struct change *change, const char *directory_id);

/* --- parts of other transactions --- */

struct directory_row {
    const char *type;
    const char *region;
    const char *organization_id; /* NULL: nobody uses it */
    const char *organization_alias;
    const char *version;
};

/* Queues the row, locked until the end of the transaction; directory_collect reads it: CODE_DIRECTORY_NOT_FOUND when it is
 * not there or of another account. Locked before what its user, an organization, is made of. */
void directory_queue(struct db *db, const char *account_id, const char *directory_id);
enum code directory_collect(struct db *db, struct arena *arena, struct problem *problem,
                            struct directory_row *ret_row);

/* CODE_DIRECTORY_IN_USE, by whom, unless nobody uses it. */
enum code directory_need_available(const char *directory_id, const struct directory_row *row,
                                   struct problem *problem);
