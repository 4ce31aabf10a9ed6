#include <unistd.h>

#include "model/policy.h"
#include "tests/unit/unit.h"

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
        {"workmail:Get*", "workmail:GetUser", true},
        {"workmail:Get*", "workmail:get", true},
        {"WORKMAIL:getuser", "workmail:GetUser", true},
        {"workmail:*", "workmail:", true},
        {"workmail:*", "ses:GetX", false},
        {"*:Describe*", "ds:DescribeDirectory", true},
        {"workmail.*", "workmail:Get", false}, /* not a regular expression */
        {"[a-z]*", "abc", false},
        {"a\\*", "a*", false},
        {"a*", "a*", true},
        {"ab?", "ab*", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_row(policy_matches(rows[i].pattern, rows[i].text) == rows[i].matches, "%s on %s",
                   rows[i].pattern, rows[i].text);
}

/* A matcher that tries every way to share the text among the stars would not end in our time. */
static void test_many_stars_take_little_time(void **state)
{
    const char *text = unit_repeat(*state, "a", 20000);
    const char *stars = unit_repeat(*state, "*a", 50);
    alarm(20);
    assert_false(policy_matches("*a*a*a*b", text));
    assert_false(policy_matches(arena_printf(*state, "%s*b", stars), text));
    assert_true(policy_matches(arena_printf(*state, "%s*", stars), text));
    assert_false(policy_matches(arena_printf(*state, "%s*%sb", stars, stars), text));
    alarm(0);
}

static void test_managed_policies_allow_what_the_guide_says(void **state)
{
    static const struct {
        const char *action;
        bool full, read_only;
    } rows[] = {
        {"workmail:CreateUser", true, false},
        {"workmail:RegisterToWorkMail", true, false},
        {"workmail:ResetPassword", true, false},
        {"workmail:DeleteOrganization", true, false},
        {"workmail:ListUsers", true, true},
        {"workmail:GetRawMessageContent", true, true},
        {"workmail:DescribeUser", true, true},
        {"workmail:SearchMembers", true, true},
        {"workmail:TestAvailabilityConfiguration", true, true},
        {"workmail:VerifyAuditLog", true, true},
        {"workmail:VerifyMailDomain", true, false},
        {"WorkMail:listusers", true, true},
        {"ses:DescribeReceiptRule", true, true},
        {"ses:GetIdentityPolicies", true, true},
        {"ses:SendEmail", true, false},
        {"ds:DescribeDirectories", true, true},
        {"ds:CreateDirectory", true, false},
        {"kms:ListKeys", true, true},
        {"kms:CreateKey", true, false},
        {"iam:ListUsers", false, false},
        {"iam:CreateAccessKey", false, false},
        {"ListUsers", false, false},
        {"other:ListUsers", false, false},
        {"", false, false},
    };
    (void)state;
    const struct principal full = {.kind = PRINCIPAL_IAM_USER,
                                   .policies = {policy_managed("AmazonWorkMailFullAccess")}};
    const struct principal read_only = {.kind = PRINCIPAL_IAM_USER,
                                        .policies = {policy_managed("AmazonWorkMailReadOnlyAccess")}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_row(policy_allows(&full, rows[i].action) == rows[i].full, "full: %s", rows[i].action);
        assert_row(policy_allows(&read_only, rows[i].action) == rows[i].read_only, "read only: %s",
                   rows[i].action);
    }
}

static void test_managed_policies_are_found_by_their_exact_name(void **state)
{
    static const char *const names[] = {"AmazonWorkMailFullAccess", "AmazonWorkMailReadOnlyAccess"};
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct policy *policy = policy_managed(names[i]);
        assert_non_null(policy);
        assert_string_equal(policy_name(policy), names[i]);
    }
    assert_null(policy_managed(""));
    assert_null(policy_managed("AmazonWorkMail"));
    assert_null(policy_managed("amazonworkmailfullaccess"));
}

static void test_without_a_policy_all_is_denied_but_to_root(void **state)
{
    static const char *const actions[] = {"workmail:ListUsers", "iam:CreateUser", "*", ""};
    const struct principal user = {.kind = PRINCIPAL_IAM_USER};
    const struct principal root = {.kind = PRINCIPAL_ROOT};
    (void)state;
    for (size_t i = 0; i < COUNT(actions); i++) {
        assert_row(!policy_allows(&user, actions[i]), "user: %s", actions[i]);
        assert_row(policy_allows(&root, actions[i]), "root: %s", actions[i]);
    }
}

/* A full list has no NULL behind its last policy. */
static void test_policies_add_up(void **state)
{
    struct principal user = {.kind = PRINCIPAL_IAM_USER};
    (void)state;
    for (size_t i = 0; i < POLICY_MAX_ATTACHED; i++) {
        user.policies[i] = policy_managed("AmazonWorkMailReadOnlyAccess");
        assert_false(policy_allows(&user, "workmail:CreateUser"));
    }
    user.policies[POLICY_MAX_ATTACHED - 1] = policy_managed("AmazonWorkMailFullAccess");
    assert_true(policy_allows(&user, "workmail:CreateUser"));
    assert_true(policy_allows(&user, "workmail:ListUsers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_patterns),
        UNIT_TEST(test_many_stars_take_little_time),
        UNIT_TEST(test_managed_policies_allow_what_the_guide_says),
        UNIT_TEST(test_managed_policies_are_found_by_their_exact_name),
        UNIT_TEST(test_without_a_policy_all_is_denied_but_to_root),
        UNIT_TEST(test_policies_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
