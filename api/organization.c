#include "api/organization.h"

#include "api/app.h"
#include "db/organization.h"

enum code create_organization(struct request *request)
{
    const struct settings *settings = request->app->environment.settings;
    struct organization organization = {.region = settings->region};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &organization, &set);
    if (code != CODE_OK)
        return code;
    if (organization.region == NULL)
        organization.region = settings->region;
    if (!settings_has_region(settings, organization.region)) {
        problem_add_member(&request->problem, "region", "invalid_value",
                           "See GET /v1/regions for the regions.");
        return CODE_VALIDATION_FAILED;
    }
    code = organization_create(request->db, &change, &organization);
    return response_change(request, &change, code);
}

enum code list_organizations(struct request *request)
{
    struct organization_query query = {.page.page_size = LIST_PAGE_SIZE};
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_query(request, &query);
    if (code == CODE_OK && query.page.include_total && request->lane != LANE_SLOW)
        return request_move(request, LANE_SLOW);
    if (code == CODE_OK)
        code = organization_list(request->db, request->principal.account_id, &query, &request->problem, &body,
                                 &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code describe_organization(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = organization_describe(request->db, request->principal.account_id, request->arguments[0],
                                           &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code delete_organization(struct request *request)
{
    struct organization_removal removal = {0};
    struct change change = request_change(request);

    enum code code = request_query(request, &removal);
    if (code == CODE_OK)
        code = organization_remove(request->db, &change, request->arguments[0], &removal);
    return response_change(request, &change, code);
}

enum code retry_organization(struct request *request)
{
    struct change change = request_change(request);
    enum code code = organization_retry(request->db, &change, request->arguments[0]);
    return response_change(request, &change, code);
}

enum code list_organization_transitions(struct request *request)
{
    struct transition_query query = {.page.page_size = LIST_PAGE_SIZE};
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_query(request, &query);
    if (code == CODE_OK)
        code =
            organization_list_transitions(request->db, request->principal.account_id, request->arguments[0],
                                          &query, &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}
