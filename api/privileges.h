/*
 * From root to the service's own user, and the state folder handed to it. Both are called early, while the
 * process has one thread: prepare first (as root), then drop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Makes the state folder (0700; parents that it makes 0711) and checks that it is fit: not a symbolic link,
 * not writable by others, reachable by the user. As root the folder and the service's files directly in it go
 * to `user` (NULL: stay with the current user). A folder of root's that was there already is only handed over
 * when it holds nothing but the service's own things (and *.log files): --state-dir /etc must not cost the
 * machine. When not root `user` is ignored. False: `error` says what to do. */
bool privileges_prepare_state_dir(const char *state_dir, const char *user, char *error, size_t error_size);

/* When root: becomes `user` for good (groups, ids, HOME, USER, LOGNAME) and checks that there is no way back.
 * In any case no program started from here on can gain privileges (no_new_privs). The process becomes not
 * dumpable then: neither core files nor other processes of the user (PostgreSQL's) get at keys in its memory;
 * root still may. When not root `user` is ignored. False: `error` says what to do, and the process must end.
 */
bool privileges_drop(const char *user, char *error, size_t error_size);
