#include "model/network.h"
#include "tests/unit/unit.h"

static void test_what_is_of_the_internet(void **state)
{
    const struct {
        const char *address;
        bool is_public;
    } rows[] = {
        {"1.1.1.1", true},
        {"8.8.8.8", true},
        {"172.15.0.1", true},
        {"172.32.0.1", true},
        {"100.128.0.1", true},
        {"223.255.255.255", true},
        {"2606:4700::1111", true},
        {"2a00:1450::1", true},
        {"::ffff:8.8.8.8", true},
        {"64:ff9b::8.8.8.8", true},
        {"2002:808:808::1", true},
        {"2001:4860::1", true},
        {"0.0.0.0", false},
        {"10.255.255.255", false},
        {"100.64.0.1", false},
        {"127.255.0.1", false},
        {"169.254.169.254", false},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"192.0.0.8", false},
        {"192.0.2.1", false},
        {"192.168.0.1", false},
        {"198.19.0.1", false},
        {"198.51.100.1", false},
        {"203.0.113.1", false},
        {"224.0.0.1", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        {"::", false},
        {"::1", false},
        {"::127.0.0.1", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:10.0.0.1", false},
        {"64:ff9b::10.0.0.1", false},
        {"64:ff9b::127.0.0.1", false},
        {"64:ff9b:1::1", false},
        {"2002:a00:1::", false},
        {"2002:7f00:1::", false},
        {"2001::1", false},
        {"2001:db8::1", false},
        {"3fff::1", false},
        {"fc00::1", false},
        {"fe80::1", false},
        {"fec0::1", false},
        {"ff02::1", false},
        {"100::1", false},
        {"4000::1", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct network network;
        assert_true(network_read(rows[i].address, &network));
        assert_row(network_is_public(&network) == rows[i].is_public, "%s", rows[i].address);
    }
}

static void test_lists_are_read(void **state)
{
    const struct network_list *list = NULL;
    const char *detail = NULL;
    struct network network;
    static const char *const wrong[] = {
        "", ",", "10.0.0.0/8,", "10.0.0.1/8", "x", "10.0.0.0/8 x", "10.0.0.0/33", "::1/129"};

    assert_true(network_list_read(*state, "10.0.0.0/8 , ::1,192.168.1.1", &list, &detail));
    assert_true(network_read("10.1.2.3", &network) && network_list_contains(list, &network));
    assert_true(network_read("::1", &network) && network_list_contains(list, &network));
    assert_true(network_read("192.168.1.1", &network) && network_list_contains(list, &network));
    assert_true(network_read("192.168.1.2", &network) && !network_list_contains(list, &network));
    assert_false(network_list_contains(NULL, &network));
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_row(!network_list_read(*state, wrong[i], &list, &detail), "\"%s\"", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_what_is_of_the_internet),
        UNIT_TEST(test_lists_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
