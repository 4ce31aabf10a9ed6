#include "model/mobile_device.h"
#include "tests/unit/unit.h"

#define R "PROVISIONING_REQUIRED"
#define S "PROVISIONING_SUCCEEDED"
#define W "WIPE_REQUIRED"
#define D "WIPE_SUCCEEDED"

/* From, what happens, to; "-": refused. Each pair there is stands here once. */
static void test_every_way_from_every_status(void **state)
{
    static const struct {
        const char *from;
        const char *to[MOBILE_DEVICE_EVENTS]; /* syncs, policy, wiped, wipe, cancel, provision */
    } rows[] = {
        {R, {R, S, "-", W, "-", R}},
        {S, {S, S, "-", W, "-", R}},
        {W, {W, "-", D, W, R, "-"}},
        {D, {W, "-", D, W, "-", "-"}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (unsigned event = 0; event < MOBILE_DEVICE_EVENTS; event++) {
            struct problem problem = {.arena = *state};
            const char *to = "-";
            enum code code = mobile_device_next(rows[i].from, event, &problem, &to);
            assert_row(strcmp(to, rows[i].to[event]) == 0, "%s, event %u: %s", rows[i].from, event, to);
            assert_row((code == CODE_OK) == (to[0] != '-'), "%s, event %u", rows[i].from, event);
            assert_row(code == CODE_OK ||
                           (code == CODE_MOBILE_DEVICE_STATE && strstr(problem.detail, rows[i].from) != NULL),
                       "%s, event %u: the reason", rows[i].from, event);
        }
    }
}

static void test_what_a_device_must_do(void **state)
{
    (void)state;
    assert_string_equal(mobile_device_required(R), "PROVISION");
    assert_string_equal(mobile_device_required(S), "NONE");
    assert_string_equal(mobile_device_required(W), "WIPE");
    assert_string_equal(mobile_device_required(D), "WIPE");
}

static void test_ids(void **state)
{
    static const char *const good[] = {"a", "ApplDNPX1234ABCD", "android1234567890", "a_b-c", "0"};
    static const char *const bad[] = {"", "a b", "a/b", "é", "a.b", "a%", "a\n"};
    char text[66] = {0};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_row(mobile_device_is_id(good[i]), "%s", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_row(!mobile_device_is_id(bad[i]), "%s", bad[i]);
    memset(text, 'a', 64);
    assert_true(mobile_device_is_id(text));
    text[64] = 'a';
    assert_false(mobile_device_is_id(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_every_way_from_every_status),
        UNIT_TEST(test_what_a_device_must_do),
        UNIT_TEST(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
