/* Follows what happens in a directory: by its own news (RFC 4533; Active Directory's DirSync and change notification) or, where a
 * server has neither, by asking again and again. A handle belongs to one thread at a time. */
#pragma once

#include "model/directory_entry.h"

struct ldap_follow;

/* Connects. `cookie` is of the last batch that was applied, of this or another server of the directory; with NULL, or one that
 * the server does not know any more, all is read: the first batch starts_full. `connection` must live as long as the handle.
 * A failure has one fault (ldap/fault.h). */
enum code ldap_follow_open(const struct directory_connection *connection, const char *cookie,
                           int64_t deadline_us, struct problem *problem, struct ldap_follow **ret_follow);

/* The next batch, in `arena`; an empty one when nothing happened for timeout_ms. After a failure (one fault) the handle can only
 * be closed, and what follows opened with the cookie that was applied last. */
enum code ldap_follow_next(struct ldap_follow *follow, struct arena *arena, int timeout_ms,
                           struct directory_batch *ret_batch, struct problem *problem);

/* Accepts NULL. */
void ldap_follow_close(struct ldap_follow *follow);

/* How it follows: SYNCREPL, DIRSYNC or POLL. */
const char *ldap_follow_method(const struct ldap_follow *follow);
