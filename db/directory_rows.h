/* The parts of applying a batch (db/directory_apply.c): looking and deciding, writing, memberships. All within its
 * transaction. */
#pragma once

#include "db/directory_sync.h"
#include "db/organization.h"

/* An entry of the batch, and what is there of it. */
struct directory_line {
    const struct directory_entry *entry;
    const char *name;
    const char *json; /* all that is stored of it … */
    const char *digest;

    const char *entity_id; /* made, when nothing is there */
    bool is_there;
    bool is_same; /* as it was applied last */
    bool is_deleted;
    bool was_group;
    bool was_enabled_there; /* the account was not disabled in the directory */
    bool is_enabled;
    bool returns;           /* it was ENABLED when the directory disabled it */
    const char *old_folded; /* of one that is there and not DELETED; NULL: none */
    const char *folded;
    const char *holder; /* who has its name; NULL: nobody */

    const char *error; /* a code; NULL: it can be applied */
    const char *detail;
};

struct directory_work {
    struct db *db;
    struct change *change;
    const struct directory_claim *claim;
    const struct directory_batch *batch;
    struct organization_row organization;
    int64_t generation;
    bool is_read_only;
    struct directory_line *lines;
    size_t count;
    /* What was done. */
    int64_t created, updated, removed, users, groups, errors;
};

/* Locks and reads what is there of the batch, and decides what can be applied. */
enum code directory_look(struct directory_work *work);
/* Entities, details, errors. */
enum code directory_write(struct directory_work *work);
/* Removes the entities of these entries: array literals of external ids. */
enum code directory_remove(struct directory_work *work, const char *external_ids);
/* Who is in what, after all of the above. */
enum code directory_connect(struct directory_work *work);
