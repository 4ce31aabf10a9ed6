#include "model/resource.h"

#include "model/email.h"
#include "model/entity.h"
#include "model/group.h"

#define TEXT_MAX 256

#define RESOURCE_OPTION_ROW(member)                                           \
    {                                                                         \
        .name = "booking_options." #member, .kind = FIELD_BOOLEAN,            \
        .offset = FIELD_OFFSET(struct resource, booking_options.member, bool) \
    }

const char *const resource_types[] = {"ROOM", "EQUIPMENT", NULL};
static const char *const decisions[] = {"ACCEPT", "DECLINE", "ASK_DELEGATES", NULL};

/* The rows that are not write-only are the columns of the view in db/resource.c, in this order. */
static const struct field resource_fields[] = {
    FIELD_READ_ONLY_ROW("resource_id", FIELD_STRING),
    FIELD_STRING_ROW(struct resource, name, FIELD_REQUIRED, 1, RESOURCE_NAME_MAX, .check = entity_check_name),
    FIELD_ENUM_ROW(struct resource, type, FIELD_REQUIRED, resource_types),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = entity_states),
    FIELD_STRING_ROW(struct resource, description, FIELD_NULLABLE, 0, TEXT_MAX),
    FIELD_STRING_ROW(struct resource, email, FIELD_REQUIRED, 1, EMAIL_MAX),
    FIELD_READ_ONLY_ROW("aliases", FIELD_STRINGS),
    FIELD_BOOLEAN_ROW(struct resource, hidden_from_address_list, 0),
    RESOURCE_OPTION_ROW(auto_accept_requests),
    RESOURCE_OPTION_ROW(auto_decline_recurring_requests),
    RESOURCE_OPTION_ROW(auto_decline_conflicting_requests),
    FIELD_READ_ONLY_ROW("delegates", FIELD_JSON),
    FIELD_STRINGS_ROW(struct resource, delegate_ids, FIELD_WRITE_ONLY, 0, RESOURCE_DELEGATES_MAX),
    FIELD_READ_ONLY_ROW("warnings", FIELD_STRINGS),
    FIELD_READ_ONLY_ROW("enabled_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("disabled_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("purge_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table resource_table = FIELD_TABLE("resource", resource_fields);

static const struct field booking_options_fields[] = {
    FIELD_BOOLEAN_ROW(struct booking_options, auto_accept_requests, FIELD_REQUIRED),
    FIELD_BOOLEAN_ROW(struct booking_options, auto_decline_recurring_requests, FIELD_REQUIRED),
    FIELD_BOOLEAN_ROW(struct booking_options, auto_decline_conflicting_requests, FIELD_REQUIRED),
    FIELD_READ_ONLY_ROW("warnings", FIELD_STRINGS),
};
const struct field_table booking_options_table = FIELD_TABLE("booking_options", booking_options_fields);

static const struct field delegate_fields[] = {
    FIELD_READ_ONLY_ROW("entity_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("kind", FIELD_ENUM, .values = member_kinds),
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("display_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("email", FIELD_STRING),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = entity_states),
};
const struct field_table delegate_table = FIELD_TABLE("delegate", delegate_fields);

static const struct field booking_request_fields[] = {
    FIELD_BOOLEAN_ROW(struct booking_request, recurring, 0),
    FIELD_BOOLEAN_ROW(struct booking_request, conflicting, 0),
};
const struct field_table booking_request_table = FIELD_TABLE("booking_request", booking_request_fields);

static const struct field booking_decision_fields[] = {
    FIELD_READ_ONLY_ROW("decision", FIELD_ENUM, .values = decisions),
    FIELD_READ_ONLY_ROW("reason", FIELD_STRING),
    FIELD_READ_ONLY_ROW("delegates", FIELD_JSON),
};
const struct field_table booking_decision_table = FIELD_TABLE("booking_decision", booking_decision_fields);

const char *resource_decide(const struct booking_options *options, const struct booking_request *request,
                            bool has_delegates, const char **ret_reason)
{
    const struct {
        bool applies;
        const char *decision;
        const char *reason;
    } rules[] = {
        {request->recurring && options->auto_decline_recurring_requests, "DECLINE",
         "Recurring requests are declined automatically."},
        {request->conflicting && options->auto_decline_conflicting_requests, "DECLINE",
         "Conflicting requests are declined automatically."},
        {options->auto_accept_requests, "ACCEPT", "All other requests are accepted automatically."},
        {has_delegates, "ASK_DELEGATES", "Nothing is accepted automatically: a delegate decides."},
        {true, "ASK_DELEGATES",
         "Nothing is accepted automatically and there is no delegate: nobody will answer."},
    };
    unsigned rule = 0;
    while (!rules[rule].applies)
        rule++;
    *ret_reason = rules[rule].reason;
    return rules[rule].decision;
}
