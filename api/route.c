#include "api/route.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/text.h"

static const char *const method_names[METHOD_COUNT] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

struct node {
    const char *segment; /* NULL: an argument */
    size_t length;
    bool any_case;
    const struct route *routes[METHOD_COUNT];
    struct node *child;
    struct node *sibling;
};

struct router {
    struct arena *arena;
    struct node root;
};

const char *method_name(enum method method)
{
    return method_names[method];
}

static struct node *child_for(struct router *router, struct node *parent, const char *segment, size_t length,
                              bool any_case)
{
    bool is_argument = segment[0] == '{';
    struct node **at = &parent->child;
    for (; *at != NULL; at = &(*at)->sibling) {
        struct node *node = *at;
        if (is_argument ? node->segment == NULL
                        : node->segment != NULL && node->length == length &&
                              memcmp(node->segment, segment, length) == 0)
            return node;
    }
    /* At the end of the list, arguments behind what is spelt out: a literal segment is tried first. */
    struct node *node = arena_alloc(router->arena, sizeof(*node));
    node->segment = is_argument ? NULL : segment;
    node->length = length;
    node->any_case = any_case;
    if (is_argument) {
        *at = node;
    } else {
        node->sibling = parent->child;
        parent->child = node;
    }
    return node;
}

struct router *router_new(void)
{
    struct arena *arena = arena_new();
    struct router *router = arena_alloc(arena, sizeof(*router));
    router->arena = arena;
    for (size_t i = 0; i < route_count; i++) {
        struct node *node = &router->root;
        for (const char *at = routes[i].path; *at == '/';) {
            size_t length = strcspn(++at, "/");
            node = child_for(router, node, at, length, routes[i].any_case);
            at += length;
        }
        node->routes[routes[i].method] = &routes[i];
    }
    return router;
}

void router_free(struct router *router)
{
    if (router != NULL)
        arena_free(router->arena);
}

static const char *allowed_methods(struct arena *arena, const struct node *node)
{
    struct buffer list = {.arena = arena};
    for (unsigned i = 0; i < METHOD_COUNT; i++)
        if (node->routes[i] != NULL)
            buffer_printf(&list, "%s%s%s", list.length > 0 ? ", " : "", method_names[i],
                          i == METHOD_GET ? ", HEAD" : "");
    return buffer_string(&list);
}

static bool has_route(const struct node *node)
{
    for (unsigned i = 0; i < METHOD_COUNT; i++)
        if (node->routes[i] != NULL)
            return true;
    return false;
}

static const struct node *step(const struct node *parent, const char *segment)
{
    size_t length = strlen(segment);
    for (const struct node *node = parent->child; node != NULL; node = node->sibling) {
        if (node->segment == NULL ? length == 0 : node->length != length)
            continue;
        if (node->segment == NULL || memcmp(node->segment, segment, length) == 0 ||
            (node->any_case && strncasecmp(node->segment, segment, length) == 0))
            return node;
    }
    return NULL;
}

enum router_result router_match(const struct router *router, struct arena *arena, const char *method,
                                const char *path, const struct route **ret_route,
                                const char *ret_arguments[static ROUTE_MAX_ARGUMENTS], const char **ret_allow)
{
    const struct node *node = &router->root;
    unsigned arguments = 0;
    if (*path != '/')
        return ROUTER_NO_PATH;
    while (*path == '/') {
        const char *segment;
        size_t length = strcspn(++path, "/");
        if (!text_percent_decode(arena, path, length, false, &segment))
            return ROUTER_BAD_PATH;
        node = step(node, segment);
        if (node == NULL)
            return ROUTER_NO_PATH;
        if (node->segment == NULL)
            ret_arguments[arguments++] = segment;
        path += length;
    }
    if (!has_route(node))
        return ROUTER_NO_PATH;

    /* HEAD is GET without the body, which the transport leaves out. */
    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        if (node->routes[i] != NULL &&
            (strcmp(method, method_names[i]) == 0 || (i == METHOD_GET && strcmp(method, "HEAD") == 0))) {
            *ret_route = node->routes[i];
            return ROUTER_FOUND;
        }
    }
    *ret_allow = allowed_methods(arena, node);
    return ROUTER_NO_METHOD;
}

const char *route_argument_name(const struct route *route, unsigned position, size_t *ret_length)
{
    const char *at = route->path;
    while ((at = strchr(at, '{')) != NULL) {
        at++;
        if (position-- == 0) {
            *ret_length = strcspn(at, "}");
            return at;
        }
    }
    return NULL;
}

const char *route_argument(const struct route *route, const char *const *arguments, const char *name)
{
    const char *at;
    size_t length = 0;
    for (unsigned i = 0; (at = route_argument_name(route, i, &length)) != NULL; i++)
        if (strlen(name) == length && strncmp(at, name, length) == 0)
            return arguments[i];
    return NULL;
}

/* Ids and addresses are compared without case: one spelling for each. */
const char *route_target(const struct route *route, const char *const *arguments, struct arena *arena)
{
    static const char access_key[] = "{access_key_id}";
    struct buffer out = {.arena = arena};
    const char *last = strrchr(route->path, '}');
    const char *end = last != NULL ? last + 1 : route->path + strlen(route->path);
    unsigned used = 0;
    for (const char *at = route->path; at < end;) {
        size_t plain = strcspn(at, "{");
        if (*at == '{') {
            /* Whatever else has capital letters means the same without. */
            const char *argument = arguments[used++];
            if (strncmp(at, access_key, strlen(access_key)) != 0)
                argument = text_lower(arena, argument);
            buffer_text(&out, text_percent_encode(arena, argument));
            at += strcspn(at, "}") + 1;
            continue;
        }
        if (plain > (size_t)(end - at))
            plain = (size_t)(end - at);
        buffer_append(&out, at, plain);
        at += plain;
    }
    return buffer_string(&out);
}
