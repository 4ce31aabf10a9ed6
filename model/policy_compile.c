#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "model/json_out.h"
#include "model/policy_parts.h"
#include "model/text.h"

#define SID_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define SID_MAX        64

/* What actions of this service begin with; others are kept for those who bring their documents along. */
static const char *const prefixes[] = {"workmail", "iam", "kms", "ds", "ses"};

static const struct {
    const char *name;
    enum policy_key key;
} keys[] = {
    {"aws:SourceIp", POLICY_SOURCE_ADDRESS}, {"aws:CurrentTime", POLICY_TIME},
    {"aws:SecureTransport", POLICY_TLS},     {"aws:username", POLICY_USER_NAME},
    {"aws:userid", POLICY_USER_ID},          {"aws:PrincipalAccount", POLICY_ACCOUNT},
};

static const struct {
    const char *name;
    enum policy_operator operator;
    bool negated;
} operators[] = {
    {"StringEquals", POLICY_STRING_EQUALS, false},
    {"StringNotEquals", POLICY_STRING_EQUALS, true},
    {"StringLike", POLICY_STRING_LIKE, false},
    {"StringNotLike", POLICY_STRING_LIKE, true},
    {"IpAddress", POLICY_IN_NETWORK, false},
    {"NotIpAddress", POLICY_IN_NETWORK, true},
    {"DateLessThan", POLICY_BEFORE, false},
    {"DateGreaterThanEquals", POLICY_BEFORE, true},
    {"DateLessThanEquals", POLICY_BEFORE_OR_AT, false},
    {"DateGreaterThan", POLICY_BEFORE_OR_AT, true},
    {"DateEquals", POLICY_AT, false},
    {"DateNotEquals", POLICY_AT, true},
    {"Bool", POLICY_BOOL, false},
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

struct compiler {
    struct arena *arena;
    const char *principal; /* whose statements are kept; NULL: statements name none */
    struct problem *problem;
    struct buffer *warnings;
};

#define AT(compiler, ...) arena_printf((compiler)->problem->arena, __VA_ARGS__)

/* One or many: a value that stands alone is a list of one. */
static size_t list_size(const json_t *value)
{
    return json_is_array(value) ? json_array_size(value) : 1;
}

static const json_t *list_item(const json_t *value, size_t i)
{
    return json_is_array(value) ? json_array_get(value, i) : value;
}

static const char *list_place(const struct compiler *c, const char *place, const json_t *value, size_t i)
{
    return json_is_array(value) ? AT(c, "%s/%zu", place, i) : place;
}

static void warn(const struct compiler *c, const char *place, const char *code, const char *detail)
{
    if (c->warnings == NULL)
        return;
    out_begin_object(c->warnings);
    out_member(c->warnings, "pointer", place);
    out_member(c->warnings, "code", code);
    out_member(c->warnings, "detail", detail);
    out_end_object(c->warnings);
}

/* --- actions and resources --- */

static bool is_all(const char *pattern)
{
    return pattern[strspn(pattern, "*")] == '\0';
}

/* Whether some action of ours can be meant. */
static bool is_known_action(const struct compiler *c, const char *action)
{
    const char *colon = strchr(action, ':');
    if (is_all(action))
        return true;
    if (colon == NULL)
        return false;
    const char *prefix = arena_copy(c->arena, action, (size_t)(colon - action));
    for (size_t i = 0; i < COUNT(prefixes); i++)
        if (pattern_matches(prefix, prefixes[i]))
            return true;
    return false;
}

/* NULL: it is kept in the document, and is no action anywhere. One of a service that is not here is not either, but a later
 * release may have it: who gives it must hold it. */
static const char *compile_action(const struct compiler *c, const char *text, const char *place,
                                  bool *ret_here)
{
    const char *action = pattern_normal(c->arena, text_lower(c->arena, text));
    bool has_colon = strchr(action, ':') != NULL;
    *ret_here = is_known_action(c, action);
    if (*ret_here)
        return action;
    warn(c, place, has_colon ? "unknown_prefix" : "action_without_colon",
         has_colon ? "No action of this service has this prefix; it never matches."
                   : "An action is written prefix:Name; this one never matches.");
    return has_colon ? action : NULL;
}

static const char *compile_resource(const struct compiler *c, const char *text, const char *place,
                                    bool *ret_here)
{
    *ret_here = true;
    if (text[0] != '*' && strncmp(text, "arn:", 4) != 0)
        problem_add_at(c->problem, place, "invalid_format",
                       "A resource is `*` or begins with `arn:`, like "
                       "arn:aws:workmail:us-east-1:123456789012:organization/m-….");
    else if (strstr(text, "${") != NULL)
        problem_add_at(c->problem, place, "not_supported", "Variables (${…}) are not known here.");
    else
        return pattern_normal(c->arena, text);
    return NULL;
}

typedef const char *compile_pattern(const struct compiler *c, const char *text, const char *place,
                                    bool *ret_here);

static void add_pattern(struct policy_patterns *patterns, struct pattern *list, struct pattern pattern,
                        bool is_here)
{
    size_t at = patterns->count++;
    if (is_here) {
        list[at] = list[patterns->here];
        at = patterns->here++;
    }
    list[at] = pattern;
}

/* Action or NotAction, Resource or NotResource: one of the two. */
static void compile_patterns(const struct compiler *c, const json_t *statement, const char *place,
                             const char *name, const char *negated_name, compile_pattern *compile,
                             struct policy_patterns *patterns)
{
    const json_t *value = json_object_get(statement, name);
    const json_t *negated = json_object_get(statement, negated_name);
    if ((value == NULL) == (negated == NULL)) {
        problem_add_at(c->problem, place, value == NULL ? "required" : "invalid_value",
                       "A statement has either %s or %s.", name, negated_name);
        return;
    }
    patterns->negated = value == NULL;
    if (value == NULL)
        value = negated;
    place = AT(c, "%s/%s", place, patterns->negated ? negated_name : name);

    size_t size = list_size(value);
    struct pattern *list = arena_alloc(c->arena, (size + 1) * sizeof(*list));
    if (size == 0)
        problem_add_at(c->problem, place, "too_short", "At least one.");
    for (size_t i = 0; i < size; i++) {
        const json_t *item = list_item(value, i);
        const char *item_place = list_place(c, place, value, i);
        if (!json_is_string(item) || json_string_length(item) == 0) {
            problem_add_at(c->problem, item_place, "wrong_type",
                           "A text that is not empty, or a list of them.");
            continue;
        }
        bool is_here = false;
        const char *pattern = compile(c, json_string_value(item), item_place, &is_here);
        if (pattern != NULL)
            add_pattern(patterns, list, pattern_prepare(pattern), is_here);
    }
    patterns->list = list;
}

/* --- conditions --- */

/* A day alone begins at midnight. */
static bool read_time(const struct compiler *c, const char *text, int64_t *ret_time)
{
    return text_read_time(strlen(text) == 10 ? arena_printf(c->arena, "%sT00:00:00Z", text) : text, ret_time);
}

/* NULL: good; else what the value should be. */
static const char *compile_value(const struct compiler *c, enum policy_operator operator, const json_t * item,
                                 union policy_value *value)
{
    const char *text = json_string_value(item);
    switch (operator) {
    case POLICY_STRING_EQUALS:
    case POLICY_STRING_LIKE:
        if (text == NULL || strstr(text, "${") != NULL)
            return "A text, without variables (${…}).";
        value->text = operator== POLICY_STRING_LIKE ? pattern_normal(c->arena, text)
                                                    : arena_string(c->arena, text);
        return NULL;
    case POLICY_IN_NETWORK:
        return text != NULL && network_read(text, &value->network)
                   ? NULL
                   : "An IP address or a network like 10.0.0.0/8 or 2001:db8::/32, without bits behind its length.";
    case POLICY_BEFORE:
    case POLICY_BEFORE_OR_AT:
    case POLICY_AT:
        return text != NULL && read_time(c, text, &value->time) ? NULL : "A time like 2026-11-23T10:00:00Z.";
    case POLICY_BOOL:
        value->flag = json_is_true(item) || (text != NULL && strcmp(text, "true") == 0);
        return value->flag || json_is_false(item) || (text != NULL && strcmp(text, "false") == 0)
                   ? NULL
                   : "true or false.";
    }
    return "";
}

/* Whether the key has values that the operator compares. */
static bool fits(enum policy_operator operator, enum policy_key key)
{
    switch (key) {
    case POLICY_SOURCE_ADDRESS:
        return operator== POLICY_IN_NETWORK;
    case POLICY_TIME:
        return operator== POLICY_BEFORE || operator== POLICY_BEFORE_OR_AT || operator== POLICY_AT;
    case POLICY_TLS:
        return operator== POLICY_BOOL;
    case POLICY_USER_NAME:
    case POLICY_USER_ID:
    case POLICY_ACCOUNT:
        return operator== POLICY_STRING_EQUALS || operator== POLICY_STRING_LIKE;
    }
    return false;
}

/* A condition that nobody understands would be one that nobody checks: it is refused. */
static bool find_key(const struct compiler *c, const char *name, const char *place, enum policy_key *ret_key)
{
    struct buffer known = {.arena = c->problem->arena};
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strcasecmp(keys[i].name, name) == 0) {
            *ret_key = keys[i].key;
            return true;
        }
        buffer_printf(&known, "%s%s", i > 0 ? ", " : "", keys[i].name);
    }
    problem_add_at(c->problem, place, "unknown_key", "Conditions here are about: %s.", buffer_string(&known));
    return false;
}

