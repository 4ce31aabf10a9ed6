#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "model/authority.h"
#include "model/pattern.h"
#include "tests/unit/unit.h"

#define MAX_POLICIES 24
#define ORGANIZATION "arn:aws:workmail:us-east-1:123456789012:organization/m-1"

/* A document written with single quotes. */
static const char *json(struct arena *arena, const char *text)
{
    char *copy = arena_string(arena, text);
    for (char *at = copy; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    return copy;
}

static const struct policy *compile(struct arena *arena, const char *document)
{
    struct problem problem = {.arena = arena};
    const char *text = json(arena, document);
    const struct policy *policy = policy_compile(arena, text, strlen(text), "/document", &problem, NULL);
    assert_row(policy != NULL, "%s: %s", document, unit_outcome(problem.code, &problem));
    return policy;
}

/* One statement: Allow or Deny, lists without the brackets. */
static const char *statement(struct arena *arena, const char *effect, const char *actions,
                             const char *resources)
{
    return arena_printf(arena, "{'Effect':'%s','Action':[%s],'Resource':[%s]}", effect, actions, resources);
}

static const char *document(struct arena *arena, const char *statements)
{
    return arena_printf(arena, "{'Version':'2012-10-17','Statement':[%s]}", statements);
}

static enum policy_effect decide_in(struct arena *arena, const char *statements, const char *action,
                                    const char *resource, const struct policy_context *context)
{
    const struct policy *policy = compile(arena, document(arena, statements));
    const struct policy_question question = {action, resource, *context};
    return policy_decide(&policy, 1, &question).effect;
}

static const struct policy_context nowhere = {"10.1.2.3", 1795428000, true, "ann", "id-1", "123456789012"};

/* --- patterns --- */

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"*", "", true},
        {"*", "anything:At/all", true},
        {"**", "a", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "ab", false},
        {"??", "ab", true},
        {"a", "a", true},
        {"a", "A", false},
        {"a", "b", false},
        {"a", "ab", false},
        {"ab", "a", false},
        {"a*", "a", true},
        {"a*", "abc", true},
        {"*c", "abc", true},
        {"*c", "abcd", false},
        {"a*c", "ac", true},
        {"a*c", "abcbc", true},
        {"a*c", "abcb", false},
        {"a*b*c", "a-b-b-c", true},
        {"a*b*c", "a-c-b", false},
        {"*a?", "aab", true},
        {"?*", "", false},
        {"*?", "a", true},
        {"workmail:get*", "workmail:getuser", true},
        {"workmail:*", "workmail:", true},
        {"*:describe*", "ds:describedirectory", true},
        {"workmail.*", "workmail:get", false}, /* not a regular expression */
        {"[a-z]*", "abc", false},
        {"a\\*", "a*", false},
        {"a*", "a*", true},
        {"ab?", "ab*", true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_row(pattern_matches(rows[i].pattern, rows[i].text) == rows[i].matches, "%s on %s",
                   rows[i].pattern, rows[i].text);
        assert_row(pattern_matches(pattern_normal(*state, rows[i].pattern), rows[i].text) == rows[i].matches,
                   "normal form of %s on %s", rows[i].pattern, rows[i].text);
        const struct pattern pattern = pattern_prepare(pattern_normal(*state, rows[i].pattern));
        assert_row(pattern_takes(&pattern, rows[i].text, strlen(rows[i].text)) == rows[i].matches,
                   "%s prepared on %s", rows[i].pattern, rows[i].text);
    }
}

/* A matcher that tries every way to share the text among the stars would not end in our time. */
static void test_many_stars_take_little_time(void **state)
{
    const char *text = unit_repeat(*state, "a", 20000);
    const char *stars = unit_repeat(*state, "*a", 50);
    alarm(20);
    assert_false(pattern_matches("*a*a*a*b", text));
    assert_false(pattern_matches(arena_printf(*state, "%s*b", stars), text));
    assert_true(pattern_matches(arena_printf(*state, "%s*", stars), text));
    assert_false(pattern_matches(arena_printf(*state, "%s*%sb", stars, stars), text));
    assert_false(pattern_contains(arena_printf(*state, "%s*b", stars), text));
    alarm(0);
}

/* Every pattern of up to `length` characters over a small alphabet, against all texts of up to six characters. */
static void number_to_text(unsigned number, const char *alphabet, char *out)
{
    size_t base = strlen(alphabet);
    while (number > 0) {
        *out++ = alphabet[(number - 1) % base];
        number = (unsigned)((number - 1) / base);
    }
    *out = '\0';
}

