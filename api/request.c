#include "api/request.h"

#include <string.h>
#include <strings.h>

#include "api/app.h"
#include "api/problem.h"
#include "model/fault_point.h"
#include "model/id.h"
#include "model/log.h"
#include "model/text.h"

/* --- answers --- */

struct buffer request_buffer(struct request *request)
{
    return (struct buffer){.arena = request->arena};
}

void response_header(struct request *request, const char *name, const char *value)
{
    if (request->response.header_count < REQUEST_MAX_HEADERS)
        request->response.headers[request->response.header_count++] = (struct header){name, value};
}

enum code response_json(struct request *request, int status, struct buffer *body)
{
    request->response.status = status;
    request->response.content_type = "application/json";
    request->response.body = body->data;
    request->response.length = body->length;
    return CODE_OK;
}

enum code response_change(struct request *request, const struct change *change, enum code code)
{
    const struct answer *answer = &change->answer;
    struct buffer body = answer->body;
    if (code != CODE_OK)
        return code;
    request->response.status = answer->status != 0 ? answer->status : request->route->status;
    if (answer->location != NULL)
        response_header(request, "Location", answer->location);
    return body.length > 0 ? response_json(request, request->response.status, &body) : CODE_OK;
}

/* The same request with another token. */
static const char *next_link(struct request *request, const char *next_token)
{
    struct buffer link = request_buffer(request);
    buffer_printf(&link, "<%s?", request->path);
    for (const char *at = request->query; *at != '\0'; at += *at == '&') {
        size_t length = strcspn(at, "&");
        if (length > 0 && strncmp(at, "page_token=", 11) != 0) {
            buffer_append(&link, at, length);
            buffer_byte(&link, '&');
        }
        at += length;
    }
    buffer_printf(&link, "page_token=%s>; rel=\"next\"", next_token);
    return buffer_string(&link);
}

enum code response_page(struct request *request, struct buffer *body, const char *next_token)
{
    if (next_token != NULL)
        response_header(request, "Link", next_link(request, next_token));
    return response_json(request, 200, body);
}

void request_refuse(struct request *request, enum code code)
{
    struct buffer body = request_buffer(request);
    int retry_after = problem_retry_after(code);

    problem_write(&request->problem, code, request->request_id, &body);
    request->response.header_count = 0;
    response_json(request, problem_status(code), &body);
    request->response.content_type = "application/problem+json";
    if (code == CODE_UNAUTHENTICATED)
        response_header(request, "WWW-Authenticate", "Basic realm=\"postreeve\", Bearer");
    if (retry_after > 0)
        response_header(request, "Retry-After", arena_printf(request->arena, "%d", retry_after));
}

/* --- for handlers --- */

enum code request_body(struct request *request, void *target, uint64_t *ret_set)
{
    return field_decode_body(request->route->body, request->route->body_mode, request->body.data,
                             request->body.length, target, ret_set, &request->problem);
}

enum code request_query(struct request *request, void *target)
{
    uint64_t set;
    return field_decode_query(request->route->query, request->query, target, &set, &request->problem);
}

struct change request_change(struct request *request)
{
    return (struct change){
        .arena = request->arena,
        .problem = &request->problem,
        .account_id = request->principal.account_id,
        .actor = request->actor,
        .operation = request->route->operation,
    };
}

enum code request_move(struct request *request, enum lane lane)
{
    request->lane = lane;
    return CODE_MOVE_LANE;
}

/* --- routing --- */

bool request_find_route(struct request *request)
{
    const char *allow = NULL;
    switch (router_match(request->app->router, request->arena, request->method_name, request->path,
                         &request->route, request->arguments, &allow)) {
    case ROUTER_FOUND:
        request->lane = request->route->lane;
        return true;
    case ROUTER_NO_METHOD:
        request_refuse(request, CODE_METHOD_NOT_ALLOWED);
        response_header(request, "Allow", allow);
        return false;
    case ROUTER_BAD_PATH:
        problem_fill(&request->problem, CODE_BAD_REQUEST,
                     "The path has a broken percent escape, a NUL, or is not UTF-8.");
        request_refuse(request, CODE_BAD_REQUEST);
        return false;
    case ROUTER_NO_PATH:
        break;
    }
    request_refuse(request, CODE_ROUTE_NOT_FOUND);
    return false;
}

/* What cannot be an id at all cannot be there: the database need not be asked, and its types are never hurt. */
static enum code check_arguments(struct request *request)
{
    static const struct {
        const char *name;
        bool (*check)(const char *text);
        enum code code;
    } checks[] = {
        {"organization_id", id_is_organization, CODE_ORGANIZATION_NOT_FOUND},
        {"user_id", id_is_uuid, CODE_USER_NOT_FOUND},
        {"operation_id", id_is_uuid, CODE_OPERATION_NOT_FOUND},
    };
    size_t length = 0;
    const char *name;
    for (unsigned i = 0; (name = route_argument_name(request->route, i, &length)) != NULL; i++)
        for (size_t j = 0; j < sizeof(checks) / sizeof(checks[0]); j++)
            if (strlen(checks[j].name) == length && strncmp(checks[j].name, name, length) == 0 &&
                !checks[j].check(request->arguments[i]))
                return checks[j].code;
    return CODE_OK;
}

