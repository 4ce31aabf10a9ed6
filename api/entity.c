#include "api/entity.h"

#include <string.h>

#include "db/organization.h"
#include "model/email.h"

struct entity_key request_entity(const struct request *request)
{
    return entity_key(request->route->entity, request->arguments[0], request->arguments[1]);
}

enum code queue_entities(struct request *request)
{
    struct entity_query query = {0};

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK && query.q != NULL && request->lane != LANE_SLOW)
        return request_move(request, LANE_SLOW);
    return code == CODE_OK
               ? entity_queue_list(request->db, request->route->entity, request->principal.account_id,
                                   request->arguments[0], &query, &request->problem, &request->list)
               : code;
}

enum code list_entities(struct request *request)
{
    struct buffer body = request_buffer(request);
    const char *next_token;
    enum code code =
        organization_collect_list(request->db, &request->list, &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code queue_entity(struct request *request)
{
    struct entity_key key = request_entity(request);
    entity_queue_view(request->db, request->principal.account_id, &key);
    return CODE_OK;
}

enum code describe_entity(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = entity_collect_view(request->db, request->route->entity, &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code delete_entity(struct request *request)
{
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    enum code code = entity_delete(request->db, &change, &key);
    return response_change(request, &change, code);
}

enum code register_to_workmail(struct request *request)
{
    struct entity_email wanted = {0};
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    enum code code = CODE_OK;
    uint64_t set;

    if (request->body.length > 0)
        code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = entity_enable(request->db, &change, &key, wanted.email);
    return response_change(request, &change, code);
}

enum code deregister_from_workmail(struct request *request)
{
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    enum code code = entity_disable(request->db, &change, &key);
    return response_change(request, &change, code);
}

static enum code change_several(struct request *request, enum entity_action action)
{
    struct entity_ids wanted = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = entity_change_several(request->db, &change, request->route->entity, request->arguments[0],
                                     action, wanted.ids);
    return response_change(request, &change, code);
}

enum code register_several(struct request *request)
{
    return change_several(request, ENTITY_ENABLE);
}

enum code deregister_several(struct request *request)
{
    return change_several(request, ENTITY_DISABLE);
}

enum code delete_several(struct request *request)
{
    return change_several(request, ENTITY_DELETE);
}

/* --- addresses --- */

enum code list_aliases(struct request *request)
{
    struct alias_query query = {0};
    struct entity_key key = request_entity(request);
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = entity_list_aliases(request->db, request->principal.account_id, &key, &query,
                                   &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code create_alias(struct request *request)
{
    struct entity_email wanted = {0};
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = entity_add_alias(request->db, &change, &key, wanted.email);
    return response_change(request, &change, code);
}

enum code delete_alias(struct request *request)
{
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    struct email email;
    const char *detail;

    if (!email_parse_whole(request->arena, request->arguments[2], &email, &detail)) {
        problem_add_parameter(&request->problem, "email", "invalid_format", "%s", detail);
        return CODE_VALIDATION_FAILED;
    }
    enum code code = entity_remove_alias(request->db, &change, &key, email.address);
    return response_change(request, &change, code);
}

enum code update_primary_email_address(struct request *request)
{
    struct entity_email wanted = {0};
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = entity_set_primary_email(request->db, &change, &key, wanted.email);
    return response_change(request, &change, code);
}
