#include "model/health.h"

#include "tests/unit/unit.h"

static void test_next_check_is_spread_about_the_interval(void **state)
{
    static const struct {
        int64_t interval;
        const char *state;
        int64_t low, high;
    } rows[] = {
        {1, "ACTIVE", 1, 1},
        {2, "ACTIVE", 1, 2},
        {10, "ACTIVE", 5, 14},
        {86400, "ACTIVE", 43200, 129599},
        {86400, "VALIDATING", 43200, 129599},
        {86400, "IMPAIRED", 1800, 5399},
        {600, "IMPAIRED", 300, 899},
        {31536000, "ACTIVE", 15768000, 47303999},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t least = INT64_MAX;
        int64_t most = 0;
        for (int turn = 0; turn < 2000; turn++) {
            int64_t delay = health_next_check_s(rows[i].interval, rows[i].state);
            least = delay < least ? delay : least;
            most = delay > most ? delay : most;
        }
        assert_row(least >= rows[i].low && most <= rows[i].high, "%s %lld: %lld to %lld", rows[i].state,
                   (long long)rows[i].interval, (long long)least, (long long)most);
        /* And it uses the room that it has. */
        int64_t room = rows[i].high - rows[i].low;
        assert_row(least - rows[i].low <= room / 20 && rows[i].high - most <= room / 20,
                   "%s %lld: %lld to %lld", rows[i].state, (long long)rows[i].interval, (long long)least,
                   (long long)most);
    }
}

static void test_report_without_issues(void **state)
{
    struct health_report report;
    health_begin(&report, *state);
    health_end(&report);
    assert_string_equal(buffer_string(&report.issues), "[]");
    assert_int_equal(report.errors, 0);
    assert_null(health_reason(&report));
}

static void test_warnings_impair_nothing(void **state)
{
    struct health_report report;
    health_begin(&report, *state);
    health_add(&report, &(struct health_issue){"a", HEALTH_WARNING, "x", "It is \"so\".", "Mend it."});
    health_add(&report, &(struct health_issue){"b", HEALTH_WARNING, NULL, "It is.", "Mend it."});
    health_end(&report);
    assert_string_equal(
        buffer_string(&report.issues),
        "[{\"code\":\"a\",\"severity\":\"WARNING\",\"subject\":\"x\",\"detail\":\"It is \\\"so\\\".\",\"help\":\"Mend it.\"},"
        "{\"code\":\"b\",\"severity\":\"WARNING\",\"detail\":\"It is.\",\"help\":\"Mend it.\"}]");
    assert_null(health_reason(&report));
}

static void test_reason_is_the_first_error_and_how_many_there_are(void **state)
{
    struct health_report report;
    health_begin(&report, *state);
    health_add(&report, &(struct health_issue){"a", HEALTH_WARNING, "x", "A warning.", "Mend it."});
    health_add(&report, &(struct health_issue){"b", HEALTH_ERROR, "x", "First.", "Mend it."});
    assert_string_equal(health_reason(&report), "First.");
    health_add(&report, &(struct health_issue){"b", HEALTH_ERROR, "y", "Second.", "Mend it."});
    health_end(&report);
    assert_int_equal(report.errors, 2);
    assert_string_equal(health_reason(&report),
                        "First. This is one of 2 errors that the health check found.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_next_check_is_spread_about_the_interval),
        UNIT_TEST(test_report_without_issues),
        UNIT_TEST(test_warnings_impair_nothing),
        UNIT_TEST(test_reason_is_the_first_error_and_how_many_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
