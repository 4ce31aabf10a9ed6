#include "api/authorize.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "api/app.h"
#include "api/request.h"
#include "db/iam.h"
#include "db/row.h"
#include "model/id.h"
#include "model/json_out.h"

#define VIEW(name, columns) "SELECT " name " AS id, " columns
static const struct {
    const char *argument; /* of paths */
    const char *service;
    const char *type;
    const char *view; /* the action of who may know that it is there */
    enum code missing;
    struct statement all; /* of an account, as columns id and region */
} kinds[RESOURCE_COUNT] = {
    [RESOURCE_ORGANIZATION] = {"organization_id",
                               "workmail",
                               "organization",
                               "workmail:DescribeOrganization",
                               CODE_ORGANIZATION_NOT_FOUND,
                               {VIEW("organization_id", "region FROM organization WHERE account_id = $1"),
                                1}},
    [RESOURCE_KEY] = {"key_id",
                      "kms",
                      "key",
                      "kms:DescribeKey",
                      CODE_KEY_NOT_FOUND,
                      {VIEW("key_id", "'' AS region FROM master_key WHERE account_id = $1"), 1}},
    [RESOURCE_IAM_USER] = {"iam_user_id",
                           "iam",
                           "user",
                           "iam:DescribeIamUser",
                           CODE_IAM_USER_NOT_FOUND,
                           {VIEW("iam_user_id", "'' AS region FROM iam_user WHERE account_id = $1"), 1}},
    [RESOURCE_IAM_GROUP] = {"iam_group_id",
                            "iam",
                            "group",
                            "iam:DescribeIamGroup",
                            CODE_IAM_GROUP_NOT_FOUND,
                            {VIEW("iam_group_id", "'' AS region FROM iam_group WHERE account_id = $1"), 1}},
    [RESOURCE_POLICY] = {"policy_id",
                         "iam",
                         "policy",
                         "iam:GetPolicy",
                         CODE_POLICY_NOT_FOUND,
                         {VIEW("policy_id",
                               "'' AS region FROM policy WHERE account_id = $1 OR account_id IS NULL"),
                          1}},
};
#undef VIEW

/* --- names --- */

const char *authorize_name(struct arena *arena, enum named_resource resource, const char *region,
                           const char *account_id, const char *id)
{
    if (resource == RESOURCE_ACCOUNT)
        return arena_printf(arena, "arn:aws:%s::%s:account", id, account_id);
    return arena_printf(arena, "arn:aws:%s:%s:%s:%s/%s", kinds[resource].service, region, account_id,
                        kinds[resource].type, id);
}

/* An organization stays in its region: who asked once need not ask again. */
#define REGION_SLOTS 1024
static struct {
    char key[64]; /* account and organization */
    char region[32];
} regions[REGION_SLOTS];
static pthread_mutex_t regions_mutex = PTHREAD_MUTEX_INITIALIZER;

static unsigned region_slot(const char *key)
{
    unsigned hash = 5381;
    for (; *key != '\0'; key++)
        hash = hash * 33 + (unsigned char)*key;
    return hash % REGION_SLOTS;
}

static bool find_region(struct arena *arena, const char *key, const char **ret_region)
{
    unsigned slot = region_slot(key);
    pthread_mutex_lock(&regions_mutex);
    bool found = strcmp(regions[slot].key, key) == 0;
    if (found)
        *ret_region = arena_string(arena, regions[slot].region);
    pthread_mutex_unlock(&regions_mutex);
    return found;
}

static void keep_region(const char *key, const char *region)
{
    unsigned slot = region_slot(key);
    if (strlen(region) >= sizeof(regions[0].region))
        return;
    pthread_mutex_lock(&regions_mutex);
    snprintf(regions[slot].key, sizeof(regions[slot].key), "%s", key);
    snprintf(regions[slot].region, sizeof(regions[slot].region), "%s", region);
    pthread_mutex_unlock(&regions_mutex);
}

