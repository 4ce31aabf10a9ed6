#include "api/availability.h"

#include "api/app.h"
#include "api/ews.h"
#include "db/availability.h"
#include "model/email.h"

/* The domain of the path; one that is none is not there. */
static struct availability_key request_key(struct request *request)
{
    struct availability_key key = {.organization_id = request->arguments[0]};
    const char *detail;
    if (!email_domain_parse(request->arena, request->arguments[1], &key.domain, &detail))
        key.domain = "";
    return key;
}

static enum code find(struct request *request, const struct availability_key *key,
                      struct availability_row *ret_row)
{
    return availability_find(request->db, request->principal.account_id, key, &request->problem, ret_row);
}

/* --- testing --- */

/* CODE_OK, or why what was tested is not taken. */
static enum code need_success(struct request *request, const struct ews_result *result)
{
    struct problem *problem = &request->problem;
    const char *name = ews_outcome_names[result->outcome];
    if (result->outcome == EWS_SUCCESS)
        return CODE_OK;
    problem_add_member(problem,
                       result->outcome == EWS_UNAUTHORIZED || result->outcome == EWS_NO_MAILBOX ? "username"
                                                                                                : "ews_url",
                       name, "%s %s", result->detail, ews_help(result->outcome));
    return problem_set(problem, CODE_AVAILABILITY_TEST_FAILED,
                       "The test ended with %s: %s %s With skip_test=true it is not tested.", name,
                       result->detail, ews_help(result->outcome));
}

enum code test_availability_configuration(struct request *request)
{
    struct availability_key key = request_key(request);
    struct availability_row row;
    struct ews_result result;
    const char *password;
    struct change change = request_change(request);

    change.asked = (struct audit_note){.action = NULL}; /* it changes nothing but what it tells of itself */
    enum code code = find(request, &key, &row);
    if (code == CODE_OK && !row.is_there)
        code = availability_not_found(&request->problem);
    if (code == CODE_OK)
        code = request_go_outside(request);
    if (code == CODE_OK)
        code = availability_open_password(request->db, &key, &row, &request->problem, &password);
    if (code == CODE_OK) {
        result = ews_try(request->arena, request->app->config, row.ews_url, row.username, password);
        code = availability_note_test(request->db, &change, &key, &row, &result);
    }
    return response_change(request, &change, code);
}

/* --- the rest --- */

enum code create_availability_configuration(struct request *request)
{
    struct availability_configuration configuration = {0};
    struct availability_options options = {0};
    struct change change = request_change(request);
    struct availability_row row = {0};
    struct ews_result result;
    bool tests = false;
    const char *detail;
    uint64_t set;

    enum code code = request_body(request, &configuration, &set);
    if (configuration.domain != NULL &&
        !email_domain_parse(request->arena, configuration.domain, &configuration.domain, &detail)) {
        problem_add_member(&request->problem, "domain", "invalid_format", "%s", detail);
        code = CODE_VALIDATION_FAILED;
    }
    if (code == CODE_OK)
        code = request_query(request, &options);
    if (code == CODE_OK)
        code = find(request, &(struct availability_key){request->arguments[0], configuration.domain}, &row);
    tests = code == CODE_OK && !row.is_there && !options.skip_test && !request->validate_only;
    if (tests)
        code = request_go_outside(request);
    if (tests && code == CODE_OK) {
        result = ews_try(request->arena, request->app->config, configuration.ews_url, configuration.username,
                         configuration.password);
        code = need_success(request, &result);
    }
    if (code == CODE_OK)
        code = availability_create(request->db, &change, request->arguments[0], &configuration,
                                   tests ? &result : NULL);
    return response_change(request, &change, code);
}

enum code list_availability_configurations(struct request *request)
{
    struct availability_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = availability_list(request->db, request->principal.account_id, request->arguments[0], &query,
                                 &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code queue_availability_configuration(struct request *request)
{
    struct availability_key key = request_key(request);
    availability_queue(request->db, request->principal.account_id, &key);
    return CODE_OK;
}

enum code get_availability_configuration(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = availability_collect(request->db, &request->problem, &answer);
    return response_answer(request, &answer, code);
}

/* What would be stored, tried. */
static enum code try_patched(struct request *request, const struct availability_key *key,
                             const struct availability_row *row,
                             const struct availability_configuration *patch, struct ews_result *ret_result)
{
    const char *password = patch->password;
    enum code code = CODE_OK;
    if (password == NULL)
        code = availability_open_password(request->db, key, row, &request->problem, &password);
    if (code != CODE_OK)
        return code;
    *ret_result =
        ews_try(request->arena, request->app->config, patch->ews_url != NULL ? patch->ews_url : row->ews_url,
                patch->username != NULL ? patch->username : row->username, password);
    return need_success(request, ret_result);
}

enum code update_availability_configuration(struct request *request)
{
    struct availability_configuration patch = {0};
    struct availability_options options = {0};
    struct availability_key key = request_key(request);
    struct change change = request_change(request);
    struct availability_row row;
    struct ews_result result;
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK)
        code = request_query(request, &options);
    if (code == CODE_OK)
        code = find(request, &key, &row);
    if (code == CODE_OK && !row.is_there)
        code = availability_not_found(&request->problem);
    if (code == CODE_OK) /* before anybody is asked; the transaction compares it again */
        code = tx_match(&change, row.version);
    if (code == CODE_OK)
        code = availability_check_patch(&patch, row.ews_url, &request->problem);
    bool tests = !options.skip_test && !request->validate_only;
    if (code == CODE_OK && tests)
        code = request_go_outside(request);
    if (code == CODE_OK && tests)
        code = try_patched(request, &key, &row, &patch, &result);
    if (code == CODE_OK)
        code = availability_update(request->db, &change, &key, &row, &patch, set, tests ? &result : NULL);
    return response_change(request, &change, code);
}

enum code delete_availability_configuration(struct request *request)
{
    struct availability_key key = request_key(request);
    struct change change = request_change(request);
    enum code code = availability_delete(request->db, &change, &key);
    return response_change(request, &change, code);
}
