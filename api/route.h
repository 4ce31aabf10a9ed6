/* The routes: one table (api/routes.c), and the matching of method and path against it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "api/authorize.h"
#include "model/code.h"
#include "model/field.h"

#define ROUTE_MAX_ARGUMENTS 3

struct entity_kind;
struct request;

enum method { METHOD_GET, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE, METHOD_COUNT };

/* Where a handler runs. */
enum lane {
    LANE_FAST,    /* one short statement or transaction */
    LANE_SLOW,    /* counts and searches over everything */
    LANE_HASH,    /* password hashing */
    LANE_OUTSIDE, /* waits for servers that are not ours: never with a transaction open */
    LANE_INLINE,  /* on the loop's thread: no database, no waiting */
};

/* Handlers decode, call one db_… function and answer. CODE_OK: the response is made. */
typedef enum code route_handler(struct request *request);

struct route {
    enum method method;
    const char *path; /* template: /v1/organizations/{organization_id} */
    const char *operation;
    const char *action; /* NULL: open to everybody (OPEN_ROUTE) */
    bool only_reads;    /* although its method is not GET */
    bool for_everybody; /* who has a credential needs no permission */
    bool for_mail_user; /* by HTTP Basic: the handler asks who it is, and reads the body */
    bool any_case;      /* of the path's letters */
    size_t body_limit;  /* 0: that of all */
    bool
        for_operator; /* of the whole installation: its own account's identities alone, if they are allowed it */
    enum named_resource
        lists; /* what of them the caller may see the handler asks authorize_visible; else RESOURCE_ACCOUNT */
    bool shows_all; /* of all organizations, identities and keys: only to who may see them all */
    enum lane lane;
    int status; /* of a success */
    /* Only reads have it: queues the statements whose results the handler then collects, so that reads which come
     * together share a round trip. */
    route_handler *queue;
    route_handler *handler;
    const struct field_table *body;
    enum field_mode body_mode;
    bool body_optional;
    /* The body, of one of these types, comes piece by piece: the handler is run for each, takes off request.body what it can
     * use and answers CODE_CONTINUE until request.body_ended. NULL after the last; NULL: the body comes whole. */
    const char *const *uploads;
    /* The answer goes out piece by piece: the handler is run for each, and answers CODE_CONTINUE but for the last. */
    bool downloads;
    const struct field_table *query;
    const struct entity_kind *entity; /* what the operation is on, where kinds share the handler */
};

/* THE table. */
extern const struct route routes[];
extern const size_t route_count;

struct router;

/* A tree of path segments, made once from the table. */
struct router *router_new(void);
void router_free(struct router *router);

enum router_result { ROUTER_FOUND, ROUTER_NO_PATH, ROUTER_NO_METHOD, ROUTER_BAD_PATH };

/* `path` is raw: it is split, then each segment is decoded. For ROUTER_NO_METHOD ret_allow lists the methods. */
enum router_result router_match(const struct router *router, struct arena *arena, const char *method,
                                const char *path, const struct route **ret_route,
                                const char *ret_arguments[static ROUTE_MAX_ARGUMENTS],
                                const char **ret_allow);

/* The name of the argument at a position of the route's path; NULL when it has fewer. */
const char *route_argument_name(const struct route *route, unsigned position, size_t *ret_length);

/* The argument of that name; NULL when the route has none. */
const char *route_argument(const struct route *route, const char *const *arguments, const char *name);

/* The path of what a request is about: up to the last argument, or all of a path without one. */
const char *route_target(const struct route *route, const char *const *arguments, struct arena *arena);

/* Whether the operation is a change: checked, repeated, tried and audited as such. */
static inline bool route_changes(const struct route *route)
{
    return route->method != METHOD_GET && !route->only_reads;
}

const char *method_name(enum method method);
