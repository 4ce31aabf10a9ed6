#include "api/operation.h"

#include "db/cancel.h"
#include "db/operation.h"

enum code list_operations(struct request *request)
{
    struct operation_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = operation_list(request->db, request->principal.account_id, &query, &request->problem, &body,
                              &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code describe_operation(struct request *request)
{
    struct answer answer = request_answer(request);
    operation_queue(request->db, request->principal.account_id, request->arguments[0]);
    enum code code =
        operation_collect(request->db, &request->problem, &answer.body, &request->operation_over);
    request->operation_id = request->arguments[0];
    return response_answer(request, &answer, code);
}

enum code cancel_operation(struct request *request)
{
    struct change change = request_change(request);
    enum code code = operation_stop(request->db, &change, request->arguments[0]);
    return response_change(request, &change, code);
}
