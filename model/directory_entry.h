/* Users and groups of an external directory as they come here: what a mapping made of its attributes, and what happened
 * there since. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/directory_connection.h"
#include "model/user.h"

/* Bounds of what is taken from a directory. */
#define DIRECTORY_DN_MAX      2000 /* bytes */
#define DIRECTORY_MEMBERS_MAX 100000
#define DIRECTORY_BATCH_MAX   1000 /* entries */

#define DIRECTORY_VALUE_MAX 65536 /* bytes of an attribute's value; longer ones are passed over */

/* An attribute as the server sent it: any bytes. */
struct directory_value {
    const char *data;
    size_t length;
};
struct directory_attribute {
    const char *name; /* options cut off */
    const struct directory_value *values;
    size_t count;
};

/* One user or group; its strings are in the arena of its batch, valid UTF-8, and no longer than user_table says. */
struct directory_entry {
    const char *external_id; /* entryUUID or objectGUID: 36 characters, lower case */
    const char *dn;          /* in one spelling: that of members, too */
    bool is_group;
    bool is_disabled; /* userAccountControl, nsAccountLock, … */
    /* Its name, type (USER, SYSTEM_USER, RESOURCE; of a group GROUP, SYSTEM_GROUP), display_name, and what a user has besides. */
    struct user user;
    const char *description;    /* of a group */
    const char *proposed_email; /* NULL: nothing in it is an address */
    const char *const *members; /* of a group: DNs, in the spelling of `dn` */
    size_t member_count;
};

/* What is applied in one transaction, together with its cookie. An external id is in it once. */
struct directory_batch {
    struct directory_entry *changed;
    size_t changed_count;
    const char *const *deleted; /* external ids */
    size_t deleted_count;
    bool starts_full;   /* all that the directory has follows: a full comparison begins */
    bool ends_full;     /* what was not seen since then is gone from the directory */
    const char *cookie; /* printable text; NULL: the one before stays */
    bool has_more;      /* the next call need not wait */
};

/* What the mapping makes of the attributes of an entry; what is not usable text is passed over. False: it has no usable
 * external id. `dn` is kept as it is, members are as the server wrote them. A name that the entry does not have is "". */
bool directory_entry_map(struct arena *arena, const struct directory_mapping *mapping, bool is_group,
                         const char *dn, const struct directory_attribute *attributes, size_t count,
                         struct directory_entry *ret_entry);