/* Only where some policy of the caller distinguishes regions; "" for what is not there. */
static enum code read_region(struct request *request, const char *organization_id, const char **ret_region)
{
    static const struct statement find = {
        "SELECT region FROM organization WHERE account_id = $1 AND organization_id = $2", 2};
    const struct principal *principal = &request->principal;
    DB_RESULT result = NULL;
    *ret_region = "";
    if (!principal->authority->names_region || !id_is_organization(organization_id))
        return CODE_OK;
    const char *key = arena_printf(request->arena, "%s/%s", principal->account_id, organization_id);
    if (find_region(request->arena, key, ret_region))
        return CODE_OK;
    enum code code =
        DB_RUN(request->db, &request->problem, &result, &find, principal->account_id, organization_id);
    if (code == CODE_OK && PQntuples(result) == 1) {
        *ret_region = row_text(request->arena, result, 0, "region");
        keep_region(key, *ret_region);
    }
    return code;
}

static enum named_resource resource_of(const char *argument, size_t length)
{
    enum named_resource resource = RESOURCE_ORGANIZATION;
    while (resource < RESOURCE_COUNT && (strlen(kinds[resource].argument) != length ||
                                         memcmp(kinds[resource].argument, argument, length) != 0))
        resource++;
    return resource;
}

/* Of what has no name of its own. */
static const char *name_of_account(const struct request *request, const char *action)
{
    const char *service = arena_copy(request->arena, action, strcspn(action, ":"));
    return authorize_name(request->arena, RESOURCE_ACCOUNT, "", request->principal.account_id, service);
}

/* The first of the path that has a name; the account when there is none. */
static enum code find_resource(struct request *request, enum named_resource *ret_resource,
                               const char **ret_name)
{
    const struct route *route = request->route;
    const char *account_id = request->principal.account_id;
    const char *region = "";
    const char *argument;
    size_t length = 0;
    for (unsigned i = 0; (argument = route_argument_name(route, i, &length)) != NULL; i++) {
        enum named_resource resource = resource_of(argument, length);
        if (resource == RESOURCE_COUNT)
            continue;
        const char *id = request->arguments[i];
        enum code code = resource == RESOURCE_ORGANIZATION ? read_region(request, id, &region) : CODE_OK;
        *ret_resource = resource;
        *ret_name = authorize_name(request->arena, resource, region, account_id, id);
        return code;
    }
    *ret_resource = RESOURCE_ACCOUNT;
    *ret_name = name_of_account(request, route->action);
    return CODE_OK;
}

/* --- decisions --- */

struct policy_context authorize_context(const struct request *request)
{
    const struct principal *principal = &request->principal;
    return (struct policy_context){.source_address = request->source_address,
                                   .now = request->now,
                                   .is_secure = request->is_secure,
                                   .user_name = principal->authority->user_name,
                                   .user_id = principal->iam_user_id,
                                   .account_id = principal->account_id};
}

static struct policy_decision decide(const struct request *request, const char *action, const char *resource)
{
    const struct policy_question question = {action, resource, authorize_context(request)};
    return principal_decide(&request->principal, &question);
}

bool authorize_sees(const struct request *request, enum named_resource resource, const char *id)
{
    const char *name = authorize_name(request->arena, resource, "", request->principal.account_id, id);
    return decide(request, kinds[resource].view, name).effect == POLICY_ALLOWED;
}

enum code authorize_second(const struct request *request, enum named_resource resource, const char *id)
{
    const char *name = authorize_name(request->arena, resource, "", request->principal.account_id, id);
    return decide(request, request->route->action, name).effect == POLICY_ALLOWED ||
                   decide(request, kinds[resource].view, name).effect == POLICY_ALLOWED
               ? CODE_OK
               : kinds[resource].missing;
}

