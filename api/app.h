/* What all requests of a process share. */
#pragma once

#include <stdatomic.h>

#include "api/auth.h"
#include "api/config.h"
#include "api/rate_limit.h"
#include "api/refusals.h"
#include "api/route.h"
#include "db/conn.h"
#include "db/identity.h"

struct executor;
struct flow_cache;
struct hash_gate;
struct metrics_view;

struct app {
    const struct config *config;
    const struct secret_key *secret_key;
    const struct secret_key *audit_key;
    struct db_environment environment;
    struct router *router;
    struct auth_cache *auth_cache;
    struct flow_cache *flow_cache;
    struct refusals *refusals;
    struct rate_limiter *request_limiter; /* by access key */
    struct rate_limiter *failure_limiter; /* failed authentications, by address */
    struct rate_limiter *guess_limiter;   /* passwords, by log-in name and address */
    struct hash_gate *hash_gate;          /* of sign-ins */
    struct executor *executor;            /* NULL before there is one */
    struct metrics_view *metrics_view;
    atomic_bool draining; /* the process is about to end */
};
