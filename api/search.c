#include "api/search.h"

#include "db/search.h"

enum code queue_search(struct request *request)
{
    struct search_query query = {0};

    enum code code = request_list_query(request, &query, &query.page);
    return code == CODE_OK
               ? search_queue_directory(request->db, request->principal.account_id, request->arguments[0],
                                        &query, &request->problem, &request->list)
               : code;
}

enum code queue_address_book(struct request *request)
{
    struct address_book_query query = {0};

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK && query.q != NULL && request->lane != LANE_SLOW)
        return request_move(request, LANE_SLOW);
    return code == CODE_OK
               ? search_queue_address_book(request->db, request->principal.account_id, request->arguments[0],
                                           &query, &request->problem, &request->list)
               : code;
}
