#include "api/group.h"

#include <string.h>

#include "api/entity.h"
#include "db/group.h"

enum code create_group(struct request *request)
{
    struct mail_group group = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &group, &set);
    if (code == CODE_OK && group.type != NULL && strcmp(group.type, "GROUP") != 0) {
        problem_add_member(&request->problem, "type", "invalid_value",
                           "Only groups of type GROUP are created; the others come from a directory.");
        return CODE_VALIDATION_FAILED;
    }
    if (code == CODE_OK)
        code = group_create(request->db, &change, request->arguments[0], &group);
    return response_change(request, &change, code);
}

enum code update_group(struct request *request)
{
    struct mail_group patch = {0};
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK)
        code = group_update(request->db, &change, &key, &patch, set);
    return response_change(request, &change, code);
}

enum code list_group_members(struct request *request)
{
    struct member_query query = {0};
    struct entity_key key = request_entity(request);
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK && query.effective && request->lane != LANE_SLOW)
        return request_move(request, LANE_SLOW);
    if (code == CODE_OK)
        code = group_list_members(request->db, request->principal.account_id, &key, &query, &request->problem,
                                  &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code associate_member_to_group(struct request *request)
{
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    enum code code = edge_add(request->db, &change, &edge_member, &key, request->arguments[2]);
    return response_change(request, &change, code);
}

enum code disassociate_member_from_group(struct request *request)
{
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    enum code code = edge_remove(request->db, &change, &edge_member, &key, request->arguments[2]);
    return response_change(request, &change, code);
}

enum code list_groups_for_entity(struct request *request)
{
    struct membership_query query = {0};
    struct entity_key key = request_entity(request);
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK && query.effective && request->lane != LANE_SLOW)
        return request_move(request, LANE_SLOW);
    if (code == CODE_OK)
        code = group_list_of_entity(request->db, request->principal.account_id, &key, &query,
                                    &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}
