#include "api/mobile_policy.h"

#include "api/request.h"
#include "db/mobile_policy.h"

enum code queue_mobile_policy(struct request *request)
{
    mobile_policy_queue(request->db, request->principal.account_id, request->arguments[0]);
    return CODE_OK;
}

enum code get_mobile_policy(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = mobile_policy_collect(request->db, &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code put_mobile_policy(struct request *request)
{
    struct mobile_policy policy = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &policy, &set);
    if (code == CODE_OK)
        code = mobile_policy_check(&policy, &request->problem);
    if (code == CODE_OK)
        code = mobile_policy_put(request->db, &change, request->arguments[0], &policy);
    return response_change(request, &change, code);
}

enum code get_mobile_policy_provision_doc(struct request *request)
{
    struct mobile_policy policy = {0};
    struct answer answer = request_answer(request);

    enum code code = mobile_policy_collect_struct(request->db, &request->problem, &policy, &answer.etag);
    if (code == CODE_OK)
        mobile_policy_write_provision_doc(&policy, &answer.body);
    code = response_answer(request, &answer, code);
    if (code == CODE_OK && request->response.status == 200)
        request->response.content_type = "application/xml";
    return code;
}
