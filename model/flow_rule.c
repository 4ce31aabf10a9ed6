#include "model/flow_rule.h"

#include <string.h>

#include "model/email.h"
#include "model/text.h"

const char *const flow_actions[] = {"DROP", "BOUNCE", "MOVE_TO_JUNK", "NORMAL_DELIVERY", "BYPASS_SPAM_CHECK",
                                    NULL};

enum flow_action flow_action_of(const char *name)
{
    enum flow_action action = FLOW_DROP;
    while (action < FLOW_BYPASS_SPAM_CHECK && strcmp(flow_actions[action], name) != 0)
        action++;
    return action;
}

/* The columns of the view in db/flow_rule.c, in this order. */
static const struct field fields[] = {
    FIELD_READ_ONLY_ROW("flow_rule_id", FIELD_STRING),
    FIELD_STRING_ROW(struct flow_rule, name, FIELD_REQUIRED, 1, FLOW_RULE_NAME_MAX,
                     .check = text_has_no_outer_space),
    FIELD_STRINGS_ROW(struct flow_rule, sender_patterns, FIELD_REQUIRED, 1, FLOW_RULE_PATTERNS_MAX),
    FIELD_ENUM_ROW(struct flow_rule, action, FIELD_REQUIRED, flow_actions),
    FIELD_STRING_ROW(struct flow_rule, description, FIELD_NULLABLE, 0, 256),
    FIELD_READ_ONLY_ROW("warnings", FIELD_STRINGS),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table flow_rule_table = FIELD_TABLE("flow_rule", fields);

static const struct field test_fields[] = {
    FIELD_STRING_ROW(struct flow_test, sender, 0, 1, FLOW_TEST_SENDER_MAX),
    FIELD_STRING_ROW(struct flow_test, from, 0, 1, FLOW_TEST_SENDER_MAX),
    FIELD_STRINGS_ROW(struct flow_test, senders, 0, 1, FLOW_TEST_SENDERS_MAX),
};
const struct field_table flow_test_table = FIELD_TABLE("flow_test", test_fields);

static const struct field result_fields[] = {
    FIELD_READ_ONLY_ROW("sender", FIELD_STRING),
    FIELD_READ_ONLY_ROW("from", FIELD_STRING),
    FIELD_READ_ONLY_ROW("action", FIELD_ENUM, .values = flow_actions),
    FIELD_READ_ONLY_ROW("matched", FIELD_JSON),
    FIELD_READ_ONLY_ROW("losing", FIELD_JSON),
    FIELD_READ_ONLY_ROW("losing_count", FIELD_INTEGER),
};
const struct field_table flow_test_result_table = FIELD_TABLE("flow_test_result", result_fields);

/* --- patterns --- */

#define WILDCARD_DETAIL                                                               \
    "A wildcard stands in front of a domain only, before its first dot: *.domain.com" \
    " is that domain and all of its subdomains."

static bool parse_address(struct arena *arena, const char *text, const char **ret_pattern,
                          const char **ret_detail)
{
    struct email email;
    if (strchr(text, '*') != NULL) { /* RFC 5321 would allow it, but who writes it means something else */
        *ret_detail = WILDCARD_DETAIL " Leave out what is before the @ to name all of a domain.";
        return false;
    }
    if (!email_parse(arena, text, NULL, &email, ret_detail))
        return false;
    *ret_pattern = email.address;
    return true;
}

bool flow_pattern_parse(struct arena *arena, const char *text, const char **ret_pattern,
                        const char **ret_detail)
{
    const char *domain;
    bool is_wildcard = strncmp(text, "*.", 2) == 0;
    if (strchr(text, '@') != NULL)
        return parse_address(arena, text, ret_pattern, ret_detail);
    if (strchr(is_wildcard ? text + 1 : text, '*') != NULL) {
        *ret_detail = WILDCARD_DETAIL;
        return false;
    }
    if (!email_domain_parse(arena, is_wildcard ? text + 2 : text, &domain, ret_detail))
        return false;
    *ret_pattern = is_wildcard ? arena_printf(arena, "*.%s", domain) : domain;
    return true;
}

enum flow_pattern_kind flow_pattern_kind(const char *pattern)
{
    if (strchr(pattern, '@') != NULL)
        return FLOW_ADDRESS;
    return pattern[0] == '*' ? FLOW_WILDCARD : FLOW_DOMAIN;
}

enum code flow_rule_parse_patterns(struct flow_rule *rule, struct problem *problem)
{
    size_t count = 0;
    while (rule->sender_patterns[count] != NULL)
        count++;
    const char **patterns = arena_alloc(problem->arena, (count + 1) * sizeof(*patterns));
    for (size_t i = 0; i < count; i++) {
        const char *detail;
        if (!flow_pattern_parse(problem->arena, rule->sender_patterns[i], &patterns[i], &detail))
            problem_add_part(problem, "sender_patterns", arena_printf(problem->arena, "%zu", i),
                             "invalid_format", "%s", detail);
    }
    rule->sender_patterns = patterns;
    return problem->first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}
