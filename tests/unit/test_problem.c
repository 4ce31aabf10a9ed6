#include "tests/unit/unit.h"

static void test_set_gives_code_and_detail(void **state)
{
    struct problem problem = {.arena = *state};
    assert_int_equal(problem_set(&problem, CODE_NAME_TAKEN, "The name %s is taken, %d times.", "ann", 2),
                     CODE_NAME_TAKEN);
    assert_int_equal(problem.code, CODE_NAME_TAKEN);
    assert_string_equal(problem.detail, "The name ann is taken, 2 times.");
    assert_null(problem.first_fault);
}

static void test_faults_keep_their_order(void **state)
{
    struct problem problem = {.arena = *state};
    problem_add_member(&problem, "size", "too_small", "At least %d.", 3);
    problem_add_parameter(&problem, "q", "too_long", "%s", "100 %s of it");
    problem_add_member(&problem, "name", "required", "This member is required.");
    assert_string_equal(unit_outcome(CODE_VALIDATION_FAILED, &problem),
                        "/size too_small, ?q too_long, /name required");
    assert_string_equal(problem.first_fault->detail, "At least 3.");
    assert_string_equal(problem.first_fault->next->detail, "100 %s of it");
    assert_null(problem.first_fault->parameter);
    assert_null(problem.first_fault->next->pointer);
    assert_true(problem.detail != NULL && problem.detail[0] != '\0');
}

static void test_only_the_first_hundred_faults_are_kept(void **state)
{
    for (unsigned count = 99; count <= 102; count++) {
        struct problem problem = {.arena = *state};
        unsigned kept = 0;
        for (unsigned i = 0; i < count; i++)
            problem_add_member(&problem, arena_printf(*state, "m%u", i), "required", "Missing.");
        for (const struct fault *fault = problem.first_fault; fault != NULL; fault = fault->next, kept++)
            assert_string_equal(fault->pointer, arena_printf(*state, "/m%u", kept));
        assert_int_equal(kept, count < 100 ? count : 100);
        assert_int_equal(problem.code, CODE_VALIDATION_FAILED);
    }
}

/* RFC 6901, 3: in the pointer of a member; the name of a parameter is not a pointer. */
static void test_pointers_are_escaped(void **state)
{
    static const struct {
        const char *name;
        const char *pointer;
    } rows[] = {
        {"name", "/name"},     {"", "/"},       {"a/b", "/a~1b"},
        {"a~b", "/a~0b"},      {"~1", "/~01"},  {"/", "/~1"},
        {"~~//", "/~0~0~1~1"}, {"a.b", "/a.b"}, {"\"é %", "/\"é %"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct problem problem = {.arena = *state};
        problem_add_member(&problem, rows[i].name, "unknown_member", "No such member.");
        problem_add_parameter(&problem, rows[i].name, "unknown_parameter", "No such parameter.");
        assert_string_equal(problem.first_fault->pointer, rows[i].pointer);
        assert_string_equal(problem.last_fault->parameter, rows[i].name);
    }
}

static void test_a_fault_outlives_the_name_it_was_given(void **state)
{
    struct problem problem = {.arena = *state};
    char name[] = "ab";
    problem_add_member(&problem, name, "unknown_member", "No such member.");
    problem_add_parameter(&problem, name, "unknown_parameter", "No such parameter.");
    memset(name, 'x', 2);
    assert_string_equal(unit_outcome(CODE_VALIDATION_FAILED, &problem),
                        "/ab unknown_member, ?ab unknown_parameter");
}

static void test_clear_makes_it_empty_again(void **state)
{
    struct problem problem = {.arena = *state};
    problem_add_member(&problem, "a", "required", "Missing.");
    problem_clear(&problem);
    assert_ptr_equal(problem.arena, *state);
    assert_true(problem.code == CODE_OK && problem.detail == NULL && problem.fault_count == 0);
    problem_add_member(&problem, "b", "required", "Missing.");
    assert_string_equal(unit_outcome(CODE_VALIDATION_FAILED, &problem), "/b required");
}

static void test_each_code_has_a_name_of_its_own_and_a_title(void **state)
{
    (void)state;
    for (int code = CODE_OK + 1; code < CODE_COUNT; code++) {
        const char *name = code_name((enum code)code);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        assert_true(strlen(code_title((enum code)code)) > 0);
        for (int other = CODE_OK + 1; other < code; other++)
            assert_string_not_equal(name, code_name((enum code)other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_set_gives_code_and_detail),
        UNIT_TEST(test_faults_keep_their_order),
        UNIT_TEST(test_only_the_first_hundred_faults_are_kept),
        UNIT_TEST(test_pointers_are_escaped),
        UNIT_TEST(test_a_fault_outlives_the_name_it_was_given),
        UNIT_TEST(test_clear_makes_it_empty_again),
        UNIT_TEST(test_each_code_has_a_name_of_its_own_and_a_title),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