static void test_containment_and_meeting_agree_with_trying_all_texts(void **state)
{
    enum { PATTERNS = 4 + 16 + 64 + 256, TEXTS = 3 + 9 + 27 + 81 + 243 + 729 };
    static bool is_of[PATTERNS + 1][TEXTS + 1];
    char patterns[PATTERNS + 1][8], text[8];
    for (unsigned p = 0; p <= PATTERNS; p++) {
        char raw[8];
        number_to_text(p, "ab*?", raw);
        snprintf(patterns[p], sizeof(patterns[p]), "%s", pattern_normal(*state, raw));
        for (unsigned t = 0; t <= TEXTS; t++) {
            number_to_text(t, "abc", text);
            is_of[p][t] = pattern_matches(patterns[p], text);
            const struct pattern prepared = pattern_prepare(patterns[p]);
            assert_int_equal(pattern_takes(&prepared, text, strlen(text)), is_of[p][t]);
        }
    }
    for (unsigned p = 0; p <= PATTERNS; p++) {
        for (unsigned q = 0; q <= PATTERNS; q++) {
            bool contains = true, meets = false;
            for (unsigned t = 0; t <= TEXTS; t++) {
                contains = contains && (!is_of[q][t] || is_of[p][t]);
                meets = meets || (is_of[p][t] && is_of[q][t]);
            }
            if (pattern_contains(patterns[p], patterns[q]))
                assert_row(contains, "%s is said to contain %s", patterns[p], patterns[q]);
            else if (strchr(patterns[p], '?') == NULL) /* careful is not the same as useless */
                assert_row(!contains, "%s is not seen to contain %s", patterns[p], patterns[q]);
            assert_row(meets == pattern_meets(patterns[p], patterns[q]), "%s and %s", patterns[p],
                       patterns[q]);
        }
    }
}

/* --- documents --- */

