/* What is wrong with an organization, in words for its administrator (behaviour: "Health check"). */
#pragma once

#include "model/field.h"
#include "model/json_out.h"

enum health_severity {
    HEALTH_WARNING,
    HEALTH_ERROR, /* impairs the organization */
};

struct health_issue {
    const char *code;
    enum health_severity severity;
    const char *subject; /* what it is about; NULL when that is the organization itself */
    const char *detail;
    const char *help; /* says what to do */
};

/* What a check of an organization found; grows in an arena. */
struct health_report {
    struct buffer issues; /* JSON */
    int errors;
    const char *first_error;
};

extern const struct field_table health_table;

/* In how many seconds an organization in this state is checked next: about the interval, spread by half of it to either
 * side, so that those made together are not checked together; sooner, if it is long, when there is something to recover
 * from. At least 1. */
int64_t health_next_check_s(int64_t interval_s, const char *state);

/* An empty report. */
void health_begin(struct health_report *report, struct arena *arena);
void health_add(struct health_report *report, const struct health_issue *issue);
/* Makes `issues` whole. Nothing is added afterwards. */
void health_end(struct health_report *report);

/* The errors in a sentence or two; NULL without any. */
const char *health_reason(const struct health_report *report);
