#include "model/prefer.h"

#include "tests/unit/unit.h"

#define LIMIT 60

static void wait_is_found_among_other_preferences(void **state)
{
    static const struct {
        const char *header;
        unsigned seconds;
    } rows[] = {
        {"wait=10", 10},
        {"WAIT=10", 10},
        {"wait = 10", 10},
        {"wait\t=\t10", 10},
        {"wait=\"10\"", 10},
        {"respond-async, wait=10", 10},
        {"respond-async; x=1; y=\"a,b\", wait=10", 10},
        {"handling=\"a, wait=5, \\\"b\", wait=10", 10},
        {", ,wait=10,", 10},
        {"wait=10; why=fun", 10},
        {"wait=010", 10},
        {"wait=60", 60},
        {"wait=61", 60},
        {"wait=4294967306", 60},
        {"wait=99999999999999999999999999", 60},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(prefer_wait(rows[i].header, LIMIT), rows[i].seconds);
}

static void what_is_not_understood_is_passed_over(void **state)
{
    static const char *const headers[] = {
        "",         ",",          "wait",       "wait=",          "wait=0",       "wait=-1",
        "wait=ten", "wait=1s",    "wait=1.5",   "await=5",        "wait-a=5",     "x=wait=5",
        "x;wait=5", "\"wait=5\"", "x=\"wait=5", "wait=0, wait=5", "wait, wait=5", "\"",
        "=",        "=5",         "x=\"\\",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        assert_int_equal(prefer_wait(headers[i], LIMIT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait_is_found_among_other_preferences),
        cmocka_unit_test(what_is_not_understood_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
