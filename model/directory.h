/* Directories: where users and groups live: built in, or one that the company has already; one that was kept may be used again
 * (behaviour: "Organizations"). */
#pragma once

#include "model/field.h"

#define DIRECTORY_ID_LENGTH 12

/* The type of those that an Exchange server may work with. */
#define DIRECTORY_AD_CONNECTOR "AD_CONNECTOR"

struct directory {
    const char *type;
    const char *name;
    const char *region;
    const char *connection; /* JSON (model/directory_connection.h); of a change: a merge patch of it */
};

extern const struct field_table directory_table;
extern const struct field_table
    test_directory_table; /* its body: what is tried instead of the connection that is stored */
extern const struct field_table directory_error_table; /* an entry that could not be applied */
extern const char *const directory_statuses[];         /* NULL after the last */
extern const char *const directory_types[];            /* NULL after the last */

/* Whether its users are changed in it only. */
bool directory_type_is_read_only(const char *type);
/* Whether it is one that the company has already. */
bool directory_type_is_external(const char *type);

/* Of an id in a body: CODE_VALIDATION_FAILED, with the fault. */
enum code directory_is_unknown(struct problem *problem);

/* A field_check of an id in a body. */
bool directory_check_id(const char *id, const char **ret_detail);
