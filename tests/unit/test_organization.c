#include "model/organization.h"
#include "tests/unit/unit.h"

/* All transitions there are (design: "Organizations"). */
static const struct {
    const char *from;
    const char *to;
} states[] = {
    {"REQUESTED", "CREATING, DELETING"},
    {"CREATING", "ACTIVE, FAILED, DELETING"},
    {"ACTIVE", "VALIDATING, INACTIVE, DELETING"},
    {"FAILED", "REQUESTED, DELETING"},
    {"VALIDATING", "ACTIVE, IMPAIRED, INACTIVE, DELETING"},
    {"IMPAIRED", "VALIDATING, INACTIVE, DELETING"},
    {"INACTIVE", "VALIDATING, DELETING"},
    {"DELETING", "DELETED"},
    {"DELETED", "none"},
};

/* Whether `word` is one of "A, B, C". */
static bool lists(const char *list, const char *word)
{
    while (*list != '\0') {
        size_t length = strcspn(list, ",");
        if (length == strlen(word) && strncmp(list, word, length) == 0)
            return true;
        list += length;
        list += strspn(list, ", ");
    }
    return false;
}

static void test_every_pair_of_states(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(states); i++)
        for (size_t j = 0; j < COUNT(states); j++)
            assert_row(organization_may_become(states[i].from, states[j].from) ==
                           lists(states[i].to, states[j].from),
                       "%s to %s", states[i].from, states[j].from);
}

static void test_next_states_are_named(void **state)
{
    for (size_t i = 0; i < COUNT(states); i++)
        assert_string_equal(organization_next_states(*state, states[i].from), states[i].to);
}

static void test_what_is_no_state_goes_nowhere(void **state)
{
    static const char *const words[] = {"", "active", "DELETE", "none"};
    for (size_t i = 0; i < COUNT(words); i++) {
        assert_string_equal(organization_next_states(*state, words[i]), "none");
        for (size_t j = 0; j < COUNT(states); j++)
            assert_row(!organization_may_become(words[i], states[j].from) &&
                           !organization_may_become(states[j].from, words[i]),
                       "%s and %s", words[i], states[j].from);
    }
}

static const char *decode(struct arena *arena, enum field_mode mode, const char *body,
                          struct organization *ret_organization)
{
    struct problem problem = {.arena = arena};
    uint64_t set;
    enum code code =
        field_decode_body(&organization_table, mode, body, strlen(body), ret_organization, &set, &problem);
    return unit_outcome(code, &problem);
}

#define LETTERS_60 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwx"

static void test_aliases(void **state)
{
    static const struct {
        const char *alias;
        const char *outcome;
    } rows[] = {
        {"a", "ok"},
        {"7", "ok"},
        {"acme", "ok"},
        {"Acme-2", "ok"},
        {"a-b-c", "ok"},
        {"d", "ok"},
        {"d1-x", "ok"},
        {"ad-x", "ok"},
        {LETTERS_60 "yz", "ok"},
        {LETTERS_60 "yz0", "/alias too_long"},
        {"", "/alias too_short"},
        {"-", "/alias invalid_format"},
        {"-a", "/alias invalid_format"},
        {"a-", "/alias invalid_format"},
        {"a--b", "/alias invalid_format"},
        {"d-a", "/alias invalid_format"},
        {"D-a", "/alias invalid_format"},
        {"a.b", "/alias invalid_format"},
        {"a_b", "/alias invalid_format"},
        {"a b", "/alias invalid_format"},
        {"a@b", "/alias invalid_format"},
        {"zoë", "/alias invalid_format"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct organization organization = {0};
        const char *body = arena_printf(*state, "{\"alias\":\"%s\",\"setup\":\"QUICK\"}", rows[i].alias);
        const char *outcome = decode(*state, FIELD_CREATE, body, &organization);
        assert_row(strcmp(outcome, rows[i].outcome) == 0, "%s: %s", rows[i].alias, outcome);
    }
}

static void test_members_of_a_body(void **state)
{
    static const struct {
        enum field_mode mode;
        const char *body;
        const char *outcome;
    } rows[] = {
        {FIELD_CREATE, "{}", "/alias required, /setup required"},
        {FIELD_CREATE, "{\"alias\":\"a\",\"setup\":\"SLOW\"}", "/setup invalid_value"},
        {FIELD_CREATE, "{\"alias\":\"a\",\"setup\":\"STANDARD\",\"directory_id\":\"d-0123456789\"}", "ok"},
        {FIELD_CREATE, "{\"alias\":\"a\",\"setup\":\"STANDARD\",\"directory_id\":\"d-012345678g\"}",
         "/directory_id invalid_format"},
        {FIELD_CREATE, "{\"alias\":\"a\",\"setup\":\"STANDARD\",\"directory_id\":\"d-01\"}",
         "/directory_id too_short"},
        {FIELD_CREATE, "{\"alias\":\"a\",\"setup\":\"QUICK\",\"state\":\"ACTIVE\"}", "/state read_only"},
        {FIELD_CREATE, "{\"alias\":\"a\",\"setup\":\"QUICK\",\"endpoints\":{}}", "/endpoints read_only"},
        {FIELD_UPDATE, "{\"state\":\"ACTIVE\"}", "/state read_only"},
        {FIELD_UPDATE, "{\"alias\":\"b\",\"region\":\"us-east-1\",\"setup\":\"QUICK\"}",
         "/alias create_only, /region create_only, /setup create_only"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct organization organization = {0};
        const char *outcome = decode(*state, rows[i].mode, rows[i].body, &organization);
        assert_row(strcmp(outcome, rows[i].outcome) == 0, "%s: %s", rows[i].body, outcome);
    }
}

static void test_a_directory_goes_with_standard_setup_only(void **state)
{
    static const struct {
        const char *setup;
        const char *directory_id;
        const char *outcome;
    } rows[] = {
        {"QUICK", NULL, "ok"},
        {"STANDARD", "d-0123456789", "ok"},
        {"QUICK", "d-0123456789", "/directory_id read_only"},
        {"STANDARD", NULL, "/directory_id required"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct problem problem = {.arena = *state};
        struct organization organization = {.setup = rows[i].setup, .directory_id = rows[i].directory_id};
        enum code code = organization_check_setup(&organization, &problem);
        assert_string_equal(unit_outcome(code, &problem), rows[i].outcome);
    }
}

static void test_a_removal_must_be_confirmed(void **state)
{
    static const struct {
        const char *query;
        const char *outcome;
    } rows[] = {
        {"confirm=acme", "ok"},
        {"confirm=acme&force=true&delete_directory=false", "ok"},
        {"", "?confirm required"},
        {"force=true", "?confirm required"},
        {"confirm=", "?confirm too_short"},
        {"confirm=acme&force=yes&delete_directory", "?force wrong_type, ?delete_directory wrong_type"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct organization_removal removal = {0};
        struct problem problem = {.arena = *state};
        uint64_t set;
        enum code code =
            field_decode_query(&organization_removal_query, rows[i].query, &removal, &set, &problem);
        assert_string_equal(unit_outcome(code, &problem), rows[i].outcome);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_every_pair_of_states),
        UNIT_TEST(test_next_states_are_named),
        UNIT_TEST(test_what_is_no_state_goes_nowhere),
        UNIT_TEST(test_aliases),
        UNIT_TEST(test_members_of_a_body),
        UNIT_TEST(test_a_directory_goes_with_standard_setup_only),
        UNIT_TEST(test_a_removal_must_be_confirmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
