#include "model/flow_explain.h"
#include "tests/unit/unit.h"

/* Each address is beside all the wildcards: as many overlaps as so many patterns can have. */
static void test_warnings_take_no_memory_for_what_is_not_said(void **state)
{
    enum { WIDE = 2000, NARROW = 2000 };
    struct flow_source *rules = arena_alloc(*state, (WIDE + 1) * sizeof(*rules));
    static const char *const wide[] = {"*.a.test", NULL};
    const char **narrow = arena_alloc(*state, (NARROW + 1) * sizeof(*narrow));
    for (size_t i = 0; i < NARROW; i++)
        narrow[i] = arena_printf(*state, "user%zu@a.test", i);
    rules[0] = (struct flow_source){"0", "Narrow", FLOW_NORMAL_DELIVERY, narrow};
    for (size_t i = 1; i <= WIDE; i++)
        rules[i] = (struct flow_source){"1", arena_printf(*state, "Wide %04zu", i), FLOW_DROP, wide};
    struct flow_matcher *matcher = flow_matcher_new(rules, WIDE + 1);
    size_t before = arena_size(*state);
    const char *const *warnings = flow_warnings(*state, matcher, rules, WIDE + 1);
    assert_row(arena_size(*state) <= before + (64UL << 20), "%zu bytes", arena_size(*state) - before);
    const char *end = strrchr(warnings[WIDE], '\n');
    assert_non_null(end);
    assert_string_equal(end, "\nThere are 1981 more warnings like these.");
    flow_matcher_free(matcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_warnings_take_no_memory_for_what_is_not_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