static void compile_condition(const struct compiler *c, size_t row, const char *name, const json_t *value,
                              const char *place, struct policy_condition *condition)
{
    size_t size = list_size(value);
    union policy_value *values = arena_alloc(c->arena, (size + 1) * sizeof(*values));
    if (!find_key(c, name, place, &condition->key))
        return;
    if (!fits(operators[row].operator, condition->key))
        problem_add_at(c->problem, place, "invalid_value", "%s does not compare values of this key.",
                       operators[row].name);
    else if (size == 0)
        problem_add_at(c->problem, place, "too_short", "At least one value.");
    else
        for (size_t i = 0; i < size; i++) {
            const char *wanted = compile_value(c, operators[row].operator, list_item(value, i), &values[i]);
            if (wanted != NULL)
                problem_add_at(c->problem, list_place(c, place, value, i), "invalid_value", "%s", wanted);
        }
    condition->operator= operators[row].operator;
    condition->negated = operators[row].negated;
    condition->values = values;
    condition->count = size;
}

static size_t find_operator(const struct compiler *c, const char *name, const char *place)
{
    struct buffer known = {.arena = c->problem->arena};
    for (size_t i = 0; i < COUNT(operators); i++) {
        if (strcmp(operators[i].name, name) == 0)
            return i;
        buffer_printf(&known, "%s%s", i > 0 ? ", " : "", operators[i].name);
    }
    problem_add_at(c->problem, place, "unknown_operator", "One of: %s.", buffer_string(&known));
    return COUNT(operators);
}

