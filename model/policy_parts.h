/* What a compiled policy consists of: between model/policy_compile.c, which makes it, and model/policy.c, which asks it. */
#pragma once

#include "model/network.h"
#include "model/pattern.h"
#include "model/policy.h"

enum policy_key {
    POLICY_SOURCE_ADDRESS,
    POLICY_TIME,
    POLICY_TLS,
    POLICY_USER_NAME,
    POLICY_USER_ID,
    POLICY_ACCOUNT
};

enum policy_operator {
    POLICY_STRING_EQUALS,
    POLICY_STRING_LIKE,
    POLICY_IN_NETWORK,
    POLICY_BEFORE,
    POLICY_BEFORE_OR_AT,
    POLICY_AT,
    POLICY_BOOL
};

union policy_value {
    const char *text;
    struct network network;
    int64_t time;
    bool flag;
};

struct policy_condition {
    enum policy_key key;
    enum policy_operator operator;
    bool negated;
    const union policy_value *values; /* one of them is enough */
    size_t count;
};

struct policy_patterns {
    const struct pattern *list;
    size_t count;
    size_t here;  /* the first ones; those behind them are of services that are not here, and never match */
    bool negated; /* NotAction, NotResource */
};

struct policy_statement {
    const char *sid;
    bool allows;
    struct policy_patterns actions; /* in lower case */
    struct policy_patterns resources;
    const struct policy_condition *conditions; /* all of them hold */
    size_t condition_count;
};

struct policy {
    const struct policy_statement *statements;
    size_t count;
};
