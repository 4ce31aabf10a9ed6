#include "api/key.h"

#include "api/authorize.h"
#include "db/master_key.h"

enum code create_key(struct request *request)
{
    struct key key = {0};
    struct change change = request_change(request);
    enum code code = CODE_OK;
    uint64_t set;

    if (request->body.length > 0)
        code = request_body(request, &key, &set);
    if (code == CODE_OK)
        code = master_key_create(request->db, &change, &key);
    return response_change(request, &change, code);
}

enum code list_keys(struct request *request)
{
    struct key_query query = {0};
    return request_answer_list(request, &query, &query.page, master_key_list);
}

enum code describe_key(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = master_key_describe(request->db, request->principal.account_id, request->arguments[0],
                                         &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code update_key(struct request *request)
{
    struct key patch = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK)
        code = master_key_update(request->db, &change, request->arguments[0], &patch, set);
    return response_change(request, &change, code);
}
