#include "api/dkim.h"

#include "api/mail_domain.h"
#include "db/dkim.h"

enum code get_mail_domain_dkim(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = dkim_get(request->db, request->principal.account_id, request->arguments[0],
                              mail_domain_in_path(request), &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code rotate_mail_domain_dkim(struct request *request)
{
    struct dkim_rotation rotation = {0};
    struct change change = request_change(request);
    enum code code = CODE_OK;
    uint64_t set;

    if (request->body.length > 0)
        code = request_body(request, &rotation, &set);
    if (code == CODE_OK)
        code =
            dkim_rotate(request->db, &change, request->arguments[0], mail_domain_in_path(request), &rotation);
    return response_change(request, &change, code);
}

enum code export_dkim_signing_keys(struct request *request)
{
    struct change change = request_change(request);
    change.if_match = NULL; /* it changes nothing */
    enum code code = dkim_export_keys(request->db, &change, request->arguments[0],
                                      mail_domain_in_path(request), request->if_none_match);
    return response_answer(request, &change.answer, code);
}

/* --- the zone --- */

/* Whether the caller has it as it is now: then that is the answer. */
static enum code answer_known(struct request *request, const char **ret_etag, bool *ret_known)
{
    struct answer answer = request_answer(request);
    enum code code = dkim_zone_find_tag(request->db, &request->problem, &answer.etag);
    if (code != CODE_OK)
        return code;
    *ret_etag = answer.etag;
    *ret_known = request->if_none_match != NULL && tx_names(request->if_none_match, answer.etag, true);
    return *ret_known ? response_answer(request, &answer, code) : CODE_OK;
}

enum code get_dkim_zone(struct request *request)
{
    struct dkim_zone_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token = NULL;
    const char *etag = NULL;
    bool known = false;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = answer_known(request, &etag, &known);
    if (code != CODE_OK || known)
        return code;
    code = dkim_zone_list(request->db, &query, &request->problem, &body, &next_token);
    if (code != CODE_OK)
        return code;
    response_header(request, "ETag", etag);
    return response_page(request, &body, next_token);
}

enum code get_dkim_zone_file(struct request *request)
{
    struct dkim_zone_part part = {.limit = DKIM_ZONE_PART_MAX};
    struct buffer body = request_buffer(request);
    const char *etag = NULL;
    bool known = false;

    enum code code = request_query(request, &part);
    if (code == CODE_OK)
        code = answer_known(request, &etag, &known);
    if (code != CODE_OK || known)
        return code;
    buffer_printf(&body, "; %s\n", etag);
    code = dkim_zone_write_file(request->db, &part, &request->problem, &body);
    if (code != CODE_OK)
        return code;
    response_header(request, "ETag", etag);
    response_json(request, 200, &body);
    request->response.content_type = "text/plain; charset=utf-8";
    return CODE_OK;
}