static void test_documents_and_what_is_wrong_with_them(void **state)
{
#define GOOD "'Effect':'Allow','Action':'*','Resource':'*'"
    static const struct {
        const char *document, *outcome;
    } rows[] = {
        {"{'Statement':{" GOOD "}}", "ok"},
        {"{'Version':'2012-10-17','Id':'x','Statement':[{'Sid':'A1'," GOOD "}]}", "ok"},
        {"{'Version':'2008-10-17','Statement':[{" GOOD ",'Condition':{}}]}", "ok"},
        {"[]", "/document wrong_type"},
        {"3", "/document wrong_type"},
        {"{}", "/document/Statement required"},
        {"{'Statement':[]}", "/document/Statement required"},
        {"{'Version':'2012','Statement':{" GOOD "}}", "/document/Version invalid_value"},
        {"{'Statement':{" GOOD "},'version':'2012-10-17'}", "/document/version unknown_member"},
        {"{'Id':1,'Statement':{" GOOD "}}", "/document/Id wrong_type"},
        {"{'Statement':['x']}", "/document/Statement/0 wrong_type"},
        {"{'Statement':[{" GOOD "},{'Effect':'allow','Action':'*','Resource':'*'}]}",
         "/document/Statement/1/Effect invalid_value"},
        {"{'Statement':{'Action':'*','Resource':'*'}}", "/document/Statement/Effect required"},
        {"{'Statement':{'Effect':'Deny','Resource':'*'}}", "/document/Statement required"},
        {"{'Statement':{'Effect':'Deny','Action':'*'}}", "/document/Statement required"},
        {"{'Statement':{" GOOD ",'NotAction':'*'}}", "/document/Statement invalid_value"},
        {"{'Statement':{" GOOD ",'Principal':'*'}}", "/document/Statement/Principal unknown_member"},
        {"{'Statement':{" GOOD ",'a/b~':1}}", "/document/Statement/a~1b~0 unknown_member"},
        {"{'Statement':{'Effect':'Allow','Action':[],'Resource':'*'}}",
         "/document/Statement/Action too_short"},
        {"{'Statement':{'Effect':'Allow','Action':['*',1],'Resource':'*'}}",
         "/document/Statement/Action/1 wrong_type"},
        {"{'Statement':{'Effect':'Allow','Action':'','Resource':'*'}}",
         "/document/Statement/Action wrong_type"},
        {"{'Statement':{'Effect':'Allow','Action':'*','Resource':'m-1'}}",
         "/document/Statement/Resource invalid_format"},
        {"{'Statement':{'Effect':'Allow','Action':'*','Resource':'arn:aws:iam::1:user/${aws:userid}'}}",
         "/document/Statement/Resource not_supported"},
        {"{'Statement':{'Sid':'a-b'," GOOD "}}", "/document/Statement/Sid invalid_format"},
        {"{'Statement':[{'Sid':'A'," GOOD "},{'Sid':'A'," GOOD "}]}", "/document/Statement/1/Sid duplicate"},
        {"{'Statement':{" GOOD ",'Condition':[]}}", "/document/Statement/Condition wrong_type"},
        {"{'Statement':{" GOOD ",'Condition':{'Eq':{'aws:SourceIp':'::1'}}}}",
         "/document/Statement/Condition/Eq unknown_operator"},
        {"{'Statement':{" GOOD ",'Condition':{'Bool':{}}}}", "/document/Statement/Condition/Bool wrong_type"},
        {"{'Statement':{" GOOD ",'Condition':{'StringEquals':{'s3:prefix':'a'}}}}",
         "/document/Statement/Condition/StringEquals/s3:prefix unknown_key"},
        {"{'Statement':{" GOOD ",'Condition':{'Bool':{'aws:SourceIp':'true'}}}}",
         "/document/Statement/Condition/Bool/aws:SourceIp invalid_value"},
        {"{'Statement':{" GOOD ",'Condition':{'IpAddress':{'aws:SourceIp':['10.0.0.0/8','10.0.0.1/8']}}}}",
         "/document/Statement/Condition/IpAddress/aws:SourceIp/1 invalid_value"},
        {"{'Statement':{" GOOD ",'Condition':{'IpAddress':{'aws:SourceIp':[]}}}}",
         "/document/Statement/Condition/IpAddress/aws:SourceIp too_short"},
        {"{'Statement':{" GOOD ",'Condition':{'DateLessThan':{'aws:CurrentTime':'2026-02-30'}}}}",
         "/document/Statement/Condition/DateLessThan/aws:CurrentTime invalid_value"},
        {"{'Statement':{" GOOD ",'Condition':{'Bool':{'aws:SecureTransport':'yes'}}}}",
         "/document/Statement/Condition/Bool/aws:SecureTransport invalid_value"},
        {"{'Statement':{" GOOD ",'Condition':{'StringLike':{'aws:username':'${x}'}}}}",
         "/document/Statement/Condition/StringLike/aws:username invalid_value"},
        {"{'Statement':[{'Effect':1,'Action':2,'Resource':3}]}",
         "/document/Statement/0/Effect invalid_value, /document/Statement/0/Action wrong_type, "
         "/document/Statement/0/Resource wrong_type"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct problem problem = {.arena = *state};
        const char *text = json(*state, rows[i].document);
        const struct policy *policy = policy_compile(*state, text, strlen(text), "/document", &problem, NULL);
        const char *outcome = unit_outcome(policy != NULL ? CODE_OK : CODE_VALIDATION_FAILED, &problem);
        assert_row(strcmp(outcome, rows[i].outcome) == 0, "%s: %s", rows[i].document, outcome);
    }
}

static void test_a_document_has_a_longest_length(void **state)
{
    struct problem problem = {.arena = *state};
    const char *head = json(*state, "{'Statement':{'Effect':'Allow','Resource':'*','Action':'");
    const char *text = arena_printf(*state, "%s%s\"}}", head, unit_repeat(*state, "a", POLICY_MAX_LENGTH));
    assert_null(policy_compile(*state, text, strlen(text), "/document", &problem, NULL));
    assert_string_equal(unit_outcome(problem.code, &problem), "/document too_long");
}

static void test_what_never_matches_is_warned_about_and_kept(void **state)
{
    struct problem problem = {.arena = *state};
    struct buffer warnings = {.arena = *state};
    const char *text =
        json(*state, "{'Statement':{'Effect':'Allow','Resource':'*','Action':["
                     "'workmail:*','ds>DeleteAlias','ec2:CreateVpc','*','*:Get*','work*:x','w*']}}");
    assert_non_null(policy_compile(*state, text, strlen(text), "/d", &problem, &warnings));
    const char *all = buffer_string(&warnings);
    assert_non_null(strstr(all, "{\"pointer\":\"/d/Statement/Action/1\",\"code\":\"action_without_colon\""));
    assert_non_null(strstr(all, "{\"pointer\":\"/d/Statement/Action/2\",\"code\":\"unknown_prefix\""));
    assert_non_null(strstr(all, "/Action/6\""));
    for (const char *number = "0345"; *number != '\0'; number++)
        assert_null(strstr(all, arena_printf(*state, "/Action/%c\"", *number)));

    /* NotAction of what never matches leaves out nothing. */
    assert_int_equal(decide_in(*state, "{'Effect':'Allow','NotAction':'ec2:*','Resource':'*'}",
                               "iam:ListPolicies", "arn:x", &nowhere),
                     POLICY_ALLOWED);
    assert_int_equal(decide_in(*state, "{'Effect':'Allow','Action':'ec2:*','Resource':'*'}", "ec2:CreateVpc",
                               "arn:x", &nowhere),
                     POLICY_NOT_ALLOWED);
}

/* --- decisions --- */

static void test_decisions(void **state)
{
    static const struct {
        const char *statements, *action, *resource;
        enum policy_effect effect;
    } rows[] = {
#define ALL     "{'Effect':'Allow','Action':'*','Resource':'*'}"
#define NO_WORK "{'Effect':'Deny','Action':'workmail:Delete*','Resource':'*'}"
#define ONE     "{'Effect':'Allow','Action':['workmail:*'],'Resource':['" ORGANIZATION "']}"
        {ALL, "workmail:ListUsers", ORGANIZATION, POLICY_ALLOWED},
        {ALL, "iam:CreateAccessKey", "arn:aws:iam::1:user/x", POLICY_ALLOWED},
        {ALL, "", "", POLICY_ALLOWED},
        {ALL "," NO_WORK, "workmail:DeleteUser", ORGANIZATION, POLICY_DENIED},
        {NO_WORK "," ALL, "workmail:DeleteUser", ORGANIZATION, POLICY_DENIED},
        {ALL "," NO_WORK, "WORKMAIL:deleteUSER", ORGANIZATION, POLICY_DENIED},
        {ALL "," NO_WORK, "workmail:CreateUser", ORGANIZATION, POLICY_ALLOWED},
        {NO_WORK, "workmail:CreateUser", ORGANIZATION, POLICY_NOT_ALLOWED},
        {ONE, "workmail:CreateUser", ORGANIZATION, POLICY_ALLOWED},
        {ONE, "workmail:CreateUser", ORGANIZATION "2", POLICY_NOT_ALLOWED},
        {ONE, "workmail:CreateUser", "arn:aws:workmail::123456789012:account", POLICY_NOT_ALLOWED},
        {ONE, "ses:GetX", ORGANIZATION, POLICY_NOT_ALLOWED},
        {ONE, "workmail:ListOrganizations", NULL, POLICY_ALLOWED},
        {ONE, "ses:List", NULL, POLICY_NOT_ALLOWED},
        {ALL ",{'Effect':'Deny','Action':'*','Resource':'" ORGANIZATION "'}", "workmail:ListX", NULL,
         POLICY_ALLOWED},
        {ALL ",{'Effect':'Deny','Action':'workmail:List*','Resource':'*'}", "workmail:ListX", NULL,
         POLICY_DENIED},
        {"{'Effect':'Allow','Action':'*','Resource':'arn:aws:workmail:*:*:organization/m-?'}", "workmail:X",
         ORGANIZATION, POLICY_ALLOWED},
        {"{'Effect':'Allow','Action':'*','Resource':'arn:aws:workmail:us-west-2:*'}", "workmail:X",
         ORGANIZATION, POLICY_NOT_ALLOWED},
        {"{'Effect':'Allow','NotAction':'iam:*','Resource':'*'}", "iam:ListPolicies", "", POLICY_NOT_ALLOWED},
        {"{'Effect':'Allow','NotAction':'iam:*','Resource':'*'}", "workmail:ListUsers", "", POLICY_ALLOWED},
        {"{'Effect':'Allow','Action':'*','NotResource':'" ORGANIZATION "'}", "workmail:X", ORGANIZATION,
         POLICY_NOT_ALLOWED},
        {"{'Effect':'Allow','Action':'*','NotResource':'" ORGANIZATION "'}", "workmail:X", ORGANIZATION "2",
         POLICY_ALLOWED},
        {ALL ",{'Effect':'Deny','NotAction':'workmail:*','NotResource':'" ORGANIZATION "'}", "iam:X", "arn:x",
         POLICY_DENIED},
        {ALL ",{'Effect':'Deny','NotAction':'workmail:*','NotResource':'" ORGANIZATION "'}", "workmail:X",
         "arn:x", POLICY_ALLOWED},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_row(decide_in(*state, rows[i].statements, rows[i].action, rows[i].resource, &nowhere) ==
                       rows[i].effect,
                   "row %zu: %s: %s", i, rows[i].statements, rows[i].action);
}

static void test_a_decision_names_its_statement(void **state)
{
    const struct policy *const policies[] = {
        compile(*state, "{'Statement':[{'Effect':'Allow','Action':'ses:*','Resource':'*'},"
                        "{'Sid':'All','Effect':'Allow','Action':'*','Resource':'*'}]}"),
        compile(*state, "{'Statement':{'Sid':'No','Effect':'Deny','Action':'iam:*','Resource':'*'}}")};
    struct policy_question question = {"workmail:X", "arn:x", nowhere};
    struct policy_decision decision = policy_decide(policies, 2, &question);
    assert_int_equal(decision.effect, POLICY_ALLOWED);
    assert_int_equal(decision.policy, 0);
    assert_int_equal(decision.statement, 1);
    assert_string_equal(decision.sid, "All");
    question.action = "iam:X";
    decision = policy_decide(policies, 2, &question);
    assert_int_equal(decision.effect, POLICY_DENIED);
    assert_int_equal(decision.policy, 1);
    assert_string_equal(decision.sid, "No");
}

static void test_conditions(void **state)
{
    static const struct {
        const char *condition;
        bool holds; /* in `nowhere`: 10.1.2.3, 2026-11-23T10:00:00Z, TLS, ann */
    } rows[] = {
        {"", true},
        {"'IpAddress':{'aws:SourceIp':'10.0.0.0/8'}", true},
        {"'IpAddress':{'aws:sourceip':['192.168.0.0/16','10.1.2.3']}", true},
        {"'IpAddress':{'aws:SourceIp':'10.1.2.4'}", false},
        {"'IpAddress':{'aws:SourceIp':'::/0'}", true},
        {"'IpAddress':{'aws:SourceIp':'2001:db8::/32'}", false},
        {"'IpAddress':{'aws:SourceIp':'::ffff:10.1.0.0/112'}", true},
        {"'NotIpAddress':{'aws:SourceIp':['192.168.0.0/16','10.0.0.0/8']}", false},
        {"'NotIpAddress':{'aws:SourceIp':'192.168.0.0/16'}", true},
        {"'DateLessThan':{'aws:CurrentTime':'2026-11-23T10:00:01Z'}", true},
        {"'DateLessThan':{'aws:CurrentTime':'2026-11-23T10:00:00Z'}", false},
        {"'DateLessThanEquals':{'aws:CurrentTime':'2026-11-23T10:00:00Z'}", true},
        {"'DateGreaterThan':{'aws:CurrentTime':'2026-11-23T10:00:00Z'}", false},
        {"'DateGreaterThan':{'aws:CurrentTime':'2026-11-23'}", true},
        {"'DateGreaterThanEquals':{'aws:CurrentTime':'2026-11-23T11:00:00+01:00'}", true},
        {"'DateEquals':{'aws:CurrentTime':'2026-11-23T08:30:00.5-01:30'}", true},
        {"'DateNotEquals':{'aws:CurrentTime':'2026-11-24'}", true},
        {"'Bool':{'aws:SecureTransport':'true'}", true},
        {"'Bool':{'aws:SecureTransport':false}", false},
        {"'StringEquals':{'aws:username':'ann'}", true},
        {"'StringEquals':{'aws:username':'Ann'}", false},
        {"'StringEquals':{'aws:username':'a*'}", false},
        {"'StringLike':{'aws:username':'a*'}", true},
        {"'StringNotLike':{'aws:username':'a*'}", false},
        {"'StringNotEquals':{'aws:userid':['id-2','id-3']}", true},
        {"'StringEquals':{'aws:PrincipalAccount':'123456789012'}", true},
        {"'StringEquals':{'aws:username':'ann','aws:userid':'id-2'}", false},
        {"'StringEquals':{'aws:username':'ann'},'Bool':{'aws:SecureTransport':'false'}", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *text = arena_printf(
            *state, "{'Effect':'Allow','Action':'*','Resource':'*','Condition':{%s}}", rows[i].condition);
        enum policy_effect effect = decide_in(*state, text, "workmail:X", "arn:x", &nowhere);
        assert_row((effect == POLICY_ALLOWED) == rows[i].holds, "%s", rows[i].condition);
    }
    /* An address that is not known is in no network. */
    struct policy_context unknown = nowhere;
    unknown.source_address = "";
    assert_int_equal(decide_in(*state,
                               "{'Effect':'Allow','Action':'*','Resource':'*',"
                               "'Condition':{'IpAddress':{'aws:SourceIp':'::/0'}}}",
                               "workmail:X", "arn:x", &unknown),
                     POLICY_NOT_ALLOWED);
}

/* --- what is held --- */

static void test_what_is_held(void **state)
{
    static const struct {
        const char *held, *granted; /* statements */
        bool is_held;
    } rows[] = {
#define WORK "{'Effect':'Allow','Action':'workmail:*','Resource':'*'}"
#define ONLY_HERE \
    "{'Effect':'Allow','Action':'*','Resource':'*','Condition':{'IpAddress':{'aws:SourceIp':'::1'}}}"
#define NO_IAM "{'Effect':'Deny','Action':'iam:*','Resource':'*'}"
        {ALL, ALL, true},
        {ALL, WORK, true},
        {WORK, ALL, false},
        {WORK, WORK, true},
        {WORK, "{'Effect':'Allow','Action':['workmail:List*','workmail:?et*'],'Resource':'arn:x'}", true},
        {WORK, "{'Effect':'Allow','Action':['workmail:List*','ses:*'],'Resource':'*'}", false},
        {WORK, "{'Effect':'Allow','Action':'WorkMail:ListUsers','Resource':'*'}", true},
        {WORK, "{'Effect':'Allow','Action':'*:ListUsers','Resource':'*'}", false},
        /* Of a service that is not here: it never matches, until a later release has it. */
        {WORK, "{'Effect':'Allow','Action':'ec2:*','Resource':'*'}", false},
        {WORK, "{'Effect':'Allow','Action':['ec2:A','workmail:A'],'Resource':'*'}", false},
        {ALL, "{'Effect':'Allow','Action':['ec2:A','workmail:A'],'Resource':'*'}", true},
        {"{'Effect':'Allow','Action':['ec2:*','workmail:*'],'Resource':'*'}",
         "{'Effect':'Allow','Action':['workmail:A','ec2:A'],'Resource':'*'}", true},
        {ALL ",{'Effect':'Deny','Action':'ec2:*','Resource':'*'}",
         "{'Effect':'Allow','Action':'ec2:A','Resource':'*'}", false},
        {"{'Effect':'Allow','NotAction':'ec2:*','Resource':'*'}",
         "{'Effect':'Allow','Action':'ec2:A','Resource':'*'}", false},
        {WORK, "{'Effect':'Allow','Action':'ec2','Resource':'*'}", true}, /* no action anywhere */
        {WORK, "{'Effect':'Deny','Action':'*','Resource':'*'}", true},
        {WORK, ONLY_HERE, false},
        {WORK,
         "{'Effect':'Allow','Action':'workmail:*','Resource':'*','Condition':{'Bool':{'aws:SecureTransport':true}}}",
         true},
        {ONLY_HERE, "{'Effect':'Allow','Action':'workmail:ListUsers','Resource':'*'}", false},
        {ONLY_HERE "," WORK, "{'Effect':'Allow','Action':'workmail:ListUsers','Resource':'*'}", true},
        {ONE, ONE, true},
        {ONE, WORK, false},
        {ONE, "{'Effect':'Allow','Action':'workmail:*','Resource':'arn:aws:workmail:*:organization/m-1'}",
         false},
        {"{'Effect':'Allow','Action':'*','Resource':'arn:aws:workmail:*'}", ONE, true},
        /* Each action on each resource may come from another Allow. */
        {"{'Effect':'Allow','Action':['workmail:A','workmail:B'],'Resource':'arn:1'},"
         "{'Effect':'Allow','Action':'workmail:*','Resource':'arn:2'}",
         "{'Effect':'Allow','Action':['workmail:A','workmail:B'],'Resource':['arn:1','arn:2']}", true},
        {"{'Effect':'Allow','Action':'workmail:A','Resource':'arn:1'},"
         "{'Effect':'Allow','Action':'workmail:B','Resource':'arn:2'}",
         "{'Effect':'Allow','Action':['workmail:A','workmail:B'],'Resource':['arn:1','arn:2']}", false},
        /* A Deny of the granter's that could be met, with a condition or not. */
        {ALL "," NO_IAM, ALL, false},
        {ALL "," NO_IAM, WORK, true},
        {ALL "," NO_IAM, "{'Effect':'Allow','Action':'i*:Get*','Resource':'*'}", false},
        {ALL
         ",{'Effect':'Deny','Action':'*','Resource':'arn:1','Condition':{'Bool':{'aws:SecureTransport':false}}}",
         "{'Effect':'Allow','Action':'workmail:A','Resource':'arn:?'}", false},
        {ALL ",{'Effect':'Deny','Action':'*','Resource':'arn:1'}",
         "{'Effect':'Allow','Action':'workmail:A','Resource':'arn:2'}", true},
        {ALL ",{'Effect':'Deny','NotAction':'workmail:*','Resource':'*'}", WORK, true},
        {ALL ",{'Effect':'Deny','NotAction':'workmail:List*','Resource':'*'}", WORK, false},
        {ALL ",{'Effect':'Deny','Action':'*','NotResource':'arn:1*'}",
         "{'Effect':'Allow','Action':'workmail:A','Resource':'arn:12'}", true},
        {ALL ",{'Effect':'Deny','Action':'*','NotResource':'arn:1*'}", WORK, false},
        /* NotAction and NotResource: all, as far as the granted go; on the held side what they certainly leave. */
        {WORK, "{'Effect':'Allow','NotAction':'iam:*','Resource':'*'}", false},
        {WORK, "{'Effect':'Allow','Action':'workmail:A','NotResource':'arn:1'}", true},
        {ONE, "{'Effect':'Allow','Action':'workmail:A','NotResource':'arn:1'}", false},
        {"{'Effect':'Allow','NotAction':'iam:*','Resource':'*'}", WORK, true},
        {"{'Effect':'Allow','NotAction':'iam:*','Resource':'*'}",
         "{'Effect':'Allow','Action':'i*','Resource':'*'}", true}, /* without a colon: never matches */
        {"{'Effect':'Allow','NotAction':'iam:*','Resource':'*'}",
         "{'Effect':'Allow','Action':'i*:x','Resource':'*'}", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct policy *held = compile(*state, document(*state, rows[i].held));
        const struct policy *granted = compile(*state, document(*state, rows[i].granted));
        size_t statement_number;
        assert_row(policy_is_held(&held, 1, granted, &statement_number) == rows[i].is_held,
                   "row %zu: %s holds %s", i, rows[i].held, rows[i].granted);
    }
}

/* Whatever containment lets through is no more than what is held: tried on random policies, actions and resources. */
static void test_nothing_that_is_held_allows_more(void **state)
{
    static const char *const actions[] = {
        "'*'",     "'workmail:*'", "'workmail:A'",         "'workmail:?'",  "'*:A'",
        "'iam:*'", "'iam:A'",      "'workmail:A','iam:A'", "'workmail:AB'", "'workmail:A*'"};
    static const char *const resources[] = {"'*'",      "'arn:1'",  "'arn:?'",         "'arn:*'",
                                            "'arn:1*'", "'arn:*2'", "'arn:1','arn:2'", "'arn:12'"};
    static const char *const texts[] = {"workmail:A", "workmail:AB", "workmail:B", "iam:A", "iam:B", "ses:A"};
    static const char *const names[] = {"arn:1", "arn:2", "arn:12", "arn:", "x"};
    unsigned seed = 1, granted_count = 0;
    (void)state;
    for (unsigned round = 0; round < 6000; round++) {
        struct arena *arena = arena_new();
        const struct policy *policies[2];
        for (unsigned p = 0; p < 2; p++) {
            struct buffer statements = {.arena = arena};
            unsigned count = 1 + (unsigned)rand_r(&seed) % 3;
            for (unsigned i = 0; i < count; i++)
                buffer_printf(
                    &statements, "%s{'Effect':'%s','%sAction':[%s],'%sResource':[%s]}", i > 0 ? "," : "",
                    rand_r(&seed) % 4 != 0 ? "Allow" : "Deny", rand_r(&seed) % 5 != 0 ? "" : "Not",
                    actions[(size_t)rand_r(&seed) % COUNT(actions)], rand_r(&seed) % 5 != 0 ? "" : "Not",
                    resources[(size_t)rand_r(&seed) % COUNT(resources)]);
            policies[p] = compile(arena, document(arena, buffer_string(&statements)));
        }
        size_t ignored;
        bool held = policy_is_held(&policies[0], 1, policies[1], &ignored);
        granted_count += held;
        for (size_t a = 0; held && a < COUNT(texts); a++)
            for (size_t n = 0; n < COUNT(names); n++) {
                const struct policy_question question = {texts[a], names[n], nowhere};
                if (policy_decide(&policies[1], 1, &question).effect == POLICY_ALLOWED)
                    assert_row(policy_decide(&policies[0], 1, &question).effect == POLICY_ALLOWED,
                               "round %u: %s on %s", round, texts[a], names[n]);
            }
        arena_free(arena);
    }
    assert_true(granted_count > 500); /* else it would have shown nothing */
}

/* --- authorities --- */

static const char *repeat(struct arena *arena, const char *pattern, unsigned count)
{
    struct buffer list = {.arena = arena};
    for (unsigned i = 0; i < count; i++)
        buffer_printf(&list, "%s%s", i > 0 ? "," : "", pattern);
    return buffer_string(&list);
}

/* Half a million pairs of an action and a resource, and a Deny with hundreds of patterns that none of them meets: whoever may
 * write policies can send this, and the account's identities are locked meanwhile. */
static void test_what_is_held_is_told_soon(void **state)
{
    const struct policy *const held[] = {
        compile(*state, document(*state, ALL)),
        compile(*state,
                document(*state, statement(*state, "Deny", repeat(*state, "'iam:?'", 600), "'arn:x'"))),
        compile(*state,
                document(*state, statement(*state, "Allow", repeat(*state, "'kms:?'", 600), "'arn:x'"))),
    };
    const struct policy *granted =
        compile(*state, document(*state, statement(*state, "Allow", repeat(*state, "'ds:?'", 300),
                                                   repeat(*state, "'*'", 900))));
    struct timespec begun, ended;
    size_t statement_number;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
    assert_true(policy_is_held(held, COUNT(held), granted, &statement_number));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    double seconds = (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
    assert_row(seconds < 2, "it took %.1f s", seconds);
}

static const char full_access[] =
    "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}";

static void test_an_authority_keeps_one_compiled_policy_for_each_version(void **state)
{
    const struct authority_policy first = {"p1", "one", "1"};
    const struct authority_policy second = {"p1", "one", "2"};
    struct authority *a = authority_new("ann", 2);
    struct authority *b = authority_new("bob", 1);
    (void)state;
    assert_true(authority_add(a, &first, full_access));
    assert_true(authority_add(b, &first, "not even looked at: it is compiled already"));
    assert_ptr_equal(a->policies[0], b->policies[0]);
    assert_false(authority_add(b, &second, full_access)); /* no room */
    assert_true(authority_add(a, &second, full_access));
    assert_ptr_not_equal(a->policies[0], a->policies[1]);
    assert_ptr_equal(authority_hold(a), a);
    authority_release(a);
    authority_release(a);
    authority_release(b);
    struct authority *c = authority_new("cid", 1);
    assert_false(authority_add(c, &first, "[]")); /* forgotten with its last holder */
    authority_release(c);
    authority_release(NULL);
}

static void test_limits_of_a_credential(void **state)
{
    static const char *const office[] = {"10.0.0.0/8", "2001:db8::/32", NULL};
    static const char *const desk[] = {"10.1.0.0/16", NULL};
    static const char *const outside[] = {"10.1.0.0/16", "11.0.0.0/16", NULL};
    static const char *const everywhere[] = {NULL};
    static const char *const broken[] = {"10.1", NULL};
    struct authority *authority = authority_new("ann", 0);
    (void)state;
    assert_true(authority_is_usable(authority, "", INT64_MAX));
    assert_true(authority_has_limits_of(authority, everywhere, 0));
    assert_false(authority_restrict(authority, broken, 0));
    assert_true(authority_restrict(authority, office, 1000));
    assert_true(authority_is_usable(authority, "10.2.3.4", 999));
    assert_true(authority_is_usable(authority, "2001:db8::5", 999));
    assert_false(authority_is_usable(authority, "10.2.3.4", 1000));
    assert_false(authority_is_usable(authority, "11.2.3.4", 999));
    assert_false(authority_is_usable(authority, "::1", 999));
    assert_false(authority_is_usable(authority, "", 999));
    assert_true(authority_has_limits_of(authority, desk, 1000));
    assert_false(authority_has_limits_of(authority, desk, 1001));
    assert_false(authority_has_limits_of(authority, desk, 0));
    assert_false(authority_has_limits_of(authority, everywhere, 1000));
    assert_false(authority_has_limits_of(authority, outside, 1000));
    assert_false(authority_has_limits_of(authority, broken, 1000));
    authority_release(authority);
}

static void test_root_may_everything_and_nobody_else_by_himself(void **state)
{
    const struct policy_question question = {"iam:CreateAccessKey", "arn:x", nowhere};
    struct principal principal = {.kind = PRINCIPAL_IAM_USER, .authority = authority_new("ann", 0)};
    const struct policy *policy = compile(*state, full_access);
    size_t statement_number;
    assert_int_equal(principal_decide(&principal, &question).effect, POLICY_NOT_ALLOWED);
    assert_false(principal_holds(&principal, policy, &statement_number));
    principal.kind = PRINCIPAL_ROOT;
    assert_int_equal(principal_decide(&principal, &question).effect, POLICY_ALLOWED);
    assert_true(principal_holds(&principal, policy, &statement_number));
    authority_release(principal.authority);
}

static void test_which_policies_distinguish_resources(void **state)
{
    static const struct {
        const char *resource;
        bool region, all;
    } rows[] = {
        {"*", false, true},
        {"**", false, true},
        {"arn:*", true, false},
        {"arn:aws:workmail:*", false, false},
        {"arn:aws:workmail:*:1:organization/m-1", false, false},
        {"arn:aws:workmail:us-*:1:organization/m-1", true, false},
        {ORGANIZATION, true, false},
        {"*organization/m-1", true, false},
        {"arn:aws:iam::1:user/x", false, false},
        {"arn:aws?workmail:us-east-1:*:organization/m-1", true, false}, /* `?` may be a colon */
        {"arn:aws:workmail?us-east-1:*:*", true, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct policy *policy =
            compile(*state, document(*state, statement(*state, "Allow", "'*'",
                                                       arena_printf(*state, "'%s'", rows[i].resource))));
        assert_row(policy_names_region(policy) == rows[i].region, "region: %s", rows[i].resource);
        assert_row(policy_is_for_all_resources(policy) == rows[i].all, "all: %s", rows[i].resource);
    }
}

/* 20 policies of 10 statements, none of which decides: all of them are looked at. */
static void test_a_decision_takes_little_time(void **state)
{
    enum { POLICIES = 20, ROUNDS = 20000 };
    const struct policy *policies[POLICIES];
    struct timespec begun, ended;
    for (unsigned p = 0; p < POLICIES; p++) {
        struct buffer statements = {.arena = *state};
        for (unsigned i = 0; i < 10; i++)
            buffer_printf(&statements,
                          "%s{'Effect':'Allow','Action':['workmail:Get*','workmail:List*','ses:*'],"
                          "'Resource':'arn:aws:workmail:*:123456789012:organization/m-%u'}",
                          i > 0 ? "," : "", p * 10 + i + 2);
        policies[p] = compile(*state, document(*state, buffer_string(&statements)));
    }
    const struct policy_question question = {"workmail:ListUsers", ORGANIZATION, nowhere};
    double best = 1e9; /* of several: the machine may be busy */
    for (unsigned attempt = 0; attempt < 5; attempt++) {
        clock_gettime(CLOCK_MONOTONIC, &begun);
        for (unsigned i = 0; i < ROUNDS; i++)
            assert_int_equal(policy_decide(policies, POLICIES, &question).effect, POLICY_NOT_ALLOWED);
        clock_gettime(CLOCK_MONOTONIC, &ended);
        double us = ((double)(ended.tv_sec - begun.tv_sec) * 1e9 + (double)(ended.tv_nsec - begun.tv_nsec)) /
                    1e3 / ROUNDS;
        best = us < best ? us : best;
    }
    print_message("a decision among %d policies: %.2f us\n", POLICIES, best);
#ifdef __OPTIMIZE__
    assert_row(best < 50, "it took %.1f us", best);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_patterns),
        UNIT_TEST(test_many_stars_take_little_time),
        UNIT_TEST(test_containment_and_meeting_agree_with_trying_all_texts),
        UNIT_TEST(test_documents_and_what_is_wrong_with_them),
        UNIT_TEST(test_a_document_has_a_longest_length),
        UNIT_TEST(test_what_never_matches_is_warned_about_and_kept),
        UNIT_TEST(test_decisions),
        UNIT_TEST(test_a_decision_names_its_statement),
        UNIT_TEST(test_conditions),
        UNIT_TEST(test_what_is_held),
        UNIT_TEST(test_nothing_that_is_held_allows_more),
        UNIT_TEST(test_what_is_held_is_told_soon),
        UNIT_TEST(test_an_authority_keeps_one_compiled_policy_for_each_version),
        UNIT_TEST(test_limits_of_a_credential),
        UNIT_TEST(test_root_may_everything_and_nobody_else_by_himself),
        UNIT_TEST(test_which_policies_distinguish_resources),
        UNIT_TEST(test_a_decision_takes_little_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
