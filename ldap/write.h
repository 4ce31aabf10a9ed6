/* Changes entries of an Active Directory that we may write (SIMPLE_AD, MANAGED_AD). Each call is one connection.
 *
 * CODE_DIRECTORY_UNREACHABLE: it cannot be asked, and nothing was changed unless the detail says that this is unknown.
 * CODE_DIRECTORY_REFUSED: the directory does not want it; the detail has its words. CODE_DIRECTORY_PASSWORD_POLICY: its own rules
 * for passwords refuse this one. CODE_NAME_TAKEN: it has another entry of this name. */
#pragma once

#include "model/directory_entry.h"

/* Makes a user below user_base_dn: enabled with a password, disabled without. ret_entry is what the directory then has; an entry
 * that cannot be read afterwards is removed again. CODE_OUTCOME_UNKNOWN: the connection was lost in between. */
enum code ldap_create_user(const struct directory_connection *connection, const struct user *user,
                           int64_t deadline_us, struct problem *problem, struct directory_entry *ret_entry);

/* Writes the members of `user` whose bit of user_table is set; NULL and "" take the attribute away. A member that the directory
 * does not keep (its mapping is empty) is not written. ret_entry is what the directory then has. */
enum code ldap_modify_user(const struct directory_connection *connection, const char *external_id,
                           uint64_t set, const struct user *user, int64_t deadline_us,
                           struct problem *problem, struct directory_entry *ret_entry);

/* Sets a new password, as an administrator does. Over TLS only. */
enum code ldap_set_password(const struct directory_connection *connection, const char *external_id,
                            const char *password, int64_t deadline_us, struct problem *problem);

/* Removes a user. CODE_OK also when there is none any more. */
enum code ldap_delete_user(const struct directory_connection *connection, const char *external_id,
                           int64_t deadline_us, struct problem *problem);
