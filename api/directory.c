#include "api/directory.h"

#include "db/directory.h"

enum code list_directories(struct request *request)
{
    struct directory_query query = {0};
    return request_answer_list(request, &query, &query.page, directory_list);
}

enum code describe_directory(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = directory_describe(request->db, request->principal.account_id, request->arguments[0],
                                        &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code delete_directory(struct request *request)
{
    struct change change = request_change(request);
    enum code code = directory_delete(request->db, &change, request->arguments[0]);
    return response_change(request, &change, code);
}
