/* HTTP Basic (RFC 7617) as mail clients send it. */
#pragma once

#include <stdbool.h>

#include "model/arena.h"

/* The user and the password of an Authorization header, in UTF-8: what comes in ISO 8859-1, as some clients send it, is
 * converted. False when the header is another one, or malformed. The arena holds the password. */
bool basic_read(struct arena *arena, const char *authorization, const char **ret_user,
                const char **ret_password);
