/* Identifiers: what they look like, and new ones. */
#pragma once

#include <stdbool.h>

#include "model/arena.h"

const char *id_new_uuid(struct arena *arena);
const char *id_new_organization(struct arena *arena);                   /* `m-` and 32 hex digits */
const char *id_new_resource(struct arena *arena);                       /* `r-` and 32 hex digits … */
const char *id_resource_of_uuid(struct arena *arena, const char *uuid); /* … which are those of a UUID */
const char *id_new_directory(struct arena *arena);                      /* `d-` and 10 hex digits */

/* Whether a path segment can be such an id at all; what cannot is answered as not found. */
bool id_is_uuid(const char *text);
bool id_is_organization(const char *text);
bool id_is_directory(const char *text);
bool id_is_access_key(const char *text); /* 20 capital letters and digits */
bool id_is_resource(const char *text);
