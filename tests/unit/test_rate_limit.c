#include <stdio.h>

#include "api/rate_limit.h"
#include "tests/unit/unit.h"

#define SECOND INT64_C(1000000000)
#define BEGIN  (1000 * SECOND)

/* How many of `tries` at the same time are let through. */
static int take(struct rate_limiter *limiter, const char *key, int64_t now, int tries)
{
    struct rate rate;
    int taken = 0;
    for (int i = 0; i < tries; i++)
        taken += rate_limiter_take(limiter, key, now, &rate);
    return taken;
}

static void test_quota_at_once_then_the_rate(void **state)
{
    (void)state;
    struct rate_limiter *limiter = rate_limiter_new(10, 1, 25);
    assert_int_equal(take(limiter, "a", BEGIN, 100), 25);
    assert_int_equal(take(limiter, "a", BEGIN + SECOND / 10 - 1, 100), 0);
    assert_int_equal(take(limiter, "a", BEGIN + SECOND / 10, 100), 1);
    assert_int_equal(take(limiter, "a", BEGIN + SECOND, 100), 9);
    assert_int_equal(take(limiter, "a", BEGIN + 1000 * SECOND, 100), 25);
    rate_limiter_free(limiter);
}

static void test_each_key_has_its_own(void **state)
{
    (void)state;
    struct rate_limiter *limiter = rate_limiter_new(1, 1, 3);
    assert_int_equal(take(limiter, "a", BEGIN, 9), 3);
    assert_int_equal(take(limiter, "b", BEGIN, 9), 3);
    assert_int_equal(take(limiter, "a", BEGIN, 9), 0);
    rate_limiter_free(limiter);
}

static void test_what_the_caller_is_told_is_true(void **state)
{
    (void)state;
    struct rate_limiter *limiter = rate_limiter_new(2, 1, 4);
    struct rate rate;
    for (int left = 3; left >= 0; left--) {
        assert_true(rate_limiter_take(limiter, "a", BEGIN, &rate));
        assert_string_equal(rate.policy, "\"default\";q=4;w=2");
        assert_int_equal(rate.remaining, left);
        assert_int_equal(rate.full_in_s, (4 - left + 1) / 2);
    }
    assert_false(rate_limiter_take(limiter, "a", BEGIN, &rate));
    assert_int_equal(rate.remaining, 0);
    assert_true(rate_limiter_take(limiter, "a", BEGIN + SECOND, &rate));
    assert_int_equal(rate.remaining, 1);
    rate_limiter_free(limiter);
}

static void test_refused_ones_cost_nothing(void **state)
{
    (void)state;
    struct rate_limiter *limiter = rate_limiter_new(1, 1, 1);
    assert_int_equal(take(limiter, "a", BEGIN, 1000), 1);
    assert_int_equal(take(limiter, "a", BEGIN + SECOND, 1), 1);
    rate_limiter_free(limiter);
}

static void test_fewer_than_one_a_second(void **state)
{
    (void)state;
    struct rate_limiter *limiter = rate_limiter_new(10, 600, 10);
    assert_int_equal(take(limiter, "a", BEGIN, 100), 10);
    assert_int_equal(take(limiter, "a", BEGIN + 60 * SECOND - 1, 100), 0);
    assert_int_equal(take(limiter, "a", BEGIN + 60 * SECOND, 100), 1);
    rate_limiter_free(limiter);
}

static void test_filled_bucket_is_as_new_and_others_stay(void **state)
{
    (void)state;
    struct rate_limiter *limiter = rate_limiter_new(1, 1, 3);
    assert_int_equal(take(limiter, "a", BEGIN, 9), 3);
    assert_int_equal(take(limiter, "b", BEGIN, 9), 3);
    rate_limiter_fill(limiter, "a");
    assert_int_equal(take(limiter, "a", BEGIN, 9), 3);
    assert_int_equal(take(limiter, "b", BEGIN, 9), 0);
    rate_limiter_free(limiter);
    rate_limiter_fill(NULL, "a");
}

static void test_no_limit(void **state)
{
    (void)state;
    struct rate_limiter *limiter = rate_limiter_new(0, 1, 1);
    struct rate rate;
    assert_null(limiter);
    assert_true(rate_limiter_take(limiter, "a", BEGIN, &rate));
    assert_null(rate.policy);
    rate_limiter_free(limiter);
}

/* A crowd of keys that each come once cannot free a key that used up its quota just now. */
static void test_crowd_does_not_push_out_who_is_limited(void **state)
{
    (void)state;
    struct rate_limiter *limiter = rate_limiter_new(1, 1, 1000);
    char key[RATE_LIMIT_KEY_SIZE];
    assert_int_equal(take(limiter, "culprit", BEGIN, 2000), 1000);
    for (int i = 0; i < 200000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(take(limiter, key, BEGIN, 1), 1);
    }
    assert_int_equal(take(limiter, "culprit", BEGIN, 10), 0);
    rate_limiter_free(limiter);
}

static void test_crowd_is_let_through_though_there_are_more_than_are_remembered(void **state)
{
    (void)state;
    struct rate_limiter *limiter = rate_limiter_new(1, 1, 1);
    char key[RATE_LIMIT_KEY_SIZE];
    for (int i = 0; i < 50000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(take(limiter, key, BEGIN, 1), 1);
    }
    rate_limiter_free(limiter);
}

static void test_highest_settings_do_not_overflow(void **state)
{
    (void)state;
    struct rate_limiter *fast = rate_limiter_new(1000000, 1, 1000000000);
    struct rate_limiter *slow = rate_limiter_new(1, 1, 1000000000);
    assert_int_equal(take(fast, "a", BEGIN, 100000), 100000);
    assert_int_equal(take(slow, "a", BEGIN, 100000), 100000);
    rate_limiter_free(fast);
    rate_limiter_free(slow);
}

static void test_keys_of_addresses(void **state)
{
    static const struct {
        const char *address, *key;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"2001:db8:1:2::1", "2001:0db8:0001:0002/64"},
        {"2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:0db8:0001:0002/64"},
        {"2001:db8:1:3::1", "2001:0db8:0001:0003/64"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char key[RATE_LIMIT_KEY_SIZE];
        rate_limit_address_key(rows[i].address, key);
        assert_string_equal(key, rows[i].key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_quota_at_once_then_the_rate),
        UNIT_TEST(test_each_key_has_its_own),
        UNIT_TEST(test_what_the_caller_is_told_is_true),
        UNIT_TEST(test_refused_ones_cost_nothing),
        UNIT_TEST(test_fewer_than_one_a_second),
        UNIT_TEST(test_filled_bucket_is_as_new_and_others_stay),
        UNIT_TEST(test_no_limit),
        UNIT_TEST(test_crowd_does_not_push_out_who_is_limited),
        UNIT_TEST(test_crowd_is_let_through_though_there_are_more_than_are_remembered),
        UNIT_TEST(test_highest_settings_do_not_overflow),
        UNIT_TEST(test_keys_of_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
