#include "api/organization.h"

#include <string.h>

#include "api/app.h"
#include "api/authorize.h"
#include "db/organization.h"
#include "db/organization_health.h"
#include "model/directory.h"
#include "model/key.h"
#include "model/mail_domain.h"

/* The names of the domains that are to be registered: all faults at once. */
static enum code read_domains(struct request *request, const char *const *texts,
                              const struct mail_domain_name *const **ret_names)
{
    size_t count = 0;
    const char *detail = NULL;
    while (texts != NULL && texts[count] != NULL)
        count++;
    const struct mail_domain_name **names = arena_alloc(request->arena, (count + 1) * sizeof(const void *));
    for (size_t i = 0; i < count; i++) {
        struct mail_domain_name *name = arena_alloc(request->arena, sizeof(*name));
        bool good =
            mail_domain_parse(request->arena, request->app->environment.settings, texts[i], name, &detail);
        for (size_t j = 0; good && j < i; j++)
            if (names[j]->domain != NULL && strcmp(names[j]->domain, name->domain) == 0) {
                detail = "This domain is in the list twice.";
                good = false;
            }
        names[i] = name;
        if (!good)
            problem_add_at(&request->problem, arena_printf(request->arena, "/domains/%zu", i),
                           "invalid_format", "%s", detail);
    }
    *ret_names = names;
    return request->problem.first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

enum code create_organization(struct request *request)
{
    struct organization organization = {0};
    const struct mail_domain_name *const *domains = NULL;
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &organization, &set);
    if (code != CODE_OK)
        return code;
    code = organization_check_setup(&organization, &request->problem);
    if (organization.region != NULL &&
        !settings_has_region(request->app->environment.settings, organization.region)) {
        problem_add_member(&request->problem, "region", "invalid_value",
                           "See GET /v1/regions for the regions.");
        code = CODE_VALIDATION_FAILED;
    }
    /* Who may not see a key may not use it. */
    if (organization.key_id != NULL && !authorize_sees(request, RESOURCE_KEY, organization.key_id))
        code = key_is_unknown(&request->problem);
    if (read_domains(request, organization.domains, &domains) != CODE_OK)
        code = CODE_VALIDATION_FAILED;
    if (organization.directory_id != NULL && code == CODE_OK)
        code = authorize_besides(request, "ds:AuthorizeApplication", "ds:DescribeDirectory",
                                 CODE_DIRECTORY_NOT_FOUND);
    if (code == CODE_DIRECTORY_NOT_FOUND)
        code = directory_is_unknown(&request->problem);
    if (code == CODE_OK)
        code = organization_create(request->db, &change, &organization, domains);
    return response_change(request, &change, code);
}

enum code list_organizations(struct request *request)
{
    struct organization_query query = {0};
    return request_answer_list(request, &query, &query.page, organization_list);
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

/* What these do is one function each, which needs no more than the id. */
static enum code change_organization(struct request *request,
                                     enum code (*make)(struct db *db, struct change *change,
                                                       const char *organization_id))
{
    struct change change = request_change(request);
    enum code code = make(request->db, &change, request->arguments[0]);
    return response_change(request, &change, code);
}

enum code retry_organization(struct request *request)
{
    return change_organization(request, organization_retry);
}

enum code validate_organization(struct request *request)
{
    return change_organization(request, organization_validate);
}

enum code activate_organization(struct request *request)
{
    return change_organization(request, organization_activate);
}

enum code deactivate_organization(struct request *request)
{
    return change_organization(request, organization_deactivate);
}

enum code get_organization_health(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = organization_health_get(request->db, request->principal.account_id,
                                             request->arguments[0], &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code list_organization_transitions(struct request *request)
{
    struct transition_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code =
            organization_list_transitions(request->db, request->principal.account_id, request->arguments[0],
                                          &query, &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}
