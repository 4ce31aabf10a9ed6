/* Directories: where users and groups live; one that was kept may be used again (behaviour: "Organizations"). */
#pragma once

#include "model/field.h"

#define DIRECTORY_ID_LENGTH 12

/* The type of those that an Exchange server may work with. */
#define DIRECTORY_AD_CONNECTOR "AD_CONNECTOR"

extern const struct field_table directory_table;
extern const char *const directory_statuses[]; /* NULL after the last */

/* Of an id in a body: CODE_VALIDATION_FAILED, with the fault. */
enum code directory_is_unknown(struct problem *problem);

/* A field_check of an id in a body. */
bool directory_check_id(const char *id, const char **ret_detail);