static void compile_conditions(const struct compiler *c, const json_t *value, const char *place,
                               struct policy_statement *statement)
{
    const char *operator_name, *key;
    const json_t *tests, *values;
    size_t count = 0;

    if (!json_is_object(value)) {
        problem_add_at(c->problem, place, "wrong_type", "An object: {operator: {key: values}}.");
        return;
    }
    json_object_foreach ((json_t *)(uintptr_t)value, operator_name, tests) {
        count += json_object_size(tests);
    }
    struct policy_condition *conditions = arena_alloc(c->arena, (count + 1) * sizeof(*conditions));
    json_object_foreach ((json_t *)(uintptr_t)value, operator_name, tests) {
        const char *operator_place = AT(c, "%s/%s", place, problem_escape(c->problem->arena, operator_name));
        size_t row = find_operator(c, operator_name, operator_place);
        if (row == COUNT(operators))
            continue;
        if (json_object_size(tests) == 0)
            problem_add_at(c->problem, operator_place, "wrong_type", "An object: {key: values}.");
        json_object_foreach ((json_t *)(uintptr_t)tests, key, values) {
            compile_condition(c, row, key, values,
                              AT(c, "%s/%s", operator_place, problem_escape(c->problem->arena, key)),
                              &conditions[statement->condition_count++]);
        }
    }
    statement->conditions = conditions;
}

