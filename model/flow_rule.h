/* Email flow rules: what becomes of incoming mail, by its sender (behaviour: "Email flow rules"). */
#pragma once

#include "model/field.h"

/* The most restrictive first: of two rules that match alike, the one before wins. */
enum flow_action {
    FLOW_DROP,
    FLOW_BOUNCE,
    FLOW_MOVE_TO_JUNK,
    FLOW_NORMAL_DELIVERY,
    FLOW_BYPASS_SPAM_CHECK,
    FLOW_ACTION_COUNT
};
extern const char *const flow_actions[]; /* NULL after the last */

/* Of one of flow_actions. */
enum flow_action flow_action_of(const char *name);

struct flow_rule {
    const char *name;
    const char *const *sender_patterns;
    const char *action;
    const char *description;
};
extern const struct field_table flow_rule_table;

#define FLOW_RULE_NAME_MAX 128
/* In one request; the limits of the account come before it, unless the operator raised them. */
#define FLOW_RULE_PATTERNS_MAX 10000

/* The most specific first. */
enum flow_pattern_kind {
    FLOW_ADDRESS,  /* local@domain */
    FLOW_DOMAIN,   /* domain: exactly that one */
    FLOW_WILDCARD, /* *.domain: that one and all below it */
    FLOW_PATTERN_KIND_COUNT
};

/* A pattern as it is kept: in lower case, its domain as A-label. On failure ret_detail says in plain words what is wrong. */
bool flow_pattern_parse(struct arena *arena, const char *text, const char **ret_pattern,
                        const char **ret_detail);

/* Of a pattern as it is kept. */
enum flow_pattern_kind flow_pattern_kind(const char *pattern);

/* Parses all patterns in their place; what is wrong with each is added to the problem. */
enum code flow_rule_parse_patterns(struct flow_rule *rule, struct problem *problem);

/* --- testing --- */

#define FLOW_TEST_SENDERS_MAX 100
#define FLOW_TEST_SENDER_MAX  320

struct flow_test {
    const char *sender;
    const char *from;
    const char *const *senders;
};
extern const struct field_table flow_test_table;
extern const struct field_table flow_test_result_table;
