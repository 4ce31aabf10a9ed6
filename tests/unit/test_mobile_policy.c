#include "model/mobile_policy.h"
#include "tests/unit/unit.h"

/* clang-format off */
#define DEFAULT {.password_required = true, .allow_simple_password = true, .min_password_length = 4, \
                 .min_character_sets = 1, .max_failed_attempts = 8, .screen_lock_seconds = 300}
/* clang-format on */

static void test_contradictions_are_all_named(void **state)
{
    struct mobile_policy policy = DEFAULT;
    struct problem problem = {.arena = *state};
    assert_int_equal(mobile_policy_check(&policy, &problem), CODE_OK);

    policy = (struct mobile_policy){.require_alphanumeric_password = true,
                                    .min_password_length = 1,
                                    .min_character_sets = 2,
                                    .max_failed_attempts = 4,
                                    .password_expiration_days = 1,
                                    .password_history = 1};
    assert_string_equal(unit_outcome(mobile_policy_check(&policy, &problem), &problem),
                        "/require_alphanumeric_password contradiction, /min_character_sets contradiction, "
                        "/password_expiration_days contradiction, /password_history contradiction, "
                        "/min_password_length contradiction, /min_password_length contradiction");
}

static const char *written(struct arena *arena, const struct mobile_policy *policy)
{
    struct buffer out = {.arena = arena};
    mobile_policy_write_provision_doc(policy, &out);
    return buffer_string(&out);
}

static void test_lock_that_is_off_is_left_out(void **state)
{
    struct mobile_policy policy = DEFAULT;
    assert_non_null(
        strstr(written(*state, &policy), "<MaxInactivityTimeDeviceLock>300</MaxInactivityTimeDeviceLock>"));
    policy.screen_lock_seconds = 0;
    assert_null(strstr(written(*state, &policy), "MaxInactivityTimeDeviceLock"));
}

static void test_without_a_password_nothing_is_said_of_it(void **state)
{
    struct mobile_policy policy = DEFAULT;
    policy.password_required = false;
    const char *text = written(*state, &policy);
    assert_non_null(strstr(text, "<DevicePasswordEnabled>0</DevicePasswordEnabled>"));
    assert_null(strstr(text, "MinDevicePasswordLength"));
    assert_null(strstr(text, "MaxDevicePasswordFailedAttempts"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_contradictions_are_all_named),
        UNIT_TEST(test_lock_that_is_off_is_left_out),
        UNIT_TEST(test_without_a_password_nothing_is_said_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
