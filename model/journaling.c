#include "model/journaling.h"

#include <string.h>

#include "model/email.h"

/* The columns of db/journaling.c, in this order. */
static const struct field fields[] = {
    FIELD_BOOLEAN_ROW(struct journaling, enabled, FIELD_REQUIRED),
    FIELD_STRING_ROW(struct journaling, journaling_address, 0, 1, EMAIL_MAX),
    FIELD_STRING_ROW(struct journaling, report_address, 0, 1, EMAIL_MAX),
    FIELD_READ_ONLY_ROW("sender_address", FIELD_STRING),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table journaling_table = FIELD_TABLE("journaling", fields);

enum code journaling_check(struct journaling *journaling, const char *sender_address, struct problem *problem)
{
    const struct {
        const char *member;
        const char **address;
    } addresses[] = {
        {"journaling_address", &journaling->journaling_address},
        {"report_address", &journaling->report_address},
    };
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        const char *member = addresses[i].member;
        const char **address = addresses[i].address;
        struct email email;
        const char *detail;
        if (*address == NULL) {
            if (journaling->enabled)
                problem_add_member(problem, member, "required",
                                   "Journaling needs both addresses while it is on.");
        } else if (!email_parse_whole(problem->arena, *address, &email, &detail)) {
            problem_add_member(problem, member, "invalid_format", "%s", detail);
        } else if (strcmp(email.address, sender_address) == 0) {
            problem_add_member(problem, member, "invalid_value",
                               "Records come from this address; it has no mailbox.");
        } else {
            *address = email.address;
        }
    }
    return problem->first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}
