#include "api/cors.h"

#include <string.h>
#include <strings.h>

#include "api/request.h"

/* How long a browser need not ask again, in seconds. */
#define MAX_AGE "600"
#define REQUEST_HEADERS \
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, Request-Id, traceparent"
#define ANSWER_HEADERS                                                                                    \
    "Allow, ETag, Idempotent-Replayed, Link, Location, Preference-Applied, RateLimit, RateLimit-Policy, " \
    "Request-Id, Retry-After, Validate-Only, WWW-Authenticate"

/* As browsers write it: scheme://host[:port] in lower case, and nothing behind it. */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");
    size_t length;
    if (host == NULL || (strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0))
        return false;
    host += 3;
    length = *host == '[' ? strspn(host + 1, "0123456789abcdef:.") + 2
                          : strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._");
    if (length == 0 || (*host == '[' && (length < 4 || host[length - 1] != ']')))
        return false;
    const char *port = host + length;
    size_t digits = *port == ':' ? strspn(port + 1, "0123456789") : 0;
    return *port == '\0' || (digits >= 1 && digits <= 5 && port[1 + digits] == '\0');
}

bool cors_parse(struct arena *arena, const char *text, const char *const **ret_origins,
                const char **ret_detail)
{
    size_t count = 1;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == ',';
    const char **origins = arena_alloc(arena, (count + 1) * sizeof(*origins));
    const char *at = text;
    for (size_t i = 0; i < count; i++) {
        at += strspn(at, " ");
        size_t length = strcspn(at, ", ");
        origins[i] = arena_copy(arena, at, length);
        if (!is_origin(origins[i])) {
            *ret_detail = arena_printf(
                arena, "\"%s\" is not an exact origin such as https://console.example.org", origins[i]);
            return false;
        }
        at += length;
        at += strspn(at, " ");
        if (*at != (i + 1 < count ? ',' : '\0')) {
            *ret_detail = "takes commas between origins";
            return false;
        }
        at++;
    }
    *ret_origins = origins;
    return true;
}

static const char *find(const char *const *origins, const char *origin)
{
    for (; *origins != NULL; origins++)
        if (strcmp(*origins, origin) == 0)
            return *origins;
    return NULL;
}

void cors_complete(struct request *request, const char *const *origins)
{
    if (origins == NULL)
        return;
    response_vary(request, "Origin");
    const char *origin = request->origin != NULL ? find(origins, request->origin) : NULL;
    if (origin == NULL)
        return;
    response_header(request, "Access-Control-Allow-Origin", origin);
    response_header(request, "Access-Control-Expose-Headers", ANSWER_HEADERS);
    if (strcmp(request->method_name, "OPTIONS") != 0)
        return;
    const char *allow = response_find_header(request, "Allow");
    if (allow != NULL)
        response_header(request, "Access-Control-Allow-Methods", allow);
    response_header(request, "Access-Control-Allow-Headers", REQUEST_HEADERS);
    response_header(request, "Access-Control-Max-Age", MAX_AGE);
}
