#include "api/request.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/app.h"
#include "api/authorize.h"
#include "api/compress.h"
#include "api/flow_cache.h"
#include "api/guess.h"
#include "api/problem.h"
#include "api/waiting.h"
#include "model/digest.h"
#include "model/fault_point.h"
#include "model/id.h"
#include "model/log.h"
#include "model/metrics.h"
#include "model/password.h"
#include "model/secret.h"

/* --- for handlers --- */

struct buffer request_buffer(struct request *request)
{
    return (struct buffer){.arena = request->arena};
}

struct answer request_answer(struct request *request)
{
    return (struct answer){.body.arena = request->arena};
}

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

enum code request_list_query(struct request *request, void *target, struct list_query *page)
{
    page->page_size = LIST_PAGE_SIZE;
    enum code code = request_query(request, target);
    return code == CODE_OK && page->include_total && request->lane != LANE_SLOW
               ? request_move(request, LANE_SLOW)
               : code;
}

enum code request_answer_list(struct request *request, void *asked, struct list_query *page,
                              list_of_account *list)
{
    struct buffer body = request_buffer(request);
    const char *next_token;
    enum code code = request_list_query(request, asked, page);
    if (code == CODE_OK && request->route->lists != RESOURCE_ACCOUNT)
        code = authorize_visible(request, &page->visible);
    if (code == CODE_OK)
        code = list(request->db, request->principal.account_id, asked, &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

/* NULL: a session. */
static const char *access_key_of(const struct request *request)
{
    return request->principal.access_key_id[0] != '\0' ? request->principal.access_key_id : NULL;
}

struct change request_change(struct request *request)
{
    return (struct change){
        .arena = request->arena,
        .problem = &request->problem,
        .account_id = request->principal.account_id,
        .actor = request->actor,
        .access_key_id = access_key_of(request),
        .source_address = request->source_address,
        .request_id = request->request_id,
        .operation = request->route->operation,
        .status = request->route->status,
        .validate_only = request->validate_only,
        .if_match = request->if_match,
        .idempotency = request->idempotency.key != NULL ? &request->idempotency : NULL,
        .asked = {.action = request->route->action,
                  .organization_id = route_argument(request->route, request->arguments, "organization_id"),
                  .target = route_target(request->route, request->arguments, request->arena)},
    };
}

enum code request_hash_password(struct request *request, const char *password, const char **ret_hash)
{
    if (request->validate_only) {
        *ret_hash = "*"; /* no password has this hash; it is rolled back with the rest */
        return CODE_OK;
    }
    if (request->lane != LANE_HASH)
        return request_move(request, LANE_HASH);
    const char *hash = password_hash(request->arena, password);
    if (hash == NULL)
        return CODE_INTERNAL_ERROR;
    *ret_hash = hash;
    return CODE_OK;
}

void request_end(struct request *request)
{
    guess_end(request);
    flow_set_release(request->flow_rules);
    authority_release(request->principal.authority);
}

enum code request_move(struct request *request, enum lane lane)
{
    request->lane = lane;
    return CODE_MOVE_LANE;
}

enum code request_go_outside(struct request *request)
{
    return request->lane == LANE_OUTSIDE ? CODE_OK : request_move(request, LANE_OUTSIDE);
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
        if (strcmp(request->method_name, "OPTIONS") == 0) {
            request->response.status = 204;
            response_header(request, "Allow", allow);
            return false;
        }
        response_refuse(request, CODE_METHOD_NOT_ALLOWED);
        response_header(request, "Allow", allow);
        return false;
    case ROUTER_BAD_PATH:
        problem_fill(&request->problem, CODE_BAD_REQUEST,
                     "The path has a broken percent escape, a NUL, or is not UTF-8.");
        response_refuse(request, CODE_BAD_REQUEST);
        return false;
    case ROUTER_NO_PATH:
        break;
    }
    response_refuse(request, CODE_ROUTE_NOT_FOUND);
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
        {"directory_id", id_is_directory, CODE_DIRECTORY_NOT_FOUND},
        {"group_id", id_is_uuid, CODE_GROUP_NOT_FOUND},
        {"resource_id", id_is_resource, CODE_RESOURCE_NOT_FOUND},
        {"member_id", id_is_uuid, CODE_ENTITY_NOT_FOUND},
        {"entity_id", id_is_uuid, CODE_ENTITY_NOT_FOUND},
        {"flow_rule_id", id_is_uuid, CODE_FLOW_RULE_NOT_FOUND},
        {"operation_id", id_is_uuid, CODE_OPERATION_NOT_FOUND},
        {"key_id", id_is_uuid, CODE_KEY_NOT_FOUND},
        {"iam_user_id", id_is_uuid, CODE_IAM_USER_NOT_FOUND},
        {"iam_group_id", id_is_uuid, CODE_IAM_GROUP_NOT_FOUND},
        {"policy_id", id_is_uuid, CODE_POLICY_NOT_FOUND},
        {"access_key_id", id_is_access_key, CODE_ACCESS_KEY_NOT_FOUND},
        {"session_id", id_is_uuid, CODE_SESSION_NOT_FOUND},
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

/* For the audit log. Only what could be an organization's id is noted as one. */
static void note_refusal(struct request *request, const char *action, const char *target,
                         const struct auth_claim *claim, const char *actor, enum code code)
{
    const char *organization_id = claim->organization_id != NULL
                                      ? claim->organization_id
                                      : route_argument(request->route, request->arguments, "organization_id");
    bool is_id = organization_id != NULL && id_is_organization(organization_id);
    refusals_add(
        request->app->refusals,
        &(struct audit_refusal){.account_id = claim->account_id[0] != '\0' ? claim->account_id : NULL,
                                .organization_id = is_id ? organization_id : NULL,
                                .actor = actor,
                                .access_key_id = claim->access_key_id,
                                .source_address = request->source_address,
                                .request_id = request->request_id,
                                .action = action,
                                .target = target,
                                .reason = code_name(code)});
}

static const char *target_of(struct request *request)
{
    return route_target(request->route, request->arguments, request->arena);
}

/* CODE_OK, or how the request is refused; the audit log shows what was tried. */
static enum code authorize(struct request *request)
{
    struct auth_claim claim = {0};
    enum code code = authorize_request(request);
    if (code == CODE_OK || code >= CODE_COUNT || problem_status(code) >= 500)
        return code;
    memcpy(claim.account_id, request->principal.account_id, sizeof(claim.account_id));
    memcpy(claim.access_key_id, request->principal.access_key_id, sizeof(claim.access_key_id));
    note_refusal(request, request->route->action, target_of(request), &claim, request->actor,
                 CODE_ACCESS_DENIED);
    return code;
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

static bool is_type(const char *type, const char *name)
{
    if (type == NULL)
        return false;
    size_t length = strcspn(type, "; \t");
    return strlen(name) == length && strncasecmp(type, name, length) == 0;
}

static enum code check_upload(struct request *request)
{
    struct buffer names = request_buffer(request);
    if (request->content_encoding != NULL && strcasecmp(request->content_encoding, "identity") != 0)
        return problem_set(&request->problem, CODE_UNSUPPORTED_MEDIA_TYPE,
                           "Send the body without an encoding.");
    for (const char *const *name = request->route->uploads; *name != NULL; name++) {
        if (is_type(request->content_type, *name))
            return CODE_OK;
        buffer_printf(&names, "%s%s", names.length > 0 ? " or " : "", *name);
    }
    return problem_set(&request->problem, CODE_UNSUPPORTED_MEDIA_TYPE,
                       "Send the body with `Content-Type: %s`.", buffer_string(&names));
}

static enum code check_body(struct request *request)
{
    const struct route *route = request->route;
    if (route->uploads != NULL)
        return check_upload(request);
    if (route->body == NULL && !route->for_mail_user)
        return request->body.length == 0
                   ? CODE_OK
                   : problem_set(&request->problem, CODE_BAD_REQUEST,
                                 "This operation takes no body; send the request without one.");
    if (request->body.length == 0 && (route->body_optional || route->for_mail_user))
        return CODE_OK;
    if (request->content_encoding != NULL && strcasecmp(request->content_encoding, "identity") != 0)
        return problem_set(&request->problem, CODE_UNSUPPORTED_MEDIA_TYPE,
                           "Send the body without an encoding.");
    if (!route->for_mail_user && !is_json(request))
        return problem_set(
            &request->problem, CODE_UNSUPPORTED_MEDIA_TYPE, "Send the body with `Content-Type: %s`.",
            route->body_mode == FIELD_UPDATE ? "application/merge-patch+json" : "application/json");
    return CODE_OK;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A wrong secret is always compared, and only then counted: who knows the right one is let in whatever others at this
 * address do. */
enum code request_refuse_credential(struct request *request, const char *action, const char *target,
                                    const struct auth_claim *claim)
{
    struct app *app = request->app;
    char key[RATE_LIMIT_KEY_SIZE];
    struct rate rate;
    note_refusal(request, action, target, claim, "anonymous", CODE_UNAUTHENTICATED);
    metrics_add(app->environment.metrics, METRIC_AUTHENTICATION_FAILURES, 1);
    rate_limit_address_key(request->source_address, key);
    if (rate_limiter_take(app->failure_limiter, key, now_ns(), &rate))
        return CODE_UNAUTHENTICATED;
    metrics_add(app->environment.metrics, METRIC_LIMITED_ADDRESS, 1);
    return problem_set(&request->problem, CODE_RATE_LIMITED,
                       "Too many credentials that are not valid came from your address.");
}

/* An access key has a quota of its own; the sessions of an IAM user share one, or signing in again would give another. */
static const char *quota_key(const struct principal *principal)
{
    return principal->session_id[0] == '\0'
               ? principal->access_key_id
               : principal->iam_user_id + strlen(principal->iam_user_id) - (RATE_LIMIT_KEY_SIZE - 1);
}

static enum code authenticate(struct request *request)
{
    struct app *app = request->app;
    struct auth_claim claim = {0};
    /* Of one that was refused, and is run again out of a batch that failed. */
    authority_release(request->principal.authority);
    request->principal.authority = NULL;
    const struct auth_attempt attempt = {.authorization = request->authorization,
                                         .cookies = request->cookies,
                                         .csrf_token = request->csrf_token,
                                         .source_address = request->source_address,
                                         .is_secure = request->is_secure,
                                         .changes = request->route->method != METHOD_GET,
                                         .now = request->now};
    enum code code = auth_authenticate(app->auth_cache, request->db, app->secret_key, &attempt,
                                       &request->problem, &request->principal, &claim);
    if (code == CODE_CSRF_TOKEN)
        note_refusal(request, request->route->action, target_of(request), &claim, "anonymous", code);
    /* Who shows nothing has tried nothing. */
    if (code == CODE_UNAUTHENTICATED && claim.is_shown)
        return request_refuse_credential(request, request->route->action, target_of(request), &claim);
    if (code != CODE_OK)
        return code;
    request->actor = request->principal.kind == PRINCIPAL_ROOT ? "root" : request->principal.iam_user_id;
    if (rate_limiter_take(app->request_limiter, quota_key(&request->principal), now_ns(), &request->rate))
        return CODE_OK;
    metrics_add(app->environment.metrics, METRIC_LIMITED_CREDENTIAL, 1);
    return CODE_RATE_LIMITED;
}

/* `validate_only` is a parameter of every change, taken out before the operation's own ones are read. */
static enum code take_validate_only(struct request *request)
{
    static const char name[] = "validate_only=";
    struct buffer rest = request_buffer(request);
    bool seen = false;

    if (!route_changes(request->route))
        return CODE_OK;
    for (const char *at = request->query; *at != '\0'; at += *at == '&') {
        size_t length = strcspn(at, "&");
        if (strncmp(at, name, sizeof(name) - 1) != 0) {
            buffer_printf(&rest, "%s%.*s", rest.length > 0 ? "&" : "", (int)length, at);
        } else {
            const char *value = at + sizeof(name) - 1;
            size_t value_length = length - (sizeof(name) - 1);
            bool yes = value_length == 4 && strncmp(value, "true", 4) == 0;
            if (!yes && !(value_length == 5 && strncmp(value, "false", 5) == 0))
                problem_add_parameter(&request->problem, "validate_only", "wrong_type",
                                      "This parameter is true or false.");
            if (seen)
                problem_add_parameter(&request->problem, "validate_only", "duplicate_parameter",
                                      "Give this parameter once.");
            request->validate_only = yes;
            seen = true;
        }
        at += length;
    }
    request->query = buffer_string(&rest);
    return request->problem.first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

/* What tells this request from others with the same Idempotency-Key. */
static const char *fingerprint(struct request *request)
{
    struct buffer text = request_buffer(request);
    unsigned char mac[SECRET_MAC_SIZE];
    char *hex = arena_alloc(request->arena, 2 * sizeof(mac) + 1);
    buffer_printf(&text, "%s\n%s\n", request->path, request->query);
    if (request->route->uploads == NULL) /* else it comes to it at the end: request_replay_upload */
        buffer_append(&text, request->body.data, request->body.length);
    if (!secret_mac(request->app->secret_key->bytes, text.data, text.length, mac))
        return NULL;
    digest_to_hex(mac, sizeof(mac), hex);
    return hex;
}

static enum code read_idempotency_key(struct request *request)
{
    const char *key = request->idempotency_key;
    if (key == NULL || request->route->method != METHOD_POST || !route_changes(request->route))
        return CODE_OK;
    size_t length = strlen(key);
    for (size_t i = 0; i < length; i++)
        if (key[i] <= ' ' || key[i] > '~')
            length = 0;
    if (length == 0 || length > IDEMPOTENCY_KEY_MAX)
        return problem_set(&request->problem, CODE_BAD_REQUEST,
                           "An Idempotency-Key is 1 to %d visible ASCII characters.", IDEMPOTENCY_KEY_MAX);
    request->idempotency = (struct idempotency){
        .secret_key = request->app->secret_key, .key = key, .fingerprint = fingerprint(request)};
    return request->idempotency.fingerprint != NULL ? CODE_OK : CODE_INTERNAL_ERROR;
}

/* The stored answer of an earlier request with this key, before anything costly is done. */
static enum code replay(struct request *request, bool *ret_replayed)
{
    struct answer answer;
    *ret_replayed = false;
    if (request->idempotency.key == NULL)
        return CODE_OK;
    struct change change = request_change(request);
    enum code code = idempotency_find(request->db, &change, ret_replayed, &answer);
    if (code == CODE_OK && *ret_replayed)
        code = response_kept(request, &answer);
    return code;
}

enum code request_replay_upload(struct request *request, const char *digest, bool *ret_replayed)
{
    struct idempotency *idempotency = &request->idempotency;
    if (idempotency->key != NULL)
        idempotency->fingerprint = arena_printf(request->arena, "%s%s", idempotency->fingerprint, digest);
    return replay(request, ret_replayed);
}

/* All that comes before the handler. */
static enum code admit(struct request *request)
{
    enum code code = authenticate(request);
    if (code == CODE_OK)
        code = authorize(request);
    if (code == CODE_OK)
        code = check_arguments(request);
    if (code == CODE_OK)
        code = check_body(request);
    if (code == CODE_OK)
        code = take_validate_only(request);
    if (code == CODE_OK)
        code = read_idempotency_key(request);
    request->admitted = code == CODE_OK;
    return code;
}

static enum code handle(struct request *request)
{
    bool replayed = false;
    enum code code = request->route->query == NULL ? request_query(request, NULL) : CODE_OK;
    if (code == CODE_OK && request->route->queue != NULL)
        code = request->route->queue(request);
    if (code == CODE_OK)
        code = request->route->handler(request);
    if (code == CODE_OK && route_changes(request->route))
        FAULT_POINT("request.after_commit");
    if (code == CODE_REPLAY) { /* the first request ended while this one began */
        code = replay(request, &replayed);
        if (code == CODE_OK && !replayed)
            code = CODE_IDEMPOTENCY_IN_PROGRESS;
    }
    return code;
}

static enum code run(struct request *request)
{
    bool replayed = false;
    enum code code = CODE_OK;
    if (request->db != NULL && !db_connect(request->db))
        return CODE_DATABASE_UNAVAILABLE;
    if (request->route->action == NULL) {
        code = check_body(request);
        return code == CODE_OK ? handle(request) : code;
    }
    if (!request->admitted) /* else it comes from another lane, or out of a batch that failed */
        code = admit(request);
    if (code == CODE_OK &&
        request->route->uploads == NULL) /* there too: an equal one may have been before it */
        code = replay(request, &replayed);
    return code == CODE_OK && !replayed ? handle(request) : code;
}

/* draft-ietf-httpapi-ratelimit-headers. One that waits for an operation comes here more than once. */
static void add_rate_headers(struct request *request)
{
    const struct rate *rate = &request->rate;
    if (rate->policy == NULL)
        return;
    for (size_t i = 0; i < request->response.header_count; i++)
        if (request->response.headers[i].value == rate->policy)
            return;
    response_header(request, "RateLimit-Policy", rate->policy);
    response_header(request, "RateLimit",
                    arena_printf(request->arena, "\"default\";r=%" PRId64 ";t=%" PRId64, rate->remaining,
                                 rate->full_in_s));
}

/* The caller is told what he can act on; the log keeps what the operator needs. */
static void log_failure(const struct request *request, enum code code)
{
    if (code == CODE_INTERNAL_ERROR)
        LOG(LOG_ERROR, "request failed", LOG_TEXT("request_id", request->request_id),
            LOG_OPTIONAL("trace_id", request->trace_id), LOG_TEXT("operation", request->route->operation),
            LOG_TEXT("database", request->db != NULL ? db_error(request->db) : ""));
    else if (code == CODE_BAD_REQUEST && request->db != NULL && *db_error(request->db) != '\0')
        LOG(LOG_WARNING, "a value that only the database refused",
            LOG_TEXT("request_id", request->request_id), LOG_TEXT("database", db_error(request->db)));
    else if (code == CODE_DATABASE_UNAVAILABLE || code == CODE_OUTCOME_UNKNOWN || code == CODE_OVERLOADED)
        LOG(LOG_WARNING, "request not served", LOG_TEXT("request_id", request->request_id),
            LOG_OPTIONAL("trace_id", request->trace_id), LOG_TEXT("code", code_name(code)),
            LOG_TEXT("database", db_error(request->db)));
}

static void finish(struct request *request, enum code code)
{
    request->continues = code == CODE_CONTINUE;
    if (code == CODE_CONTINUE && request->response.status != 0)
        add_rate_headers(request); /* of a download they go out with the first piece */
    if (code == CODE_MOVE_LANE || code == CODE_CONTINUE)
        return;
    if (code >= CODE_COUNT) /* CODE_RETRY of a read */
        code = CODE_OVERLOADED;
    if (code != CODE_OK) {
        log_failure(request, code);
        response_refuse(request, code);
    }
    add_rate_headers(request);
    compress_answer(request);
}

void request_run(struct request *request, struct db *db)
{
    enum code code = CODE_OK;
    request->db = db;
    code = request->wait != NULL ? waiting_look(request) : run(request);
    if (db != NULL && !db_is_clean(db)) {
        LOG(LOG_ERROR, "a request left a transaction open", LOG_TEXT("operation", request->route->operation));
        code = CODE_INTERNAL_ERROR;
    }
    finish(request, code);
}

/* What comes before the statements of a read. */
static enum code admit_read(struct request *request, bool connected)
{
    enum code code = connected ? CODE_OK : CODE_DATABASE_UNAVAILABLE;
    if (code == CODE_OK && !request->admitted)
        code = admit(request);
    if (code == CODE_OK && request->route->query == NULL)
        code = request_query(request, NULL);
    return code;
}

void request_run_batch(struct request *first, struct db *db)
{
    enum code codes[REQUEST_MAX_BATCH] = {CODE_OK};
    unsigned ends[REQUEST_MAX_BATCH] = {0};
    unsigned count = 0;
    bool connected = db_connect(db);
    struct request *request;

    /* Who asks may have to be looked up, with statements of its own: nothing is queued before that is over. */
    for (request = first; request != NULL; request = request->next) {
        request->db = db;
        codes[count++] = admit_read(request, connected);
    }
    for (request = first, count = 0; request != NULL; request = request->next, count++) {
        if (codes[count] == CODE_OK)
            codes[count] = request->route->queue(request);
        ends[count] = db_position(db);
    }

    unsigned failures = db_failures(db);
    for (request = first, count = 0; request != NULL; request = request->next, count++) {
        if (codes[count] == CODE_OK)
            codes[count] = request->route->handler(request);
        if (db_failures(db) != failures && first->next != NULL)
            break; /* one failed, and took the results of those behind it along */
        db_skip(db, ends[count]);
        finish(request, codes[count]);
    }
    if (!db_is_clean(db))
        LOG(LOG_ERROR, "a read left a transaction open");
    for (; request != NULL; request = request->next, count++) {
        /* Who was refused stays so: it is noted and counted once. */
        if (!request->admitted && codes[count] != CODE_DATABASE_UNAVAILABLE) {
            finish(request, codes[count]);
            continue;
        }
        request->problem = (struct problem){.arena = request->arena};
        request_run(request, db);
    }
}