/* --- statements --- */

static void compile_sid(const struct compiler *c, const json_t *value, const char *place,
                        struct policy_statement *statement)
{
    const char *sid = json_string_value(value);
    if (sid == NULL || *sid == '\0' || strlen(sid) > SID_MAX || strspn(sid, SID_CHARACTERS) != strlen(sid))
        problem_add_at(c->problem, place, "invalid_format", "1 to %d letters and digits.", SID_MAX);
    else
        statement->sid = arena_string(c->arena, sid);
}

static void compile_effect(const struct compiler *c, const json_t *value, const char *place,
                           struct policy_statement *statement)
{
    const char *effect = json_string_value(value);
    if (effect == NULL || (strcmp(effect, "Allow") != 0 && strcmp(effect, "Deny") != 0))
        problem_add_at(c->problem, place, value == NULL ? "required" : "invalid_value", "Allow or Deny.");
    else
        statement->allows = strcmp(effect, "Allow") == 0;
}

static void check_members(const struct compiler *c, const json_t *object, const char *place,
                          const char *const *known, const char *what)
{
    const char *name;
    const json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
        const char *const *one = known;
        while (*one != NULL && strcmp(*one, name) != 0)
            one++;
        if (*one == NULL)
            problem_add_at(c->problem, AT(c, "%s/%s", place, problem_escape(c->problem->arena, name)),
                           "unknown_member", "%s has no such member.", what);
    }
}

/* Whether one of these names is that of the compiler's principal. */
static bool names_principal(const struct compiler *c, const json_t *value, const char *place)
{
    bool found = false;
    for (size_t i = 0; i < list_size(value); i++) {
        const char *name = json_string_value(list_item(value, i));
        if (name == NULL || *name == '\0')
            problem_add_at(c->problem, list_place(c, place, value, i), "wrong_type",
                           "A text that is not empty, or a list of them.");
        else
            found |= strcmp(name, "*") == 0 || strcasecmp(name, c->principal) == 0;
    }
    return found;
}

/* Whether the statement is for the compiler's principal. */
static bool compile_principal(const struct compiler *c, const json_t *value, const char *place)
{
    static const char *const kinds[] = {"AWS", "Service", NULL};
    const char *kind;
    const json_t *names;
    bool found = false;
    if (json_is_string(value) && strcmp(json_string_value(value), "*") == 0)
        return true;
    if (!json_is_object(value) || json_object_size(value) == 0) {
        problem_add_at(c->problem, place, value == NULL ? "required" : "wrong_type",
                       "`*`, or an object that says who: {\"Service\": \"%s\"}.", c->principal);
        return false;
    }
    check_members(c, value, place, kinds, "A Principal");
    json_object_foreach ((json_t *)(uintptr_t)value, kind, names) {
        found |= names_principal(c, names, AT(c, "%s/%s", place, problem_escape(c->problem->arena, kind)));
    }
    return found;
}

/* Whether it is to be kept. */
static bool compile_statement(const struct compiler *c, const json_t *value, const char *place,
                              struct policy_statement *statement)
{
    static const char *const members[] = {"Sid",      "Effect",      "Action",    "NotAction",
                                          "Resource", "NotResource", "Condition", NULL};
    static const char *const members_for[] = {
        "Sid", "Effect", "Action", "NotAction", "Principal", "Resource", "NotResource", "Condition", NULL};
    if (!json_is_object(value)) {
        problem_add_at(c->problem, place, "wrong_type", "A statement is an object.");
        return false;
    }
    bool has_principal = c->principal != NULL;
    check_members(c, value, place, has_principal ? members_for : members,
                  has_principal ? "A statement here" : "A statement of an identity's policy");
    const json_t *sid = json_object_get(value, "Sid");
    const json_t *condition = json_object_get(value, "Condition");
    if (sid != NULL)
        compile_sid(c, sid, AT(c, "%s/Sid", place), statement);
    compile_effect(c, json_object_get(value, "Effect"), AT(c, "%s/Effect", place), statement);
    compile_patterns(c, value, place, "Action", "NotAction", compile_action, &statement->actions);
    compile_patterns(c, value, place, "Resource", "NotResource", compile_resource, &statement->resources);
    if (condition != NULL)
        compile_conditions(c, condition, AT(c, "%s/Condition", place), statement);
    return !has_principal ||
           compile_principal(c, json_object_get(value, "Principal"), AT(c, "%s/Principal", place));
}