void authorize_write_decision(const struct policy_decision *decision, const struct authority *authority,
                              struct buffer *out)
{
    static const char *const effects[] = {[POLICY_NOT_ALLOWED] = "IMPLICIT_DENY",
                                          [POLICY_ALLOWED] = "ALLOW",
                                          [POLICY_DENIED] = "EXPLICIT_DENY"};
    out_begin_object(out);
    out_member(out, "effect", effects[decision->effect]);
    if (decision->effect != POLICY_NOT_ALLOWED && authority != NULL && authority->count > 0) {
        out_member(out, "policy_id", authority->sources[decision->policy].policy_id);
        out_member(out, "policy_name", authority->sources[decision->policy].name);
        out_member_integer(out, "statement", (int64_t)decision->statement);
        out_member(out, "sid", decision->sid);
    }
    out_end_object(out);
}

/* Which statement it was is told to who may read the policy that it stands in. */
static enum code explain(struct request *request, const struct policy_decision *decision, const char *action,
                         const char *resource)
{
    const struct authority *authority = request->principal.authority;
    struct buffer out = request_buffer(request);
    if (decision->effect == POLICY_NOT_ALLOWED) {
        authorize_write_decision(decision, authority, &out);
        request->problem.decision = buffer_string(&out);
        return problem_set(&request->problem, CODE_ACCESS_DENIED,
                           "No policy of this identity allows %s on %s.", action, resource);
    }
    const struct authority_policy *source = &authority->sources[decision->policy];
    if (!authorize_sees(request, RESOURCE_POLICY, source->policy_id))
        return problem_set(&request->problem, CODE_ACCESS_DENIED,
                           "A policy of this identity denies %s on %s.", action, resource);
    authorize_write_decision(decision, authority, &out);
    request->problem.decision = buffer_string(&out);
    return problem_set(&request->problem, CODE_ACCESS_DENIED,
                       "Statement %zu%s%s%s of the policy %s denies %s on %s.", decision->statement,
                       decision->sid != NULL ? " (" : "", decision->sid != NULL ? decision->sid : "",
                       decision->sid != NULL ? ")" : "", source->name, action, resource);
}

enum code authorize_besides(struct request *request, const char *action, const char *view, enum code missing)
{
    const char *name = name_of_account(request, action);
    struct policy_decision decision = decide(request, action, name);
    if (decision.effect == POLICY_ALLOWED)
        return CODE_OK;
    return decide(request, view, name).effect == POLICY_ALLOWED ? explain(request, &decision, action, name)
                                                                : missing;
}

/* What the audit log tells of besides organizations: at which paths, and who may see it. */
static const struct {
    const char *targets;
    enum named_resource resource;
} told[] = {{"/v1/iam/users/%", RESOURCE_IAM_USER},
            {"/v1/sessions/%", RESOURCE_IAM_USER},
            {"/v1/iam/groups/%", RESOURCE_IAM_GROUP},
            {"/v1/iam/policies/%", RESOURCE_POLICY},
            {"/v1/keys/%", RESOURCE_KEY}};
#define TOLD (sizeof(told) / sizeof(told[0]))

/* Without asking for each of them: no policy is about single ones. */
static bool sees_all(const struct request *request, enum named_resource kind)
{
    const struct principal *principal = &request->principal;
    return principal->kind == PRINCIPAL_ROOT ||
           (principal->authority->is_for_all_resources &&
            decide(request, kinds[kind].view, "").effect == POLICY_ALLOWED);
}

const char *authorize_hidden_targets(const struct request *request)
{
    struct buffer hidden = {.arena = request->arena};
    for (size_t i = 0; i < TOLD; i++)
        if (!sees_all(request, told[i].resource))
            buffer_printf(&hidden, "%s%s", hidden.length > 0 ? "," : "{", told[i].targets);
    if (hidden.length == 0)
        return NULL;
    buffer_byte(&hidden, '}');
    return buffer_string(&hidden);
}

