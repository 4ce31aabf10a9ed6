#include "model/mobile_device.h"

#include <stdlib.h>
#include <string.h>

#define DETAIL_ROW(member) FIELD_STRING_ROW(struct mobile_device, member, 0, 1, MOBILE_DEVICE_TEXT_MAX)

enum status { PROVISIONING_REQUIRED, PROVISIONING_SUCCEEDED, WIPE_REQUIRED, WIPE_SUCCEEDED, STATUSES };
const char *const mobile_device_statuses[] = {
    [PROVISIONING_REQUIRED] = "PROVISIONING_REQUIRED",
    [PROVISIONING_SUCCEEDED] = "PROVISIONING_SUCCEEDED",
    [WIPE_REQUIRED] = "WIPE_REQUIRED",
    [WIPE_SUCCEEDED] = "WIPE_SUCCEEDED",
    [STATUSES] = NULL,
};
static const char *const requirements[] = {"NONE", "PROVISION", "WIPE", NULL};
static const char *const acknowledgements[] = {"PROVISION", "WIPE", NULL};

/* The columns of the view in db/mobile_device.c, in this order. */
static const struct field device_fields[] = {
    FIELD_READ_ONLY_ROW("device_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("user_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("status", FIELD_ENUM, .values = mobile_device_statuses),
    DETAIL_ROW(type),
    DETAIL_ROW(model),
    DETAIL_ROW(os),
    DETAIL_ROW(os_language),
    DETAIL_ROW(user_agent),
    DETAIL_ROW(imei),
    DETAIL_ROW(phone_number),
    DETAIL_ROW(friendly_name),
    DETAIL_ROW(protocol_version),
    FIELD_READ_ONLY_ROW("first_sync_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("last_sync_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("wipe_requested_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("wiped_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("policy_applied_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("policy_version", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("policy_key", FIELD_STRING),
    FIELD_READ_ONLY_ROW("warnings", FIELD_STRINGS),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table mobile_device_table = FIELD_TABLE("mobile_device", device_fields);

static const struct field sync_fields[] = {
    FIELD_READ_ONLY_ROW("required", FIELD_ENUM, .values = requirements),
    FIELD_READ_ONLY_ROW("policy_key", FIELD_STRING),
    FIELD_READ_ONLY_ROW("policy", FIELD_JSON),
};
const struct field_table mobile_device_sync_table = FIELD_TABLE("mobile_device_sync", sync_fields);

static const struct field acknowledgement_fields[] = {
    FIELD_ENUM_ROW(struct mobile_device_acknowledgement, acknowledged, FIELD_REQUIRED, acknowledgements),
    FIELD_STRING_ROW(struct mobile_device_acknowledgement, policy_key, 0, 1, 10),
};
const struct field_table mobile_device_acknowledgement_table =
    FIELD_TABLE("mobile_device_acknowledgement", acknowledgement_fields);

bool mobile_device_is_id(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return length > 0 && length <= 64 && text[length] == '\0';
}

/* The row of a status; one that is none comes from the database alone, where a constraint forbids it. */
static enum status find(const char *status)
{
    unsigned i = 0;
    while (i < STATUSES && strcmp(mobile_device_statuses[i], status) != 0)
        i++;
    if (i == STATUSES)
        abort();
    return i;
}

struct way {
    enum status to;
    const char *refusal; /* NULL: there is a way */
};
#define TO(status)     \
    {                  \
        .to = (status) \
    }
#define NO_WIPE                             \
    {                                       \
        .refusal = "No wipe was asked for." \
    }
#define TO_BE_WIPED                                        \
    {                                                      \
        .refusal = "It is to be wiped: cancel that first." \
    }
#define WIPED(advice)                           \
    {                                           \
        .refusal = "It has been wiped. " advice \
    }
#define REMOVE_IT "Remove it from the list; when it connects again it is new."

static const struct way ways[STATUSES][MOBILE_DEVICE_EVENTS] = {
    [PROVISIONING_REQUIRED] =
        {
            [DEVICE_SYNCS] = TO(PROVISIONING_REQUIRED),
            [DEVICE_ACKNOWLEDGES_POLICY] = TO(PROVISIONING_SUCCEEDED),
            [DEVICE_ACKNOWLEDGES_WIPE] = NO_WIPE,
            [DEVICE_IS_TO_WIPE] = TO(WIPE_REQUIRED),
            [DEVICE_WIPE_CANCELED] = NO_WIPE,
            [DEVICE_IS_TO_PROVISION] = TO(PROVISIONING_REQUIRED),
        },
    [PROVISIONING_SUCCEEDED] =
        {
            [DEVICE_SYNCS] = TO(PROVISIONING_SUCCEEDED),
            [DEVICE_ACKNOWLEDGES_POLICY] = TO(PROVISIONING_SUCCEEDED),
            [DEVICE_ACKNOWLEDGES_WIPE] = NO_WIPE,
            [DEVICE_IS_TO_WIPE] = TO(WIPE_REQUIRED),
            [DEVICE_WIPE_CANCELED] = NO_WIPE,
            [DEVICE_IS_TO_PROVISION] = TO(PROVISIONING_REQUIRED),
        },
    [WIPE_REQUIRED] =
        {
            [DEVICE_SYNCS] = TO(WIPE_REQUIRED),
            [DEVICE_ACKNOWLEDGES_POLICY] = TO_BE_WIPED,
            [DEVICE_ACKNOWLEDGES_WIPE] = TO(WIPE_SUCCEEDED),
            [DEVICE_IS_TO_WIPE] = TO(WIPE_REQUIRED),
            [DEVICE_WIPE_CANCELED] = TO(PROVISIONING_REQUIRED),
            [DEVICE_IS_TO_PROVISION] = TO_BE_WIPED,
        },
    [WIPE_SUCCEEDED] =
        {
            [DEVICE_SYNCS] = TO(WIPE_REQUIRED), /* to be added again it must be removed from the list */
            [DEVICE_ACKNOWLEDGES_POLICY] = WIPED(REMOVE_IT),
            [DEVICE_ACKNOWLEDGES_WIPE] = TO(WIPE_SUCCEEDED),
            [DEVICE_IS_TO_WIPE] = TO(WIPE_REQUIRED),
            [DEVICE_WIPE_CANCELED] = WIPED("That cannot be undone."),
            [DEVICE_IS_TO_PROVISION] = WIPED(REMOVE_IT),
        },
};

enum code mobile_device_next(const char *status, enum mobile_device_event event, struct problem *problem,
                             const char **ret_status)
{
    const struct way *way = &ways[find(status)][event];
    if (way->refusal != NULL)
        return problem_set(problem, CODE_MOBILE_DEVICE_STATE, "The device is %s. %s", status, way->refusal);
    *ret_status = mobile_device_statuses[way->to];
    return CODE_OK;
}

const char *mobile_device_required(const char *status)
{
    static const char *const required[STATUSES] = {
        [PROVISIONING_REQUIRED] = "PROVISION",
        [PROVISIONING_SUCCEEDED] = "NONE",
        [WIPE_REQUIRED] = "WIPE",
        [WIPE_SUCCEEDED] = "WIPE", /* it is told so when it connects */
    };
    return required[find(status)];
}
