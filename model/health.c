#include "model/health.h"

#include <stdlib.h>
#include <string.h>

#include "model/organization.h"

#define IMPAIRED_MAX_S 3600

/* The columns of the view in db/organization_health.c, in this order. */
static const struct field fields[] = {
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = organization_states),
    FIELD_READ_ONLY_ROW("checked_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("next_check_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("issues", FIELD_JSON),
};
const struct field_table health_table = FIELD_TABLE("health", fields);

int64_t health_next_check_s(int64_t interval_s, const char *state)
{
    if (strcmp(state, "IMPAIRED") == 0 && interval_s > IMPAIRED_MAX_S)
        interval_s = IMPAIRED_MAX_S;
    int64_t delay_s = interval_s / 2 + random() % interval_s;
    return delay_s > 0 ? delay_s : 1;
}

void health_begin(struct health_report *report, struct arena *arena)
{
    *report = (struct health_report){.issues.arena = arena};
    out_begin_array(&report->issues);
}

void health_add(struct health_report *report, const struct health_issue *issue)
{
    static const char *const severities[] = {[HEALTH_WARNING] = "WARNING", [HEALTH_ERROR] = "ERROR"};
    struct buffer *out = &report->issues;

    out_begin_object(out);
    out_member(out, "code", issue->code);
    out_member(out, "severity", severities[issue->severity]);
    out_member(out, "subject", issue->subject);
    out_member(out, "detail", issue->detail);
    out_member(out, "help", issue->help);
    out_end_object(out);
    if (issue->severity != HEALTH_ERROR)
        return;
    if (report->errors++ == 0)
        report->first_error = arena_string(out->arena, issue->detail);
}

void health_end(struct health_report *report)
{
    out_end_array(&report->issues);
}

const char *health_reason(const struct health_report *report)
{
    if (report->errors < 2)
        return report->first_error;
    return arena_printf(report->issues.arena, "%s This is one of %d errors that the health check found.",
                        report->first_error, report->errors);
}
