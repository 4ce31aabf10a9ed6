#include "api/iam.h"

#include <string.h>

#include "api/app.h"
#include "api/authorize.h"
#include "db/iam.h"
#include "model/id.h"
#include "model/json_out.h"
#include "model/network.h"
#include "model/text.h"

/* --- lists --- */

enum code list_iam_users(struct request *request)
{
    struct iam_query query = {0};
    return request_answer_list(request, &query, &query.page, iam_list_users);
}

enum code list_iam_groups(struct request *request)
{
    struct iam_query query = {0};
    return request_answer_list(request, &query, &query.page, iam_list_groups);
}

enum code list_policies(struct request *request)
{
    struct iam_query query = {0};
    return request_answer_list(request, &query, &query.page, iam_list_policies);
}

typedef enum code list_of_one(struct db *db, const char *account_id, const char *id, struct iam_query *query,
                              struct problem *problem, struct buffer *out, const char **ret_next_token);

static enum code answer_list_of(struct request *request, list_of_one *list, const char *visible)
{
    struct iam_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token;
    enum code code = request_list_query(request, &query, &query.page);
    query.page.visible = visible;
    if (code == CODE_OK)
        code = list(request->db, request->principal.account_id, request->arguments[0], &query,
                    &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code list_iam_group_members(struct request *request)
{
    const char *visible;
    enum code code = authorize_visible_users(request, &visible);
    return code == CODE_OK ? answer_list_of(request, iam_list_members, visible) : code;
}

enum code list_access_keys(struct request *request)
{
    return answer_list_of(request, iam_list_keys, NULL);
}

/* --- one --- */

typedef enum code describe_one(struct db *db, const char *account_id, const char *id, struct problem *problem,
                               struct answer *answer);

static enum code answer_one(struct request *request, describe_one *describe)
{
    struct answer answer = request_answer(request);
    enum code code = describe(request->db, request->principal.account_id, request->arguments[0],
                              &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code describe_iam_user(struct request *request)
{
    return answer_one(request, iam_describe_user);
}

enum code describe_iam_group(struct request *request)
{
    return answer_one(request, iam_describe_group);
}

enum code get_policy(struct request *request)
{
    return answer_one(request, iam_describe_policy);
}

typedef enum code delete_one(struct db *db, struct change *change, const char *id);

static enum code answer_deletion(struct request *request, delete_one *delete)
{
    struct change change = request_change(request);
    return response_change(request, &change, delete (request->db, &change, request->arguments[0]));
}

enum code delete_iam_user(struct request *request)
{
    return answer_deletion(request, iam_delete_user);
}

enum code delete_iam_group(struct request *request)
{
    return answer_deletion(request, iam_delete_group);
}

enum code delete_policy(struct request *request)
{
    return answer_deletion(request, iam_delete_policy);
}

/* --- users and groups --- */

enum code create_iam_user(struct request *request)
{
    struct iam_user user = {0};
    struct change change = request_change(request);
    uint64_t set;
    enum code code = request_body(request, &user, &set);
    if (code == CODE_OK)
        code = iam_create_user(request->db, &change, &user);
    return response_change(request, &change, code);
}

enum code create_iam_group(struct request *request)
{
    struct iam_group group = {0};
    struct change change = request_change(request);
    uint64_t set;
    enum code code = request_body(request, &group, &set);
    if (code == CODE_OK)
        code = iam_create_group(request->db, &change, &group);
    return response_change(request, &change, code);
}

enum code put_iam_user_password(struct request *request)
{
    struct iam_password wanted = {0};
    const struct granter granter = authorize_granter(request);
    struct change change = request_change(request);
    const char *hash;
    uint64_t set;
    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = request_hash_password(request, wanted.password, &hash);
    if (code != CODE_OK)
        return code;
    code = iam_set_password(request->db, &change, &granter, request->arguments[0], hash);
    return response_change(request, &change, code);
}

enum code delete_iam_user_password(struct request *request)
{
    const struct granter granter = authorize_granter(request);
    struct change change = request_change(request);
    return response_change(request, &change,
                           iam_set_password(request->db, &change, &granter, request->arguments[0], NULL));
}

/* --- who has what --- */

static enum code change_edge(struct request *request, enum iam_edge edge, bool puts)
{
    const struct granter granter = authorize_granter(request);
    struct change change = request_change(request);
    enum named_resource right = edge == IAM_GROUP_MEMBER ? RESOURCE_IAM_USER : RESOURCE_POLICY;
    enum code code = authorize_second(request, right, request->arguments[1]);
    if (code == CODE_OK)
        code = (puts ? iam_put_edge : iam_remove_edge)(request->db, &change, &granter, edge,
                                                       request->arguments[0], request->arguments[1]);
    return response_change(request, &change, code);
}

enum code attach_policy(struct request *request)
{
    return change_edge(request, IAM_USER_POLICY, true);
}

enum code detach_policy(struct request *request)
{
    return change_edge(request, IAM_USER_POLICY, false);
}

enum code attach_policy_to_group(struct request *request)
{
    return change_edge(request, IAM_GROUP_POLICY, true);
}

enum code detach_policy_from_group(struct request *request)
{
    return change_edge(request, IAM_GROUP_POLICY, false);
}

enum code add_iam_group_member(struct request *request)
{
    return change_edge(request, IAM_GROUP_MEMBER, true);
}

enum code remove_iam_group_member(struct request *request)
{
    return change_edge(request, IAM_GROUP_MEMBER, false);
}

/* --- policies --- */

/* NULL with faults in the problem. ret_warnings is a JSON array. */
static const struct policy *compile(struct request *request, const char *document, const char **ret_warnings)
{
    struct buffer warnings = request_buffer(request);
    out_begin_array(&warnings);
    const struct policy *policy =
        policy_compile(request->arena, document, strlen(document), "/document", &request->problem, &warnings);
    out_end_array(&warnings);
    *ret_warnings = buffer_string(&warnings);
    return policy;
}

enum code create_policy(struct request *request)
{
    struct iam_policy policy = {0};
    const struct granter granter = authorize_granter(request);
    struct change change = request_change(request);
    const char *warnings;
    uint64_t set;
    enum code code = request_body(request, &policy, &set);
    if (code != CODE_OK)
        return code;
    const struct policy *compiled = compile(request, policy.document, &warnings);
    if (compiled == NULL)
        return CODE_VALIDATION_FAILED;
    code = iam_create_policy(request->db, &change, &granter, &policy, compiled, warnings);
    return response_change(request, &change, code);
}

enum code update_policy(struct request *request)
{
    struct iam_policy patch = {0};
    const struct granter granter = authorize_granter(request);
    struct change change = request_change(request);
    const struct policy *compiled = NULL;
    const char *warnings = NULL;
    uint64_t set;
    enum code code = request_body(request, &patch, &set);
    if (code != CODE_OK)
        return code;
    if (patch.document != NULL && (compiled = compile(request, patch.document, &warnings)) == NULL)
        return CODE_VALIDATION_FAILED;
    code = iam_update_policy(request->db, &change, &granter, request->arguments[0], &patch, set, compiled,
                             warnings);
    return response_change(request, &change, code);
}

/* What is asked, by whom and of what: the caller's own policies, those of an IAM user whom he may see, or a document. */
static enum code find_simulated(struct request *request, const struct simulation *simulation,
                                struct authority **ret_authority, const char **ret_warnings)
{
    const struct principal *principal = &request->principal;
    *ret_warnings = NULL;
    if (simulation->document != NULL) {
        /* An id of its own: what is only tried is not what others hold. */
        const struct authority_policy source = {id_new_uuid(request->arena), "document", "0"};
        if (compile(request, simulation->document, ret_warnings) == NULL)
            return CODE_VALIDATION_FAILED;
        *ret_authority = authority_new(principal->authority->user_name, 1);
        return authority_add(*ret_authority, &source, simulation->document) ? CODE_OK : CODE_INTERNAL_ERROR;
    }
    const char *user = simulation->iam_user_id;
    if (user == NULL || strcmp(user, principal->iam_user_id) == 0) {
        *ret_authority = authority_hold(principal->authority);
        return CODE_OK;
    }
    enum code code = CODE_IAM_USER_NOT_FOUND;
    if (authorize_sees(request, RESOURCE_IAM_USER, user))
        code = authority_of_user(request->db, principal->account_id, user, &request->problem, ret_authority);
    if (code != CODE_IAM_USER_NOT_FOUND)
        return code;
    problem_add_member(&request->problem, "iam_user_id", "invalid_value",
                       "No IAM user of this account has this id, or it is not yours to know.");
    return CODE_VALIDATION_FAILED;
}

/* As of refusals: which statement it was is told to who may read the policy that it stands in. */
static bool may_read(const struct request *request, const struct simulation *simulation,
                     const struct authority *authority, const struct policy_decision *decision)
{
    return simulation->document != NULL || decision->effect == POLICY_NOT_ALLOWED || authority->count == 0 ||
           authorize_sees(request, RESOURCE_POLICY, authority->sources[decision->policy].policy_id);
}

static enum code answer_simulation(struct request *request, const struct simulation *simulation,
                                   const struct authority *authority, bool is_root, const char *warnings)
{
    struct policy_context context = authorize_context(request);
    struct buffer body = request_buffer(request);
    const struct policy_question question = {
        .action = simulation->action,
        .resource = simulation->resource != NULL ? simulation->resource : "*",
        .context = {.source_address = simulation->source_address != NULL ? simulation->source_address
                                                                         : context.source_address,
                    .now = context.now,
                    .is_secure = simulation->is_secure,
                    .user_name = authority->user_name,
                    .user_id = simulation->iam_user_id != NULL ? simulation->iam_user_id : context.user_id,
                    .account_id = context.account_id}};
    struct policy_question asked = question;
    if (simulation->at != NULL)
        text_read_time(simulation->at, &asked.context.now);
    struct policy_decision decision = {.effect = POLICY_ALLOWED};
    if (!is_root)
        decision = policy_decide(authority->policies, authority->count, &asked);
    out_begin_object(&body);
    out_member(&body, "action", asked.action);
    out_member(&body, "resource", asked.resource);
    out_name(&body, "decision");
    authorize_write_decision(&decision,
                             may_read(request, simulation, authority, &decision) ? authority : NULL, &body);
    if (warnings != NULL) {
        out_name(&body, "warnings");
        out_raw(&body, warnings, strlen(warnings));
    }
    out_end_object(&body);
    return response_json(request, 200, &body);
}

enum code simulate_policy(struct request *request)
{
    struct simulation simulation = {.is_secure = request->is_secure};
    struct authority *authority = NULL;
    const char *warnings;
    uint64_t set;
    struct network address;
    enum code code = request_body(request, &simulation, &set);
    if (code != CODE_OK)
        return code;
    if (simulation.source_address != NULL && (!network_read(simulation.source_address, &address) ||
                                              strchr(simulation.source_address, '/') != NULL))
        problem_add_member(&request->problem, "source_address", "invalid_format", "An IP address.");
    if (simulation.document != NULL && simulation.iam_user_id != NULL)
        problem_add_member(&request->problem, "iam_user_id", "invalid_value",
                           "Ask about a document or about an IAM user, not both.");
    code = request->problem.first_fault == NULL ? find_simulated(request, &simulation, &authority, &warnings)
                                                : CODE_VALIDATION_FAILED;
    if (code == CODE_OK)
        code = answer_simulation(request, &simulation, authority,
                                 request->principal.kind == PRINCIPAL_ROOT &&
                                     simulation.iam_user_id == NULL && simulation.document == NULL,
                                 warnings);
    authority_release(authority);
    return code;
}

/* --- access keys --- */

static enum code read_key(struct request *request, struct iam_key *key, uint64_t *ret_set)
{
    struct network network;
    enum code code = request_body(request, key, ret_set);
    if (code != CODE_OK)
        return code;
    for (size_t i = 0; key->allowed_networks != NULL && key->allowed_networks[i] != NULL; i++)
        if (!network_read(key->allowed_networks[i], &network))
            problem_add_at(
                &request->problem, arena_printf(request->arena, "/allowed_networks/%zu", i), "invalid_format",
                "An IP address or a network like 10.0.0.0/8 or 2001:db8::/32, without bits behind its "
                "length.");
    return request->problem.first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

enum code create_access_key(struct request *request)
{
    struct iam_key key = {0};
    const struct granter granter = authorize_granter(request);
    struct change change = request_change(request);
    uint64_t set;
    enum code code = CODE_OK;
    if (request->body.length > 0)
        code = read_key(request, &key, &set);
    if (code == CODE_OK)
        code = iam_create_key(request->db, &change, &granter, request->app->secret_key, request->arguments[0],
                              &key);
    return response_change(request, &change, code);
}

enum code describe_access_key(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = iam_describe_key(request->db, request->principal.account_id, request->arguments[0],
                                      request->arguments[1], &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code update_access_key(struct request *request)
{
    struct iam_key patch = {0};
    const struct granter granter = authorize_granter(request);
    struct change change = request_change(request);
    uint64_t set;
    enum code code = read_key(request, &patch, &set);
    if (code == CODE_OK)
        code = iam_update_key(request->db, &change, &granter, request->arguments[0], request->arguments[1],
                              &patch, set);
    return response_change(request, &change, code);
}

enum code delete_access_key(struct request *request)
{
    struct change change = request_change(request);
    return response_change(
        request, &change, iam_delete_key(request->db, &change, request->arguments[0], request->arguments[1]));
}
