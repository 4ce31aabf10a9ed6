#include "model/resource.h"
#include "tests/unit/unit.h"

#define MEMBERS "\"name\":\"oak\",\"type\":\"ROOM\",\"email\":\"oak\""

static const char *decode(struct arena *arena, enum field_mode mode, const char *body,
                          struct resource *resource)
{
    struct problem problem = {.arena = arena};
    uint64_t set;
    enum code code = field_decode_body(&resource_table, mode, body, strlen(body), resource, &set, &problem);
    return unit_outcome(code, &problem);
}

static void test_members_of_the_options_are_named_by_their_own_pointers(void **state)
{
    static const struct {
        enum field_mode mode;
        const char *body;
        const char *outcome;
    } rows[] = {
        {FIELD_CREATE, "{" MEMBERS "}", "ok"},
        {FIELD_CREATE, "{" MEMBERS ",\"booking_options\":{}}", "ok"},
        {FIELD_CREATE, "{" MEMBERS ",\"booking_options\":null}", "ok"},
        {FIELD_CREATE, "{" MEMBERS ",\"booking_options\":{\"auto_accept_requests\":null}}", "ok"},
        {FIELD_UPDATE, "{\"booking_options\":{\"auto_accept_requests\":false}}", "ok"},
        {FIELD_UPDATE, "{\"booking_options\":null}", "/booking_options not_nullable"},
        {FIELD_UPDATE, "{\"booking_options\":{\"auto_accept_requests\":null}}",
         "/booking_options/auto_accept_requests not_nullable"},
        {FIELD_UPDATE, "{\"booking_options\":true}", "/booking_options wrong_type"},
        {FIELD_UPDATE, "{\"booking_options\":{\"auto_accept_requests\":1,\"a/b\":2}}",
         "/booking_options/auto_accept_requests wrong_type, /booking_options/a~1b unknown_member"},
        {FIELD_UPDATE, "{\"booking_options.auto_accept_requests\":true}",
         "/booking_options.auto_accept_requests unknown_member"},
        {FIELD_UPDATE, "{\"auto_accept_requests\":true}", "/auto_accept_requests unknown_member"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct resource resource = {.booking_options = BOOKING_OPTIONS_DEFAULT};
        const char *outcome = decode(*state, rows[i].mode, rows[i].body, &resource);
        assert_row(strcmp(outcome, rows[i].outcome) == 0, "%s gave %s", rows[i].body, outcome);
    }
}

static void test_what_is_left_out_stays_as_it_is(void **state)
{
    struct resource resource = {.booking_options = BOOKING_OPTIONS_DEFAULT};
    assert_string_equal(decode(*state, FIELD_UPDATE,
                               "{\"booking_options\":{\"auto_decline_recurring_requests\":true}}", &resource),
                        "ok");
    assert_true(resource.booking_options.auto_accept_requests);
    assert_true(resource.booking_options.auto_decline_recurring_requests);
    assert_true(resource.booking_options.auto_decline_conflicting_requests);
    assert_null(resource.delegate_ids);
}

static void test_lists_of_strings(void **state)
{
    static const struct {
        const char *list;
        const char *outcome;
    } rows[] = {
        {"[]", "ok"},
        {"[\"a\",\"a\",\"é\"]", "ok"},
        {"\"a\"", "/delegate_ids wrong_type"},
        {"{}", "/delegate_ids wrong_type"},
        {"null", "/delegate_ids not_nullable"},
        {"[\"a\",1]", "/delegate_ids wrong_type"},
        {"[null]", "/delegate_ids wrong_type"},
        {"[\"\"]", "/delegate_ids invalid_format"},
        {"[\"a\\u0001\"]", "/delegate_ids invalid_format"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct resource resource = {0};
        const char *body = arena_printf(*state, "{\"delegate_ids\":%s}", rows[i].list);
        const char *outcome = decode(*state, FIELD_UPDATE, body, &resource);
        assert_row(strcmp(outcome, rows[i].outcome) == 0, "%s gave %s", body, outcome);
        assert_row((resource.delegate_ids != NULL) == (strcmp(outcome, "ok") == 0), "%s: the list", body);
    }
    struct resource resource = {0};
    decode(*state, FIELD_UPDATE, "{\"delegate_ids\":[\"one\",\"two\"]}", &resource);
    assert_string_equal(resource.delegate_ids[0], "one");
    assert_string_equal(resource.delegate_ids[1], "two");
    assert_null(resource.delegate_ids[2]);
}

/* accept, decline recurring, decline conflicting; recurring, conflicting; delegates */
static void test_decisions(void **state)
{
    static const struct {
        struct booking_options options;
        struct booking_request request;
        bool has_delegates;
        const char *decision;
    } rows[] = {
        {{true, false, true}, {false, false}, false, "ACCEPT"},
        {{true, false, true}, {true, false}, false, "ACCEPT"},
        {{true, false, true}, {false, true}, false, "DECLINE"},
        {{true, true, false}, {true, false}, false, "DECLINE"},
        {{true, true, false}, {false, true}, false, "ACCEPT"},
        {{false, true, true}, {true, true}, true, "DECLINE"},
        {{false, true, true}, {false, true}, false, "DECLINE"},
        {{false, true, true}, {false, false}, true, "ASK_DELEGATES"},
        {{false, false, false}, {true, true}, true, "ASK_DELEGATES"},
        {{false, false, false}, {false, false}, false, "ASK_DELEGATES"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *reason = NULL;
        const char *decision =
            resource_decide(&rows[i].options, &rows[i].request, rows[i].has_delegates, &reason);
        assert_row(strcmp(decision, rows[i].decision) == 0, "row %zu: %s", i, decision);
        assert_row(reason != NULL && *reason != '\0', "row %zu: no reason", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_members_of_the_options_are_named_by_their_own_pointers),
        UNIT_TEST(test_what_is_left_out_stays_as_it_is),
        UNIT_TEST(test_lists_of_strings),
        UNIT_TEST(test_decisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
