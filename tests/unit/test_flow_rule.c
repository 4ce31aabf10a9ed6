#include "model/flow_rule.h"
#include "tests/unit/unit.h"

static void test_patterns(void **state)
{
    static const struct {
        const char *text;
        const char *pattern; /* NULL: refused */
    } rows[] = {
        {"mailbox@domain.com", "mailbox@domain.com"},
        {"domain.com", "domain.com"},
        {"*.domain.com", "*.domain.com"},
        {"MailBox@Domain.COM", "mailbox@domain.com"},
        {"Sub.Domain.COM", "sub.domain.com"},
        {"*.Sub.Domain.COM", "*.sub.domain.com"},
        {"bücher.example", "xn--bcher-kva.example"},
        {"BÜCHER.example", "xn--bcher-kva.example"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
        {"*.bücher.example", "*.xn--bcher-kva.example"},
        {"ann@bücher.example", "ann@xn--bcher-kva.example"},
        {"straße.example", "xn--strae-oqa.example"},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example"}, /* u and a combining diaeresis */
        {"例え.テスト", "xn--r8jz45g.xn--zckzah"},
        {"a+b@domain.com", "a+b@domain.com"},
        {"o'neil@domain.com", "o'neil@domain.com"},
        {"{a}@domain.com", "{a}@domain.com"},
        {"a.b.c@d.e.f", "a.b.c@d.e.f"},
        {"1.2", "1.2"},
        {"", NULL},
        {"*", NULL},
        {"*.", NULL},
        {"*.*", NULL},
        {"*.com", NULL}, /* two labels */
        {"com", NULL},
        {"**.domain.com", NULL},
        {"*domain.com", NULL},
        {"*a.domain.com", NULL},
        {"a.*.com", NULL},
        {"domain.*", NULL},
        {"*.*.domain.com", NULL},
        {"domain.com.", NULL},
        {".domain.com", NULL},
        {"*..domain.com", NULL},
        {"domain..com", NULL},
        {"-domain.com", NULL},
        {"domain-.com", NULL},
        {"do_main.com", NULL},
        {"do main.com", NULL},
        {" domain.com", NULL},
        {"domain.com ", NULL},
        {"@domain.com", NULL},
        {"mailbox@", NULL},
        {"@", NULL},
        {"a@b@domain.com", NULL},
        {"*@domain.com", NULL},
        {"a*@domain.com", NULL},
        {"ann@*.domain.com", NULL},
        {"*.ann@domain.com", NULL},
        {"ann@domain", NULL},
        {"\"ann\"@domain.com", NULL},
        {"Ann <ann@domain.com>", NULL},
        {"ann@[192.0.2.1]", NULL},
        {"zoë@domain.com", NULL},
        {"http://domain.com", NULL},
        {"domain.com/path", NULL},
        {"domain.com,other.com", NULL},
        {"a\n.com", NULL},
        {"xn--a.example", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *pattern = "untouched", *again, *detail = NULL;
        bool ok = flow_pattern_parse(*state, rows[i].text, &pattern, &detail);
        assert_row(ok == (rows[i].pattern != NULL), "%s", rows[i].text);
        assert_string_equal(pattern, ok ? rows[i].pattern : "untouched");
        assert_row(ok || detail != NULL, "no detail for %s", rows[i].text);
        if (ok) { /* what is kept is what it is parsed as */
            assert_true(flow_pattern_parse(*state, pattern, &again, &detail));
            assert_string_equal(again, pattern);
        }
    }
}

static void test_kinds(void **state)
{
    (void)state;
    assert_int_equal(flow_pattern_kind("a@b.c"), FLOW_ADDRESS);
    assert_int_equal(flow_pattern_kind("b.c"), FLOW_DOMAIN);
    assert_int_equal(flow_pattern_kind("*.b.c"), FLOW_WILDCARD);
}

static void test_actions_are_in_order_of_restriction(void **state)
{
    (void)state;
    const char *const order[] = {"DROP", "BOUNCE", "MOVE_TO_JUNK", "NORMAL_DELIVERY", "BYPASS_SPAM_CHECK"};
    for (size_t i = 0; i < COUNT(order); i++)
        assert_int_equal(flow_action_of(order[i]), i);
    assert_null(flow_actions[FLOW_ACTION_COUNT]);
}

static void test_all_patterns_that_are_wrong_are_named(void **state)
{
    const char *const patterns[] = {"good.test", "bad", "*.good.test", "*", NULL};
    struct flow_rule rule = {.sender_patterns = patterns};
    struct problem problem = {.arena = *state};
    enum code code = flow_rule_parse_patterns(&rule, &problem);
    assert_string_equal(unit_outcome(code, &problem),
                        "/sender_patterns/1 invalid_format, /sender_patterns/3 invalid_format");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_patterns),
        UNIT_TEST(test_kinds),
        UNIT_TEST(test_actions_are_in_order_of_restriction),
        UNIT_TEST(test_all_patterns_that_are_wrong_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
