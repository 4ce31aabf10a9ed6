/* Who else uses the cluster: a server or an initdb of a service that was killed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct cluster;

/* Waits up to 30 s until no old process uses the cluster, then removes the lock files that are left over. The
 * caller holds the lock of the state folder. On false `error` names the process. */
bool cluster_lock_wait(const struct cluster *cluster, char *error, size_t error_size);
