/* Resources: rooms and equipment that can be booked (behaviour: "Resources"). */
#pragma once

#include "model/field.h"

/* What becomes of requests to book it. */
struct booking_options {
    bool auto_accept_requests;
    bool auto_decline_recurring_requests;
    bool auto_decline_conflicting_requests;
};
#define BOOKING_OPTIONS_DEFAULT                                                 \
    {                                                                           \
        .auto_accept_requests = true, .auto_decline_conflicting_requests = true \
    }

struct resource {
    const char *name;
    const char *type;
    const char *description;
    const char *email;
    bool hidden_from_address_list;
    struct booking_options booking_options;
    const char *const *delegate_ids; /* NULL: as they are */
};

#define RESOURCE_NAME_MAX      20
#define RESOURCE_DELEGATES_MAX 100

extern const char *const resource_types[]; /* NULL after the last */
extern const struct field_table resource_table;
extern const struct field_table booking_options_table;
extern const struct field_table delegate_table;

/* A request to book, as far as the options look at it. */
struct booking_request {
    bool recurring;
    bool conflicting;
};
extern const struct field_table booking_request_table;
extern const struct field_table booking_decision_table;

/* ACCEPT, DECLINE or ASK_DELEGATES. The decline rules come first, whether requests are accepted automatically or not. */
const char *resource_decide(const struct booking_options *options, const struct booking_request *request,
                            bool has_delegates, const char **ret_reason);
