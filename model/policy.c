#include "model/policy.h"

#include <stdlib.h>
#include <string.h>

#include "model/policy_parts.h"

#define ACTION_MAX 128

/* --- deciding --- */

static bool has_pattern_for(const struct policy_patterns *patterns, const char *text, size_t length)
{
    for (size_t i = 0; i < patterns->here; i++)
        if (pattern_may_take(&patterns->list[i], text, length) &&
            pattern_takes(&patterns->list[i], text, length))
            return !patterns->negated;
    return patterns->negated;
}

/* What a condition compares; made once for a question, when the first condition asks. */
struct facts {
    const struct policy_context *context;
    bool has_address, reads_address;
    struct network address;
};

static const char *text_of(const struct policy_context *context, enum policy_key key)
{
    return key == POLICY_USER_NAME ? context->user_name
           : key == POLICY_USER_ID ? context->user_id
                                   : context->account_id;
}

static bool is_in_network(struct facts *facts, const struct network *network)
{
    if (!facts->reads_address) {
        facts->reads_address = true;
        facts->has_address = network_read(facts->context->source_address, &facts->address);
    }
    return facts->has_address && network_contains(network, &facts->address);
}

static bool holds_for(struct facts *facts, const struct policy_condition *condition,
                      const union policy_value *value)
{
    const struct policy_context *context = facts->context;
    switch (condition->operator) {
    case POLICY_STRING_EQUALS:
        return strcmp(value->text, text_of(context, condition->key)) == 0;
    case POLICY_STRING_LIKE:
        return pattern_matches(value->text, text_of(context, condition->key));
    case POLICY_IN_NETWORK:
        return is_in_network(facts, &value->network);
    case POLICY_BEFORE:
        return context->now < value->time;
    case POLICY_BEFORE_OR_AT:
        return context->now <= value->time;
    case POLICY_AT:
        return context->now == value->time;
    case POLICY_BOOL:
        return context->is_secure == value->flag;
    }
    return false;
}

static bool condition_holds(struct facts *facts, const struct policy_condition *condition)
{
    bool holds = false;
    for (size_t i = 0; i < condition->count && !holds; i++)
        holds = holds_for(facts, condition, &condition->values[i]);
    return holds != condition->negated;
}

static bool conditions_hold(struct facts *facts, const struct policy_statement *statement)
{
    for (size_t i = 0; i < statement->condition_count; i++)
        if (!condition_holds(facts, &statement->conditions[i]))
            return false;
    return true;
}

static bool is_for_all(const struct policy_patterns *resources)
{
    for (size_t i = 0; i < resources->count && !resources->negated; i++)
        if (strcmp(resources->list[i].text, "*") == 0)
            return true;
    return resources->negated && resources->count == 0;
}

/* Where any resource would do, an Allow has one; a Deny is in the way only when it is for all. */
static bool is_about(const struct policy_statement *statement, const char *resource, size_t length)
{
    if (resource != NULL)
        return has_pattern_for(&statement->resources, resource, length);
    return statement->allows || is_for_all(&statement->resources);
}

struct policy_decision policy_decide(const struct policy *const *policies, size_t count,
                                     const struct policy_question *question)
{
    struct policy_decision decision = {.effect = POLICY_NOT_ALLOWED};
    struct facts facts = {.context = &question->context};
    char action[ACTION_MAX];
    size_t length = strlen(question->action);
    size_t resource_length = question->resource != NULL ? strlen(question->resource) : 0;
    if (length >= sizeof(action))
        return decision;
    for (size_t i = 0; i <= length; i++) {
        char c = question->action[i];
        action[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    for (size_t p = 0; p < count; p++) {
        for (size_t s = 0; s < policies[p]->count; s++) {
            const struct policy_statement *statement = &policies[p]->statements[s];
            if ((statement->allows && decision.effect == POLICY_ALLOWED) ||
                !has_pattern_for(&statement->actions, action, length) ||
                !is_about(statement, question->resource, resource_length) ||
                !conditions_hold(&facts, statement))
                continue;
            decision = (struct policy_decision){.effect = statement->allows ? POLICY_ALLOWED : POLICY_DENIED,
                                                .policy = p,
                                                .statement = s,
                                                .sid = statement->sid};
            if (!statement->allows)
                return decision;
        }
    }
    return decision;
}

/* --- what is held --- */

/* What a negated list leaves is taken for all where that is the careful side. */
static const struct pattern everything[] = {{.text = "*", .length = 1}};
static struct policy_patterns at_most(const struct policy_patterns *patterns)
{
    return patterns->negated ? (struct policy_patterns){.list = everything, .count = 1, .here = 1}
                             : *patterns;
}

/* Certainly all of `pattern`. */
static bool covers(const struct policy_patterns *patterns, const char *pattern)
{
    if (patterns->negated) {
        for (size_t i = 0; i < patterns->count; i++)
            if (pattern_meets(patterns->list[i].text, pattern))
                return false;
        return true;
    }
    for (size_t i = 0; i < patterns->count; i++)
        if (pattern_contains(patterns->list[i].text, pattern))
            return true;
    return false;
}

/* Maybe something of `pattern`. */
static bool touches(const struct policy_patterns *patterns, const char *pattern)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (patterns->negated && pattern_contains(patterns->list[i].text, pattern))
            return false;
        if (!patterns->negated && pattern_meets(patterns->list[i].text, pattern))
            return true;
    }
    return patterns->negated;
}

