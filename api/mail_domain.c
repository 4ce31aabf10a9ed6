#include "api/mail_domain.h"

#include "api/app.h"
#include "db/mail_domain.h"
#include "model/email.h"
#include "model/identity_policy.h"
#include "model/text.h"

/* The A-label of a name that may be written for people. What is no domain is none of the organization's: as it is. */
static const char *normal_name(struct request *request, const char *text)
{
    const char *domain, *detail;
    return email_domain_parse(request->arena, text, &domain, &detail) ? domain
                                                                      : text_lower(request->arena, text);
}

const char *mail_domain_in_path(struct request *request)
{
    return normal_name(request, request->arguments[1]);
}

enum code register_mail_domain(struct request *request)
{
    struct mail_domain wanted = {0};
    struct mail_domain_name name;
    struct change change = request_change(request);
    const char *detail;
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK && !mail_domain_parse(request->arena, request->app->environment.settings,
                                              wanted.domain, &name, &detail)) {
        problem_add_member(&request->problem, "domain", "invalid_format", "%s", detail);
        code = CODE_VALIDATION_FAILED;
    }
    if (code == CODE_OK)
        code =
            mail_domain_register(request->db, &change, request->arguments[0], &name, wanted.allow_subdomains);
    return response_change(request, &change, code);
}

enum code list_mail_domains(struct request *request)
{
    struct mail_domain_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = mail_domain_list(request->db, request->principal.account_id, request->arguments[0], &query,
                                &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code get_mail_domain(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = mail_domain_describe(request->db, request->principal.account_id, request->arguments[0],
                                          mail_domain_in_path(request), &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code update_mail_domain(struct request *request)
{
    struct mail_domain patch = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK)
        code = mail_domain_update(request->db, &change, request->arguments[0], mail_domain_in_path(request),
                                  set != 0 ? &patch.allow_subdomains : NULL);
    return response_change(request, &change, code);
}

enum code deregister_mail_domain(struct request *request)
{
    struct mail_domain_removal removal = {0};
    struct change change = request_change(request);

    enum code code = request_query(request, &removal);
    if (code == CODE_OK)
        code = mail_domain_deregister(request->db, &change, request->arguments[0],
                                      mail_domain_in_path(request), normal_name(request, removal.confirm));
    return response_change(request, &change, code);
}

enum code verify_mail_domain(struct request *request)
{
    struct change change = request_change(request);
    enum code code =
        mail_domain_check_now(request->db, &change, request->arguments[0], mail_domain_in_path(request));
    return response_change(request, &change, code);
}

enum code get_mail_domain_zone_file(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = mail_domain_zone_file(request->db, request->principal.account_id, request->arguments[0],
                                           mail_domain_in_path(request), &request->problem, &answer);
    code = response_answer(request, &answer, code);
    if (code == CODE_OK && request->response.status == 200)
        request->response.content_type = "text/plain; charset=utf-8";
    return code;
}

enum code get_identity_policy(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = mail_domain_get_policy(request->db, request->principal.account_id, request->arguments[0],
                                            mail_domain_in_path(request), &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code put_identity_policy(struct request *request)
{
    struct identity_policy policy = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &policy, &set);
    if (code == CODE_OK)
        code = mail_domain_put_policy(request->db, &change, request->arguments[0],
                                      mail_domain_in_path(request), policy.document);
    return response_change(request, &change, code);
}

/* --- the default domain --- */

enum code get_default_mail_domain(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = mail_domain_get_default(request->db, request->principal.account_id,
                                             request->arguments[0], &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code update_default_mail_domain(struct request *request)
{
    struct default_domain wanted = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = mail_domain_set_default(request->db, &change, request->arguments[0],
                                       normal_name(request, wanted.domain));
    return response_change(request, &change, code);
}
