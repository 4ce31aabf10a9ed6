/* One service at a time on a state folder: a lock on STATE/lock, which the kernel frees however the holder
 * ends. */
#pragma once

#include <stddef.h>

/* Takes the lock and writes our process id into the file. Returns a descriptor (close-on-exec) to keep open
 * as long as the folder is used, or -1 with a sentence in `error` that names the process which holds it.
 * Waits up to a second for a holder that is just being killed. */
int state_lock(const char *state_dir, char *error, size_t error_size);