static bool touches_some(const struct policy_patterns *held, const struct policy_patterns *granted)
{
    for (size_t i = 0; i < granted->count; i++)
        if (touches(held, granted->list[i].text))
            return true;
    return false;
}

/* Whether a Deny, with a condition or not, may meet some of it. */
static bool is_denied_in_part(const struct policy *const *held, size_t count,
                              const struct policy_patterns *actions, const struct policy_patterns *resources)
{
    for (size_t p = 0; p < count; p++) {
        for (size_t s = 0; s < held[p]->count; s++) {
            const struct policy_statement *statement = &held[p]->statements[s];
            if (!statement->allows && touches_some(&statement->actions, actions) &&
                touches_some(&statement->resources, resources))
                return true;
        }
    }
    return false;
}

/* Notes in `allowed`, a row for each action, the resources on which the statement allows it; `covered` is for one row. */
static void note_allowed(const struct policy_statement *statement, const struct policy_patterns *actions,
                         const struct policy_patterns *resources, bool *covered, bool *allowed)
{
    for (size_t r = 0; r < resources->count; r++)
        covered[r] = covers(&statement->resources, resources->list[r].text);
    for (size_t a = 0; a < actions->count; a++, allowed += resources->count)
        if (covers(&statement->actions, actions->list[a].text))
            for (size_t r = 0; r < resources->count; r++)
                allowed[r] |= covered[r];
}

/* Whether each action on each resource lies within an Allow. Each pattern is compared once with each that is held: a
 * document has room for half a million pairs. */
static bool are_all_allowed(const struct policy *const *held, size_t count,
                            const struct policy_patterns *actions, const struct policy_patterns *resources)
{
    size_t pairs = actions->count * resources->count;
    bool *allowed = calloc(pairs + resources->count + 1, sizeof(bool));
    if (allowed == NULL)
        abort();
    for (size_t p = 0; p < count; p++)
        for (size_t s = 0; s < held[p]->count; s++)
            if (held[p]->statements[s].allows && held[p]->statements[s].condition_count == 0)
                note_allowed(&held[p]->statements[s], actions, resources, allowed + pairs, allowed);
    bool all = memchr(allowed, 0, pairs) == NULL;
    free(allowed);
    return all;
}

static bool is_statement_held(const struct policy *const *held, size_t count,
                              const struct policy_statement *statement)
{
    struct policy_patterns actions = at_most(&statement->actions);
    struct policy_patterns resources = at_most(&statement->resources);
    return !is_denied_in_part(held, count, &actions, &resources) &&
           are_all_allowed(held, count, &actions, &resources);
}

bool policy_is_held(const struct policy *const *held, size_t count, const struct policy *granted,
                    size_t *ret_statement)
{
    for (size_t i = 0; i < granted->count; i++) {
        if (granted->statements[i].allows && !is_statement_held(held, count, &granted->statements[i])) {
            *ret_statement = i;
            return false;
        }
    }
    return true;
}

/* --- what a policy is like --- */

bool policy_has_deny(const struct policy *policy)
{
    for (size_t i = 0; i < policy->count; i++)
        if (!policy->statements[i].allows)
            return true;
    return false;
}

bool policy_has_allow(const struct policy *policy)
{
    for (size_t i = 0; i < policy->count; i++)
        if (policy->statements[i].allows)
            return true;
    return false;
}

/* arn:aws:workmail:<region>:…; identities have none. */
static bool names_region(const char *pattern)
{
    const char *at = pattern;
    if (strncmp(pattern, "arn:aws:iam:", 12) == 0)
        return false;
    for (unsigned colons = 0; colons < 3; colons++) {
        at += strcspn(at, ":*?");
        if (*at != ':') /* a wildcard that may stand for a colon or for the region too, or the end */
            return *at != '\0' && pattern[strspn(pattern, "*")] != '\0';
        at++;
    }
    return strncmp(at, "*:", 2) != 0 && strcmp(at, "*") != 0;
}

bool policy_names_region(const struct policy *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct policy_patterns *resources = &policy->statements[i].resources;
        for (size_t r = 0; r < resources->count; r++)
            if (names_region(resources->list[r].text))
                return true;
    }
    return false;
}

bool policy_is_for_all_resources(const struct policy *policy)
{
    for (size_t i = 0; i < policy->count; i++)
        if (!is_for_all(&policy->statements[i].resources))
            return false;
    return true;
}
