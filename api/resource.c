#include "api/resource.h"

#include "api/entity.h"
#include "db/resource.h"

enum code create_resource(struct request *request)
{
    struct resource resource = {.booking_options = BOOKING_OPTIONS_DEFAULT};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &resource, &set);
    if (code == CODE_OK)
        code = resource_create(request->db, &change, request->arguments[0], &resource);
    return response_change(request, &change, code);
}

enum code update_resource(struct request *request)
{
    struct resource patch = {0};
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK)
        code = resource_update(request->db, &change, &key, &patch, set);
    return response_change(request, &change, code);
}

/* --- booking --- */

enum code get_booking_options(struct request *request)
{
    struct entity_key key = request_entity(request);
    struct answer answer = request_answer(request);
    enum code code = resource_get_booking_options(request->db, request->principal.account_id, &key,
                                                  &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code put_booking_options(struct request *request)
{
    struct booking_options options = {0};
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &options, &set);
    if (code == CODE_OK)
        code = resource_put_booking_options(request->db, &change, &key, &options);
    return response_change(request, &change, code);
}

enum code test_booking_request(struct request *request)
{
    struct booking_request wanted = {0};
    struct entity_key key = request_entity(request);
    struct buffer body = request_buffer(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = resource_test_booking(request->db, request->principal.account_id, &key, &wanted,
                                     &request->problem, &body);
    return code == CODE_OK ? response_json(request, 200, &body) : code;
}

/* --- delegates --- */

enum code list_resource_delegates(struct request *request)
{
    struct delegate_query query = {0};
    struct entity_key key = request_entity(request);
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = resource_list_delegates(request->db, request->principal.account_id, &key, &query,
                                       &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code associate_delegate_to_resource(struct request *request)
{
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    enum code code = edge_add(request->db, &change, &edge_delegate, &key, request->arguments[2]);
    return response_change(request, &change, code);
}

enum code disassociate_delegate_from_resource(struct request *request)
{
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    enum code code = edge_remove(request->db, &change, &edge_delegate, &key, request->arguments[2]);
    return response_change(request, &change, code);
}
