#include <stdio.h>

#include "api/hash_gate.h"
#include "tests/unit/unit.h"

/* How many of the tries from one address get in; the last place is given. */
static unsigned enter(struct hash_gate *gate, const char *address, unsigned tries, unsigned *ret_place)
{
    unsigned entered = 0;
    for (unsigned i = 0; i < tries; i++)
        entered += hash_gate_enter(gate, address, ret_place) == HASH_GATE_OPEN;
    return entered;
}

static void test_one_address_has_few_places(void **state)
{
    (void)state;
    unsigned place;
    struct hash_gate *gate = hash_gate_new();
    assert_int_equal(enter(gate, "192.0.2.1", 9, &place), HASH_GATE_PER_ADDRESS);
    assert_int_equal(hash_gate_enter(gate, "::ffff:192.0.2.1", &place), HASH_GATE_ADDRESS_FULL);
    assert_int_equal(enter(gate, "2001:db8::1", 2, &place), 2);
    assert_int_equal(enter(gate, "2001:db8::2", 9, &place), HASH_GATE_PER_ADDRESS - 2);
    assert_int_equal(enter(gate, "", 9, &place), HASH_GATE_PER_ADDRESS);
    hash_gate_leave(gate, place);
    assert_int_equal(enter(gate, "", 9, &place), 1);
    hash_gate_free(gate);
}

static void test_all_together_have_as_many_as_there_are(void **state)
{
    (void)state;
    struct hash_gate *gate = hash_gate_new();
    unsigned place;
    unsigned entered = 0;
    for (unsigned i = 0; i < 100; i++) {
        char address[32];
        snprintf(address, sizeof(address), "192.0.2.%u", i);
        entered += enter(gate, address, 1, &place);
    }
    assert_int_equal(entered, HASH_GATE_ROOM);
    assert_int_equal(hash_gate_enter(gate, "198.51.100.1", &place), HASH_GATE_FULL);
    hash_gate_leave(gate, 3);
    assert_int_equal(enter(gate, "198.51.100.1", 9, &place), 1);
    assert_int_equal(place, 3);
    hash_gate_free(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_one_address_has_few_places),
        UNIT_TEST(test_all_together_have_as_many_as_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
