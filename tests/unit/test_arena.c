#include "tests/unit/unit.h"

static void test_memory_is_zeroed_aligned_and_apart(void **state)
{
    enum { PIECES = 3000 };
    static unsigned char *pieces[PIECES];

    for (size_t size = 0; size < PIECES; size++) {
        unsigned char *piece = arena_alloc(*state, size);
        assert_int_equal((uintptr_t)piece % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(piece[i], 0);
        memset(piece, (int)(size & 0xFF), size);
        pieces[size] = piece;
    }
    for (size_t size = 1; size < PIECES; size++)
        for (size_t i = 0; i < size; i++)
            assert_int_equal(pieces[size][i], size & 0xFF);
}

/* Around the sizes at which a new block is made, and far beyond. */
static void test_large_pieces_leave_room_for_small_ones(void **state)
{
    static const size_t sizes[] = {3984, 4000, 4001, 15999, 16000, 16001, 1U << 20, 64U << 20};

    for (size_t i = 0; i < COUNT(sizes); i++) {
        unsigned char *before = arena_alloc(*state, 1);
        unsigned char *large = arena_alloc(*state, sizes[i]);
        unsigned char *after = arena_alloc(*state, 1);
        assert_int_equal(large[0] | large[sizes[i] / 2] | large[sizes[i] - 1], 0);
        memset(large, 0xFF, sizes[i]);
        assert_int_equal(*before | *after, 0);
    }
}

static void test_size_is_of_all_blocks(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    size_t empty = arena_size(arena);
    assert_in_range(empty, 4000, 4100);
    arena_alloc(arena, 1);
    assert_int_equal(arena_size(arena), empty);
    arena_alloc(arena, 4000);
    assert_in_range(arena_size(arena), 20000, 20200);
    arena_alloc(arena, 1U << 20);
    assert_in_range(arena_size(arena), 20000 + (1U << 20), 20300 + (1U << 20));
    arena_free(arena);
}

static void test_copies_are_their_own(void **state)
{
    char text[] = "postreeve";
    const char *whole = arena_string(*state, text);
    const char *part = arena_copy(*state, text, 4);
    text[0] = 'X';
    assert_string_equal(whole, "postreeve");
    assert_string_equal(part, "post");
    assert_memory_equal(arena_copy(*state, "a\0b", 3), "a\0b", sizeof("a\0b"));
    assert_string_equal(arena_copy(*state, NULL, 0), "");
}

static void test_printf_writes_any_length(void **state)
{
    assert_string_equal(arena_printf(*state, "%s has %d of %s", "Ann", 3, "µ"), "Ann has 3 of µ");
    assert_string_equal(arena_printf(*state, "%s", ""), "");
    assert_int_equal(strlen(arena_printf(*state, "%50000d", 1)), 50000);
}

static void test_free_accepts_null(void **state)
{
    (void)state;
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_memory_is_zeroed_aligned_and_apart),
        UNIT_TEST(test_large_pieces_leave_room_for_small_ones),
        UNIT_TEST(test_size_is_of_all_blocks),
        UNIT_TEST(test_copies_are_their_own),
        UNIT_TEST(test_printf_writes_any_length),
        UNIT_TEST(test_free_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
