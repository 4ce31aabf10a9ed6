#include "model/user.h"
#include "tests/unit/unit.h"

static const char *decode(struct arena *arena, const char *name, const char *more)
{
    struct user user = {0};
    struct problem problem = {.arena = arena};
    uint64_t set;
    const char *body = arena_printf(arena, "{\"name\":\"%s\",\"display_name\":\"Ann Lee\"%s}", name, more);
    enum code code = field_decode_body(&user_table, FIELD_CREATE, body, strlen(body), &user, &set, &problem);
    return unit_outcome(code, &problem);
}

/* [\w\-.]+(@[a-zA-Z0-9.\-]+\.[a-zA-Z0-9-]{2,})? */
static void test_names(void **state)
{
    static const struct {
        const char *name;
        const char *outcome;
    } rows[] = {
        {"a", "ok"},
        {"Ann_Lee-2.x", "ok"},
        {"...", "ok"},
        {"ann@acme.test", "ok"},
        {"ann@mail.acme-1.te", "ok"},
        {"", "/name too_short"},
        {"ann lee", "/name invalid_format"},
        {"zoë", "/name invalid_format"},
        {"ann+lee", "/name invalid_format"},
        {"@acme.test", "/name invalid_format"},
        {"ann@", "/name invalid_format"},
        {"ann@acme", "/name invalid_format"},
        {"ann@acme.t", "/name invalid_format"},
        {"ann@.te", "/name invalid_format"},
        {"ann@acme.test.", "/name invalid_format"},
        {"ann@b@acme.test", "/name invalid_format"},
        {"ann@ac_me.test", "/name invalid_format"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *outcome = decode(*state, rows[i].name, "");
        assert_row(strcmp(outcome, rows[i].outcome) == 0, "%s: %s", rows[i].name, outcome);
    }
    assert_string_equal(decode(*state, unit_repeat(*state, "n", 64), ""), "ok");
    assert_string_equal(decode(*state, unit_repeat(*state, "n", 65), ""), "/name too_long");
}

static void test_details_hold_256_characters_and_quotas_end_at_51200(void **state)
{
    static const char *const details[] = {"first_name", "last_name", "initials", "street",
                                          "city",       "zip_code",  "country",  "telephone",
                                          "job_title",  "company",   "office",   "department"};
    static const struct {
        int quota;
        const char *outcome;
    } quotas[] = {{0, "/quota_mb too_small"}, {1, "ok"}, {51200, "ok"}, {51201, "/quota_mb too_large"}};

    static const size_t lengths[] = {0, 256, 257};
    for (size_t i = 0; i < COUNT(details); i++)
        for (size_t l = 0; l < COUNT(lengths); l++) {
            const char *text = unit_repeat(*state, "é", lengths[l]);
            const char *more = arena_printf(*state, ",\"%s\":\"%s\"", details[i], text);
            const char *too_long = arena_printf(*state, "/%s too_long", details[i]);
            assert_string_equal(decode(*state, "ann", more), lengths[l] <= 256 ? "ok" : too_long);
        }
    for (size_t i = 0; i < COUNT(quotas); i++)
        assert_string_equal(decode(*state, "ann", arena_printf(*state, ",\"quota_mb\":%d", quotas[i].quota)),
                            quotas[i].outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_names),
        UNIT_TEST(test_details_hold_256_characters_and_quotas_end_at_51200),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
