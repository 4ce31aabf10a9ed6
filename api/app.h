/* What all requests of a process share. */
#pragma once

#include <stdatomic.h>

#include "api/auth.h"
#include "api/config.h"
#include "api/refusals.h"
#include "api/route.h"
#include "db/conn.h"
#include "db/identity.h"

struct app {
    const struct config *config;
    const struct secret_key *secret_key;
    const struct secret_key *audit_key;
    struct db_environment environment;
    struct router *router;
    struct auth_cache *auth_cache;
    struct refusals *refusals;
    atomic_bool draining; /* the process is about to end */
};