/* NULL: all that the audit log tells of is shown to him; else the action that he lacks. */
static const char *lacks_to_see_all(const struct request *request)
{
    if (!sees_all(request, RESOURCE_ORGANIZATION))
        return kinds[RESOURCE_ORGANIZATION].view;
    for (size_t i = 0; i < TOLD; i++)
        if (!sees_all(request, told[i].resource))
            return kinds[told[i].resource].view;
    return NULL;
}

enum code authorize_request(struct request *request)
{
    const struct route *route = request->route;
    enum named_resource resource = RESOURCE_ACCOUNT;
    const char *name = NULL;
    if (route->for_operator && !request->principal.is_operator)
        return problem_set(
            &request->problem, CODE_ACCESS_DENIED,
            "This shows what is of the whole installation, to identities of its own account alone.");
    if (request->principal.kind == PRINCIPAL_ROOT || route->for_everybody)
        return CODE_OK;
    enum code code = find_resource(request, &resource, &name);
    if (code != CODE_OK)
        return code;
    request->question = (struct policy_question){
        route->action, route->lists != RESOURCE_ACCOUNT ? NULL : name, authorize_context(request)};
    struct policy_decision decision = principal_decide(&request->principal, &request->question);
    const char *lacks = route->shows_all ? lacks_to_see_all(request) : NULL;
    if (decision.effect == POLICY_ALLOWED && lacks != NULL)
        return problem_set(
            &request->problem, CODE_ACCESS_DENIED,
            "This shows what is of all organizations, identities and keys: no policy of this identity"
            " may be about single resources, and %s has to be allowed.",
            lacks);
    if (decision.effect == POLICY_ALLOWED)
        return CODE_OK;
    if (resource != RESOURCE_ACCOUNT && decide(request, kinds[resource].view, name).effect != POLICY_ALLOWED)
        return kinds[resource].missing;
    return explain(request, &decision, route->action, name);
}

struct granter authorize_granter(const struct request *request)
{
    struct granter granter = {.principal = &request->principal,
                              .question = request->question,
                              .reads_policy = kinds[RESOURCE_POLICY].view,
                              .policy_name = authorize_name(request->arena, RESOURCE_POLICY, "",
                                                            request->principal.account_id, "")};
    if (request->principal.kind == PRINCIPAL_ROOT)
        granter.question.context = authorize_context(request);
    return granter;
}

/* --- lists --- */

/* He may list it (where that is asked of each), and he may know that it is there. */
static bool is_visible(const struct request *request, enum named_resource kind, const char *region,
                       const char *id)
{
    const char *name = authorize_name(request->arena, kind, region, request->principal.account_id, id);
    return (request->route->lists != kind ||
            decide(request, request->route->action, name).effect == POLICY_ALLOWED) &&
           decide(request, kinds[kind].view, name).effect == POLICY_ALLOWED;
}

static enum code find_visible(struct request *request, enum named_resource kind, const char **ret_ids)
{
    DB_RESULT result = NULL;
    *ret_ids = NULL;
    if (sees_all(request, kind))
        return CODE_OK;
    enum code code =
        DB_RUN(request->db, &request->problem, &result, &kinds[kind].all, request->principal.account_id);
    if (code != CODE_OK)
        return code;
    struct buffer ids = request_buffer(request);
    buffer_byte(&ids, '{');
    for (int row = 0; row < PQntuples(result); row++) {
        const char *id = PQgetvalue(result, row, 0);
        if (is_visible(request, kind, PQgetvalue(result, row, 1), id))
            buffer_printf(&ids, "%s%s", ids.length > 1 ? "," : "", id);
    }
    buffer_byte(&ids, '}');
    *ret_ids = buffer_string(&ids);
    return CODE_OK;
}

enum code authorize_visible(struct request *request, const char **ret_ids)
{
    return find_visible(request, request->route->lists, ret_ids);
}

enum code authorize_visible_users(struct request *request, const char **ret_ids)
{
    return find_visible(request, RESOURCE_IAM_USER, ret_ids);
}
