/* Checks the password of a user of a directory, by binding as him: it is not kept. */
#pragma once

#include "model/directory_connection.h"

/* CODE_OK: it is his. CODE_UNAUTHENTICATED: it is not, or the directory does not let him in (disabled, locked, expired).
 * CODE_DIRECTORY_UNREACHABLE: it cannot be asked. */
enum code ldap_check_password(const struct directory_connection *connection, const char *dn,
                              const char *password, int64_t deadline_us, struct problem *problem);