static void check_sids(const struct compiler *c, const struct policy *policy, const char *place)
{
    for (size_t i = 1; i < policy->count; i++)
        for (size_t j = 0; j < i && policy->statements[i].sid != NULL; j++)
            if (policy->statements[j].sid != NULL &&
                strcmp(policy->statements[i].sid, policy->statements[j].sid) == 0)
                problem_add_at(c->problem, AT(c, "%s/%zu/Sid", place, i), "duplicate",
                               "Another statement has this Sid.");
}

static const struct policy *compile_document(const struct compiler *c, const json_t *root, const char *place)
{
    static const char *const members[] = {"Version", "Id", "Statement", NULL};
    const json_t *version = json_object_get(root, "Version");
    const json_t *id = json_object_get(root, "Id");
    const json_t *value = json_object_get(root, "Statement");
    const char *text = json_string_value(version);

    check_members(c, root, place, members, "A policy");
    if (version != NULL &&
        (text == NULL || (strcmp(text, "2012-10-17") != 0 && strcmp(text, "2008-10-17") != 0)))
        problem_add_at(c->problem, AT(c, "%s/Version", place), "invalid_value",
                       "Write 2012-10-17: it is the version of the language, not of the document.");
    if (id != NULL && !json_is_string(id))
        problem_add_at(c->problem, AT(c, "%s/Id", place), "wrong_type", "A text.");
    place = AT(c, "%s/Statement", place);
    if (value == NULL || (json_is_array(value) && json_array_size(value) == 0)) {
        problem_add_at(c->problem, place, "required", "A policy has at least one statement.");
        return NULL;
    }
    struct policy *policy = arena_alloc(c->arena, sizeof(*policy));
    struct policy_statement *statements = arena_alloc(c->arena, list_size(value) * sizeof(*statements));
    bool *kept = arena_alloc(c->arena, list_size(value) * sizeof(*kept));
    policy->count = list_size(value);
    policy->statements = statements;
    for (size_t i = 0; i < policy->count; i++)
        kept[i] = compile_statement(c, list_item(value, i), list_place(c, place, value, i), &statements[i]);
    check_sids(c, policy, place);
    size_t count = 0;
    for (size_t i = 0; i < policy->count; i++)
        if (kept[i])
            statements[count++] = statements[i];
    policy->count = count;
    return policy;
}

const struct policy *policy_compile(struct arena *arena, const char *document, size_t length,
                                    const char *pointer, struct problem *problem, struct buffer *warnings)
{
    return policy_compile_for(arena, document, length, pointer, NULL, problem, warnings);
}

const struct policy *policy_compile_for(struct arena *arena, const char *document, size_t length,
                                        const char *pointer, const char *principal, struct problem *problem,
                                        struct buffer *warnings)
{
    const struct compiler c = {
        .arena = arena, .principal = principal, .problem = problem, .warnings = warnings};
    const struct policy *policy = NULL;
    unsigned faults = problem->fault_count;
    json_t *root = json_loadb(document, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    if (!json_is_object(root))
        problem_add_at(problem, pointer, "wrong_type", "A policy document is a JSON object.");
    else if (length > POLICY_MAX_LENGTH)
        problem_add_at(problem, pointer, "too_long", "At most %d characters, without the spaces between.",
                       POLICY_MAX_LENGTH);
    else
        policy = compile_document(&c, root, pointer);
    json_decref(root);
    return problem->fault_count == faults ? policy : NULL;
}
