#include "api/operation.h"

#include "api/authorize.h"
#include "db/cancel.h"
#include "db/operation.h"

enum code list_operations(struct request *request)
{
    struct operation_query query = {0};
    return request_answer_list(request, &query, &query.page, operation_list);
}

enum code describe_operation(struct request *request)
{
    struct answer answer = request_answer(request);
    const char *visible;
    enum code code = authorize_visible(request, &visible);
    if (code != CODE_OK)
        return code;
    operation_queue(request->db, request->principal.account_id, visible, request->arguments[0]);
    code = operation_collect(request->db, &request->problem, &answer.body, &request->operation_over);
    request->operation_id = request->arguments[0];
    return response_answer(request, &answer, code);
}

enum code cancel_operation(struct request *request)
{
    struct change change = request_change(request);
    const char *visible;
    enum code code = authorize_visible(request, &visible);
    if (code == CODE_OK)
        code = operation_stop(request->db, &change, visible, request->arguments[0]);
    return response_change(request, &change, code);
}
