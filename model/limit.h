/* Limits: one row each; the operator may set another value per account (behaviour: "Limits"). */
#pragma once

#include <stdint.h>

#include "model/field.h"

enum limit {
    LIMIT_QUICK_SETUP_ORGANIZATIONS,
    LIMIT_ALIASES_PER_USER,
    LIMIT_TRIAL_USERS,
    LIMIT_TRIAL_DAYS,
    LIMIT_CUSTOM_KEYS,
    LIMIT_DEVICES_PER_USER,
    LIMIT_AVAILABILITY_CONFIGURATIONS,
    LIMIT_SENDER_PATTERNS_PER_RULE,
    LIMIT_SENDER_PATTERNS_PER_ORGANIZATION,
    LIMIT_DOMAINS_PER_ORGANIZATION,
    LIMIT_IAM_USERS,
    LIMIT_IAM_GROUPS,
    LIMIT_POLICIES,
    LIMIT_ACCESS_KEYS_PER_USER,
    LIMIT_POLICIES_PER_IDENTITY,
    LIMIT_GROUPS_PER_USER,
    LIMIT_COUNT
};

struct limit_row {
    const char *code;
    int64_t value;     /* default */
    const char *scope; /* what it counts in */
    const char *error; /* what who reaches it is told; NULL: it is no number of things */
};
extern const struct limit_row limit_rows[LIMIT_COUNT];
extern const struct field_table limit_table;

/* The row of a code; NULL when there is none. */
const struct limit_row *limit_find(const char *code);
