#include "api/account.h"

#include "db/account.h"
#include "db/limit.h"
#include "db/usage.h"

enum code describe_account(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = account_describe(request->db, request->principal.account_id, &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code update_account(struct request *request)
{
    struct account patch = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK)
        code = account_update(request->db, &change, &patch, set);
    return response_change(request, &change, code);
}

enum code close_account(struct request *request)
{
    struct account_closing closing = {0};
    struct change change = request_change(request);

    enum code code = request_query(request, &closing);
    if (code == CODE_OK)
        code = account_close(request->db, &change, &closing);
    return response_change(request, &change, code);
}

enum code get_account_usage(struct request *request)
{
    struct usage_query query = {0};
    return request_answer_list(request, &query, &query.page, usage_list);
}

enum code list_limits(struct request *request)
{
    struct buffer body = request_buffer(request);
    enum code code = limit_list(request->db, request->principal.account_id, &request->problem, &body);
    return code == CODE_OK ? response_json(request, 200, &body) : code;
}
