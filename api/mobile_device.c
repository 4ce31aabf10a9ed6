#include "api/mobile_device.h"

#include <string.h>

#include "api/entity.h"
#include "db/mobile_device.h"

static struct mobile_device_key request_device(const struct request *request)
{
    return (struct mobile_device_key){request_entity(request), request->arguments[2]};
}

enum code list_mobile_devices(struct request *request)
{
    struct mobile_device_query query = {0};
    struct entity_key user = request_entity(request);
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = mobile_device_list(request->db, request->principal.account_id, &user, &query,
                                  &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code queue_mobile_device(struct request *request)
{
    struct mobile_device_key key = request_device(request);
    mobile_device_queue_view(request->db, request->principal.account_id, &key);
    return CODE_OK;
}

enum code describe_mobile_device(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = mobile_device_collect_view(request->db, &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code remove_mobile_device(struct request *request)
{
    struct mobile_device_key key = request_device(request);
    struct change change = request_change(request);
    enum code code = mobile_device_remove(request->db, &change, &key);
    return response_change(request, &change, code);
}

static enum code ask(struct request *request, enum mobile_device_event event)
{
    struct mobile_device_key key = request_device(request);
    struct change change = request_change(request);
    enum code code = mobile_device_ask(request->db, &change, &key, event);
    return response_change(request, &change, code);
}

enum code wipe_mobile_device(struct request *request)
{
    return ask(request, DEVICE_IS_TO_WIPE);
}

enum code cancel_mobile_device_wipe(struct request *request)
{
    return ask(request, DEVICE_WIPE_CANCELED);
}

enum code provision_mobile_device(struct request *request)
{
    return ask(request, DEVICE_IS_TO_PROVISION);
}

/* --- the gateway's side --- */

enum code sync_mobile_device(struct request *request)
{
    struct mobile_device device = {0};
    struct mobile_device_key key = request_device(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request->body.length > 0 ? request_body(request, &device, &set) : CODE_OK;
    if ((code == CODE_OK || code == CODE_VALIDATION_FAILED) && !mobile_device_is_id(key.device_id)) {
        problem_add_parameter(&request->problem, "device_id", "invalid_format",
                              "1 to 64 letters, digits, underscores and hyphens.");
        code = CODE_VALIDATION_FAILED;
    }
    if (code == CODE_OK)
        code = mobile_device_sync(request->db, &change, &key, &device);
    return response_change(request, &change, code);
}

enum code acknowledge_mobile_device(struct request *request)
{
    struct mobile_device_acknowledgement wanted = {0};
    struct mobile_device_key key = request_device(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK && strcmp(wanted.acknowledged, "PROVISION") == 0 && wanted.policy_key == NULL) {
        problem_add_member(&request->problem, "policy_key", "required",
                           "It says which policy was applied: the one that SyncMobileDevice answered.");
        code = CODE_VALIDATION_FAILED;
    }
    if (code == CODE_OK)
        code = mobile_device_acknowledge(request->db, &change, &key, &wanted);
    return response_change(request, &change, code);
}
