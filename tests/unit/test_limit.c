#include "model/limit.h"
#include "tests/unit/unit.h"

static void test_defaults_and_words_are_the_guides(void **state)
{
    (void)state;
    const struct limit_row *organizations = &limit_rows[LIMIT_QUICK_SETUP_ORGANIZATIONS];
    assert_string_equal(organizations->code, "quick_setup_organizations");
    assert_int_equal(organizations->value, 2);
    assert_string_equal(organizations->error,
                        "You have reached the maximum number of organizations you can create");
    assert_string_equal(limit_rows[LIMIT_ALIASES_PER_USER].code, "aliases_per_user");
    assert_int_equal(limit_rows[LIMIT_ALIASES_PER_USER].value, 100);
    assert_int_equal(limit_rows[LIMIT_TRIAL_USERS].value, 25);
    assert_int_equal(limit_rows[LIMIT_TRIAL_DAYS].value, 30);
    assert_int_equal(limit_rows[LIMIT_ACCESS_KEYS_PER_USER].value, 2);
}

static void test_each_limit_is_complete_and_found_by_its_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        assert_ptr_equal(limit_find(limit_rows[i].code), &limit_rows[i]);
        assert_non_null(limit_rows[i].scope);
        /* All are reached by counting but the trial's length, which only ends. */
        assert_true((limit_rows[i].error == NULL) == (i == LIMIT_TRIAL_DAYS));
    }
    assert_null(limit_find(""));
    assert_null(limit_find("aliases"));
    assert_null(limit_find("Aliases_Per_User"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_defaults_and_words_are_the_guides),
        UNIT_TEST(test_each_limit_is_complete_and_found_by_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
