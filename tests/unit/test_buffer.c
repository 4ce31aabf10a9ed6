#include "tests/unit/unit.h"

static void test_nothing_written(void **state)
{
    struct buffer buffer = {.arena = *state};
    buffer_append(&buffer, NULL, 0);
    buffer_text(&buffer, "");
    assert_null(buffer.data);
    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer_string(&buffer), "");
}

static void test_bytes_stay_while_it_grows(void **state)
{
    enum { ROUNDS = 5000 };
    struct buffer buffer = {.arena = *state};
    for (int i = 0; i < ROUNDS; i++) {
        buffer_byte(&buffer, (char)('a' + i % 26));
        buffer_append(&buffer, "\0|", 2);
        buffer_printf(&buffer, "%04d", i);
        assert_true(buffer.length <= buffer.capacity);
    }
    assert_int_equal(buffer.length, ROUNDS * 7);
    for (int i = 0; i < ROUNDS; i++) {
        const char *at = buffer.data + (ptrdiff_t)i * 7;
        const char *expected = arena_printf(*state, "%c0|%04d", 'a' + i % 26, i);
        assert_int_equal(at[0], expected[0]);
        assert_int_equal(at[1], '\0');
        assert_memory_equal(at + 2, expected + 2, 5);
    }
}

static void test_one_write_may_exceed_any_capacity(void **state)
{
    for (int length = 500; length < 530; length++) {
        struct buffer buffer = {.arena = *state};
        buffer_printf(&buffer, "%*d", length, 1);
        buffer_text(&buffer, unit_repeat(*state, "x", 100000));
        assert_int_equal(buffer.length, length + 100000);
        assert_int_equal(buffer.data[length - 1], '1');
        assert_int_equal(buffer.data[buffer.length - 1], 'x');
    }
}

/* Also when the NUL needs a new block: capacities are even powers of two. */
static void test_string_ends_but_does_not_count_its_nul(void **state)
{
    struct buffer buffer = {.arena = *state};
    for (size_t length = 1; length <= 2048; length++) {
        buffer_byte(&buffer, 'x');
        assert_int_equal(strlen(buffer_string(&buffer)), length);
        assert_int_equal(buffer.length, length);
    }
}

static void test_reserve_gives_writable_room_behind_the_bytes(void **state)
{
    struct buffer buffer = {.arena = *state};
    buffer_text(&buffer, "ab");
    char *room = buffer_reserve(&buffer, 9000);
    memset(room, 'c', 9000);
    assert_int_equal(buffer.length, 2);
    buffer.length += 9000;
    assert_memory_equal(buffer.data, "abcc", 4);
    assert_int_equal(strlen(buffer_string(&buffer)), 9002);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_nothing_written),
        UNIT_TEST(test_bytes_stay_while_it_grows),
        UNIT_TEST(test_one_write_may_exceed_any_capacity),
        UNIT_TEST(test_string_ends_but_does_not_count_its_nul),
        UNIT_TEST(test_reserve_gives_writable_room_behind_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
