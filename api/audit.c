#include "api/audit.h"

#include "api/app.h"
#include "api/authorize.h"
#include "api/request.h"
#include "db/audit.h"
#include "db/audit_export.h"
#include "db/audit_verify.h"

/* Whether the events have to be looked through one by one: only time and organization lead to some of them, and an index for
 * each filter would cost the sealer more than its events (docs/audit.md). */
static bool is_search(const struct audit_query *query)
{
    return query->action != NULL || query->actor != NULL || query->access_key_id != NULL ||
           query->target != NULL || query->outcome != NULL || query->request_id != NULL ||
           (query->page.visible != NULL && query->organization_id == NULL);
}

static enum code list(struct request *request, const char *organization_id)
{
    struct audit_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK && organization_id == NULL)
        code = authorize_visible(request, &query.page.visible);
    if (code == CODE_OK && organization_id == NULL && query.page.visible == NULL) {
        query.page.visible = authorize_hidden_targets(request);
        query.hides_targets = query.page.visible != NULL;
    }
    if (code == CODE_OK && is_search(&query) && request->lane != LANE_SLOW)
        code = request_move(request, LANE_SLOW);
    if (code == CODE_OK)
        code = audit_list(request->db, request->principal.account_id, organization_id, &query,
                          &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code list_audit_events(struct request *request)
{
    return list(request, NULL);
}

enum code list_audit_events_for_organization(struct request *request)
{
    return list(request, request->arguments[0]);
}

enum code export_audit_events(struct request *request)
{
    struct audit_export asked = {.limit = AUDIT_EXPORT_MAX};
    struct buffer body = request_buffer(request);
    int64_t after = 0;

    enum code code = request_query(request, &asked);
    if (code == CODE_OK)
        code = audit_export(request->db, request->principal.account_id, request->app->audit_key->bytes,
                            &asked, &request->problem, &body, &after);
    if (code != CODE_OK)
        return code;
    response_json(request, 200, &body);
    request->response.content_type = "application/x-ndjson";
    return CODE_OK;
}

enum code verify_audit_log(struct request *request)
{
    struct audit_verify asked = {.limit = AUDIT_VERIFY_LIMIT};
    struct buffer body = request_buffer(request);
    enum code code = CODE_OK;
    uint64_t set;

    if (request->body.length > 0)
        code = request_body(request, &asked, &set);
    if (code == CODE_OK && (asked.hash == NULL) != (asked.sequence == 0)) {
        problem_add_member(&request->problem, asked.hash == NULL ? "hash" : "sequence", "required",
                           "Give sequence and hash of an event, or neither.");
        code = CODE_VALIDATION_FAILED;
    }
    if (code == CODE_OK)
        code = audit_verify(request->db, request->principal.account_id, request->app->audit_key->bytes,
                            &asked, &request->problem, &body, NULL, NULL);
    return code == CODE_OK ? response_json(request, 200, &body) : code;
}
