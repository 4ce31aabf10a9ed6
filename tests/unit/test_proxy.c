#include "api/proxy.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "tests/unit/unit.h"

static struct sockaddr_storage peer_of(const char *text)
{
    struct sockaddr_storage peer = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&peer;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        peer.ss_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        peer.ss_family = AF_INET6;
    }
    return peer;
}

/* "address", "address tls" or "refused". */
static const char *outcome(struct arena *arena, const char *trusted, const char *peer_text,
                           const struct proxy_headers *headers)
{
    const struct proxy_list *list = NULL;
    const char *detail;
    struct proxy_source source;
    struct sockaddr_storage peer = peer_of(peer_text);
    if (trusted != NULL)
        assert_true(proxy_list_parse(arena, trusted, &list, &detail));
    if (!proxy_find_source(arena, list, (const struct sockaddr *)&peer, false, headers, &source))
        return "refused";
    return arena_printf(arena, "%s%s", source.address, source.is_secure ? " tls" : "");
}

static const char networks[] = "10.0.0.0/8, 192.0.2.7,2001:db8:1::/48";

static void test_the_nearest_address_that_is_not_trusted_is_the_source(void **state)
{
    static const struct {
        const char *peer;
        const char *x_for;
        const char *expected;
    } rows[] = {
        {"10.1.1.1", "203.0.113.9", "203.0.113.9"},
        {"10.1.1.1", NULL, "10.1.1.1"},
        {"10.1.1.1", "", "10.1.1.1"},
        {"10.1.1.1", " , ,", "10.1.1.1"},
        {"11.1.1.1", "203.0.113.9", "11.1.1.1"},
        {"192.0.2.7", "203.0.113.9", "203.0.113.9"},
        {"192.0.2.8", "203.0.113.9", "192.0.2.8"},
        {"10.1.1.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"},
        {"10.1.1.1", "1.1.1.1,203.0.113.9,10.2.2.2", "203.0.113.9"},
        {"10.1.1.1", "1.1.1.1, 203.0.113.9 ,, 192.0.2.7 , 10.2.2.2", "203.0.113.9"},
        {"10.1.1.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"},
        {"10.1.1.1", "203.0.113.9:4711", "203.0.113.9"},
        {"10.1.1.1", "[2001:db8::1]:4711", "2001:db8::1"},
        {"10.1.1.1", "[2001:db8::1]", "2001:db8::1"},
        {"10.1.1.1", "2001:DB8:0:0::1", "2001:db8::1"},
        {"10.1.1.1", "::ffff:203.0.113.9", "203.0.113.9"},
        {"::ffff:10.1.1.1", "203.0.113.9", "203.0.113.9"},
        {"::ffff:11.1.1.1", "203.0.113.9", "11.1.1.1"},
        {"2001:db8:1:2::3", "203.0.113.9", "203.0.113.9"},
        {"2001:db8:2::3", "203.0.113.9", "2001:db8:2::3"},
        {"10.1.1.1", "203.0.113.9, ::ffff:10.9.9.9", "203.0.113.9"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct proxy_headers headers = {.x_forwarded_for = rows[i].x_for};
        const char *found = outcome(*state, networks, rows[i].peer, &headers);
        assert_row(strcmp(found, rows[i].expected) == 0, "row %zu: %s, not %s", i, found, rows[i].expected);
    }
}

static void test_what_cannot_be_read_ends_the_way(void **state)
{
    static const char *const odd[] = {
        "unknown",
        "_hidden",
        "localhost",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:80:80",
        "1.2.3.4:8\x01",
        "[::1",
        "::1]",
        "[]",
        "[1.2.3.4]",
        "[::1]80",
        "[::1]:",
        "[::1%eth0]",
        "fe80::1%eth0",
        ":::",
        ":",
        "1.2.3.4/8",
        "1.2.3.4 5.6.7.8",
        "\"1.2.3.4\"",
        "for=1.2.3.4",
        "\xff\xfe",
        "0x7f000001",
        "2130706433",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999",
        "255.255.255.255.255.255.255.255.255.255.255.255.255.255",
    };
    for (size_t i = 0; i < COUNT(odd); i++) {
        struct proxy_headers headers = {.x_forwarded_for =
                                            arena_printf(*state, "6.6.6.6, %s, 10.2.2.2", odd[i])};
        const char *found = outcome(*state, networks, "10.1.1.1", &headers);
        assert_row(strcmp(found, "10.2.2.2") == 0, "%s: %s", odd[i], found);
    }
}

static void test_forwarded_is_read_by_its_grammar(void **state)
{
    static const struct {
        const char *forwarded;
        const char *expected;
    } rows[] = {
        {"for=203.0.113.9", "203.0.113.9"},
        {"For=\"203.0.113.9:80\"", "203.0.113.9"},
        {"for=203.0.113.9;proto=https;by=10.1.1.1", "203.0.113.9 tls"},
        {"PROTO=HTTPS ; FOR=203.0.113.9", "203.0.113.9 tls"},
        {"for=203.0.113.9;proto=http", "203.0.113.9"},
        {"for=\"[2001:db8::9]:80\";host=\"a,b;c=d\"", "2001:db8::9"},
        {"for=\"[2001:db8:\\:9]\"", "2001:db8::9"},
        {"for=1.1.1.1;proto=http, for=203.0.113.9;proto=https", "203.0.113.9 tls"},
        {"for=1.1.1.1;proto=https, for=203.0.113.9;proto=http, for=10.2.2.2;proto=http", "203.0.113.9"},
        {"for=203.0.113.9;proto=https, for=10.2.2.2;proto=http", "203.0.113.9 tls"},
        {"for=1.1.1.1, for=unknown", "10.1.1.1"},
        {"for=1.1.1.1, for=\"_gazonk\"", "10.1.1.1"},
        {"for=1.1.1.1, by=10.1.1.1;proto=https", "10.1.1.1 tls"},
        {"", "10.1.1.1"},
        {" , for=203.0.113.9,", "203.0.113.9"},
        /* A client's open quote must not swallow what the proxy says, and what it says must not be taken from there. */
        {"for=\"6.6.6.6, for=203.0.113.9", "10.1.1.1"},
        {"for=6.6.6.6, for=\", for=\"[2001:db8::9]:80\"", "10.1.1.1"},
        {"for=\"x\\", "10.1.1.1"},
        {"for=\"", "10.1.1.1"},
        {"for=", "10.1.1.1"},
        {"for", "10.1.1.1"},
        {"=1.1.1.1", "10.1.1.1"},
        {"for=1.1.1.1;for=2.2.2.2", "10.1.1.1"},
        {"for=1.1.1.1;proto=https;proto=http", "10.1.1.1"},
        {"for=1.1.1.1;", "10.1.1.1"},
        {"for=1.1.1.1 for=2.2.2.2", "10.1.1.1"},
        {"6.6.6.6, for=203.0.113.9", "10.1.1.1"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct proxy_headers headers = {.forwarded = rows[i].forwarded};
        const char *found = outcome(*state, networks, "10.1.1.1", &headers);
        assert_row(strcmp(found, rows[i].expected) == 0, "%s: %s, not %s", rows[i].forwarded, found,
                   rows[i].expected);
        found = outcome(*state, networks, "11.1.1.1", &headers);
        assert_row(strcmp(found, "11.1.1.1") == 0, "%s of a stranger: %s", rows[i].forwarded, found);
    }
}

static void test_the_protocol_is_what_the_nearest_machines_say(void **state)
{
    static const struct {
        const char *x_for;
        const char *proto;
        const char *expected;
    } rows[] = {
        {NULL, "https", "10.1.1.1 tls"},
        {"203.0.113.9", "https", "203.0.113.9 tls"},
        {"203.0.113.9", "HTTPS", "203.0.113.9 tls"},
        {"203.0.113.9", "http", "203.0.113.9"},
        {"203.0.113.9", "httpsx", "203.0.113.9"},
        {"203.0.113.9", "", "203.0.113.9"},
        {"1.1.1.1, 203.0.113.9", "https", "203.0.113.9 tls"},
        {"1.1.1.1, 203.0.113.9", "https, http", "203.0.113.9"},
        {"1.1.1.1, 203.0.113.9", "http, https", "203.0.113.9 tls"},
        {"203.0.113.9", "https, http", "203.0.113.9"},
        {"203.0.113.9, 10.2.2.2", "https, http", "203.0.113.9 tls"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct proxy_headers headers = {.x_forwarded_for = rows[i].x_for, .x_forwarded_proto = rows[i].proto};
        const char *found = outcome(*state, networks, "10.1.1.1", &headers);
        assert_row(strcmp(found, rows[i].expected) == 0, "row %zu: %s, not %s", i, found, rows[i].expected);
        assert_string_equal(outcome(*state, networks, "11.1.1.1", &headers), "11.1.1.1");
        assert_string_equal(outcome(*state, NULL, "10.1.1.1", &headers), "10.1.1.1");
    }
}

static void test_two_headers_that_disagree_are_refused(void **state)
{
    struct proxy_headers headers = {.forwarded = "for=203.0.113.9", .x_forwarded_for = "203.0.113.9"};
    assert_string_equal(outcome(*state, networks, "10.1.1.1", &headers), "203.0.113.9");
    headers.x_forwarded_for = "6.6.6.6";
    assert_string_equal(outcome(*state, networks, "10.1.1.1", &headers), "refused");
    assert_string_equal(outcome(*state, networks, "11.1.1.1", &headers), "11.1.1.1");
    headers.x_forwarded_for = "";
    assert_string_equal(outcome(*state, networks, "10.1.1.1", &headers), "refused");
}

static void test_endless_lists_are_walked(void **state)
{
    struct proxy_headers headers = {
        .x_forwarded_for = arena_printf(*state, "203.0.113.9%s", unit_repeat(*state, ",10.2.2.2", 2000))};
    assert_string_equal(outcome(*state, networks, "10.1.1.1", &headers), "203.0.113.9");
    headers = (struct proxy_headers){.x_forwarded_for = unit_repeat(*state, ",", 8000)};
    assert_string_equal(outcome(*state, networks, "10.1.1.1", &headers), "10.1.1.1");
    headers = (struct proxy_headers){.forwarded = unit_repeat(*state, "for=\"a\",", 1000)};
    assert_string_equal(outcome(*state, networks, "10.1.1.1", &headers), "10.1.1.1");
    headers = (struct proxy_headers){.forwarded = unit_repeat(*state, "\"", 8000)};
    assert_string_equal(outcome(*state, networks, "10.1.1.1", &headers), "10.1.1.1");
}

static void test_networks_end_at_any_bit(void **state)
{
    static const struct {
        const char *network;
        const char *inside;
        const char *outside;
    } rows[] = {
        {"10.0.0.0/9", "10.127.255.255", "10.128.0.0"},
        {"10.1.2.3/32", "10.1.2.3", "10.1.2.2"},
        {"192.168.1.77/30", "192.168.1.79", "192.168.1.80"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
        {"::1", "::1", "::2"},
        {"0.0.0.0/0", "8.8.8.8", "2001:db8::1"},
    };
    struct proxy_headers headers = {.x_forwarded_for = "203.0.113.9"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *found = outcome(*state, rows[i].network, rows[i].inside, &headers);
        assert_row(strcmp(found, "203.0.113.9") == 0, "%s in %s: %s", rows[i].inside, rows[i].network, found);
        found = outcome(*state, rows[i].network, rows[i].outside, &headers);
        assert_row(strcmp(found, rows[i].outside) == 0, "%s not in %s: %s", rows[i].outside, rows[i].network,
                   found);
    }
}

static void test_a_setting_that_is_no_network_is_refused_by_name(void **state)
{
    static const char *const wrong[] = {
        "",          "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",   "10.0.0.0/8x", "10.0.0/8",
        "::1/129",   "proxy.local", "*",           "10.0.0.0/8,", ",::1",        "10.0.0.0/8 ::1",
        "[::1]/128", "10.0.0.1:80", "/8",          "10.0.0.0/8/8"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        const struct proxy_list *list = NULL;
        const char *detail = NULL;
        assert_row(!proxy_list_parse(*state, wrong[i], &list, &detail) && detail != NULL && list == NULL,
                   "\"%s\" is taken", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_the_nearest_address_that_is_not_trusted_is_the_source),
        UNIT_TEST(test_what_cannot_be_read_ends_the_way),
        UNIT_TEST(test_forwarded_is_read_by_its_grammar),
        UNIT_TEST(test_the_protocol_is_what_the_nearest_machines_say),
        UNIT_TEST(test_two_headers_that_disagree_are_refused),
        UNIT_TEST(test_endless_lists_are_walked),
        UNIT_TEST(test_networks_end_at_any_bit),
        UNIT_TEST(test_a_setting_that_is_no_network_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