/* What the caller may not see at all does not exist for him. */
static enum code authorize(struct request *request)
{
    const struct route *route = request->route;
    if (policy_allows(&request->principal, route->action))
        return CODE_OK;
    if (strstr(route->path, "{organization_id}") != NULL &&
        !policy_allows(&request->principal, "workmail:DescribeOrganization"))
        return CODE_ORGANIZATION_NOT_FOUND;
    return problem_set(&request->problem, CODE_ACCESS_DENIED, "No policy of this identity allows %s.",
                       route->action);
}

static bool is_json(const struct request *request)
{
    const char *type = request->content_type;
    if (type == NULL)
        return false;
    size_t length = strcspn(type, "; \t");
    return (length == 16 && strncasecmp(type, "application/json", length) == 0) ||
           (length == 28 && request->route->body_mode == FIELD_UPDATE &&
            strncasecmp(type, "application/merge-patch+json", length) == 0);
}

static enum code check_body(struct request *request)
{
    const struct route *route = request->route;
    if (route->body == NULL)
        return request->body.length == 0
                   ? CODE_OK
                   : problem_set(&request->problem, CODE_BAD_REQUEST,
                                 "This operation takes no body; send the request without one.");
    if (request->body.length == 0 && route->body_optional)
        return CODE_OK;
    if (request->content_encoding != NULL && strcasecmp(request->content_encoding, "identity") != 0)
        return problem_set(&request->problem, CODE_UNSUPPORTED_MEDIA_TYPE,
                           "Send the body without an encoding.");
    if (!is_json(request))
        return problem_set(
            &request->problem, CODE_UNSUPPORTED_MEDIA_TYPE, "Send the body with `Content-Type: %s`.",
            route->body_mode == FIELD_UPDATE ? "application/merge-patch+json" : "application/json");
    return CODE_OK;
}

static enum code authenticate(struct request *request)
{
    struct app *app = request->app;
    if (!db_connect(request->db))
        return CODE_DATABASE_UNAVAILABLE;
    enum code code = auth_authenticate(app->auth_cache, request->db, app->secret_key, request->authorization,
                                       &request->problem, &request->principal);
    request->actor = request->principal.kind == PRINCIPAL_ROOT ? "root" : request->principal.iam_user_id;
    return code;
}

static enum code run(struct request *request)
{
    enum code code = CODE_OK;
    /* Moved from another lane, it has passed these already. */
    if (request->route->action != NULL && request->actor == NULL) {
        code = authenticate(request);
        if (code == CODE_OK)
            code = authorize(request);
        if (code == CODE_OK)
            code = check_arguments(request);
    } else if (request->db != NULL && !db_connect(request->db)) {
        return CODE_DATABASE_UNAVAILABLE;
    }
    if (code == CODE_OK)
        code = check_body(request);
    if (code == CODE_OK && request->route->query == NULL)
        code = request_query(request, NULL);
    if (code == CODE_OK)
        code = request->route->handler(request);
    if (code == CODE_OK && request->route->method != METHOD_GET)
        FAULT_POINT("request.after_commit");
    return code;
}

/* The caller is told what he can act on; the log keeps what the operator needs. */
static void log_failure(const struct request *request, enum code code)
{
    if (code == CODE_INTERNAL_ERROR)
        LOG(LOG_ERROR, "request failed", LOG_TEXT("request_id", request->request_id),
            LOG_TEXT("operation", request->route->operation),
            LOG_TEXT("database", request->db != NULL ? db_error(request->db) : ""));
    else if (code == CODE_DATABASE_UNAVAILABLE || code == CODE_OUTCOME_UNKNOWN || code == CODE_OVERLOADED)
        LOG(LOG_WARNING, "request not served", LOG_TEXT("request_id", request->request_id),
            LOG_TEXT("code", code_name(code)), LOG_TEXT("database", db_error(request->db)));
}

bool request_run(struct request *request, struct db *db)
{
    request->db = db;
    enum code code = run(request);
    if (db != NULL && !db_is_clean(db)) {
        LOG(LOG_ERROR, "a request left a transaction open", LOG_TEXT("operation", request->route->operation));
        code = CODE_INTERNAL_ERROR;
    }
    if (code == CODE_MOVE_LANE)
        return false;
    if (code >= CODE_COUNT) /* CODE_RETRY of a read */
        code = CODE_OVERLOADED;
    if (code != CODE_OK) {
        log_failure(request, code);
        request_refuse(request, code);
    }
    return true;
}
