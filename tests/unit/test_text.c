#include <limits.h>
#include <stdlib.h>

#include "model/text.h"
#include "tests/unit/unit.h"

/* The table of RFC 3629, 4: first and last of each range, and their neighbours outside. */
static void test_utf8_validity(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", true},
        {"\x01", true},
        {"\x7f", true},
        {"\x80", false}, /* a continuation alone */
        {"\xbf", false},
        {"\xc0\x80", false}, /* overlong NUL */
        {"\xc1\xbf", false}, /* overlong */
        {"\xc2\x80", true},
        {"\xc2\x7f", false},
        {"\xc2\xc0", false},
        {"\xdf\xbf", true},
        {"\xe0\x80\x80", false}, /* overlong */
        {"\xe0\x9f\xbf", false},
        {"\xe0\xa0\x80", true},
        {"\xe1\x80\x80", true},
        {"\xe1\x80\xc0", false},
        {"\xed\x9f\xbf", true},
        {"\xed\xa0\x80", false}, /* U+D800 */
        {"\xed\xbf\xbf", false}, /* U+DFFF */
        {"\xee\x80\x80", true},
        {"\xef\xbb\xbf", true}, /* a byte order mark is a character */
        {"\xef\xbf\xbf", true},
        {"\xf0\x80\x80\x80", false}, /* overlong */
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf0\x90\x80\x80", true},
        {"\xf1\x80\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xf4\x90\x80\x80", false}, /* U+110000 */
        {"\xf5\x80\x80\x80", false},
        {"\xf8\x88\x80\x80\x80", false},
        {"\xfe", false},
        {"\xff", false},
        {"a\xc3\xa9z", true},
        {"\xc3\xa9\xa9", false},
        {"aé€😀z", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_row(text_is_utf8(rows[i].text, strlen(rows[i].text)) == rows[i].valid, "row %zu", i);
}

static void test_utf8_that_is_cut_or_holds_a_nul_is_refused(void **state)
{
    static const char *const characters[] = {"é", "€", "😀"};
    for (size_t i = 0; i < COUNT(characters); i++)
        for (size_t length = 1; length < strlen(characters[i]); length++) {
            /* On the heap without a NUL behind, so that reading too far is found. */
            char *cut = malloc(length);
            assert_non_null(cut);
            memcpy(cut, characters[i], length);
            assert_row(!text_is_utf8(cut, length), "%zu bytes of %s", length, characters[i]);
            free(cut);
        }
    assert_false(text_is_utf8("", 1));
    assert_false(text_is_utf8("a\0b", 3));
    assert_true(text_is_utf8("a\0b", 1));
    (void)state;
}

static void test_characters_are_code_points(void **state)
{
    (void)state;
    assert_int_equal(text_characters(""), 0);
    assert_int_equal(text_characters("abc"), 3);
    assert_int_equal(text_characters("aé€😀"), 4);
    assert_int_equal(text_characters("e\xcc\x81"), 2); /* e and a combining accent */
}

static void test_control_characters(void **state)
{
    (void)state;
    for (int c = 1; c < 128; c++) {
        char text[] = {'a', (char)c, 'b', '\0'};
        assert_row(text_has_control(text) == (c < 0x20 || c == 0x7f), "character %d", c);
    }
    assert_false(text_has_control(""));
    assert_false(text_has_control("é€😀"));
}

static void test_lower_changes_ascii_letters_alone(void **state)
{
    assert_string_equal(text_lower(*state, "@AZ[`az{09 ÄÖ"), "@az[`az{09 ÄÖ");
    assert_string_equal(text_lower(*state, ""), "");
}

static void test_percent_decoding(void **state)
{
    static const struct {
        const char *text;
        bool plus_is_space;
        const char *decoded; /* NULL: refused */
    } rows[] = {
        {"", false, ""},
        {"abc", false, "abc"},
        {"a%20b", false, "a b"},
        {"%41%7a%2F", false, "Az/"},
        {"%c3%A9", false, "é"},
        {"%25%32%35", false, "%25"}, /* once, not again */
        {"a+b%2B", false, "a+b+"},
        {"a+b%2B", true, "a b+"},
        {"%", false, NULL},
        {"%4", false, NULL},
        {"a%", false, NULL},
        {"%%41", false, NULL},
        {"%4g", false, NULL},
        {"%g4", false, NULL},
        {"%+1", false, NULL},
        {"% 1", false, NULL},
        {"%00", false, NULL},
        {"%c3", false, NULL},
        {"%ed%a0%80", false, NULL},
        {"\xff", false, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        static const char untouched[] = "untouched";
        const char *decoded = untouched;
        bool ok =
            text_percent_decode(*state, rows[i].text, strlen(rows[i].text), rows[i].plus_is_space, &decoded);
        assert_row(ok == (rows[i].decoded != NULL), "%s", rows[i].text);
        assert_string_equal(decoded, ok ? rows[i].decoded : untouched);
    }
}

static void test_percent_decoding_stops_at_the_length(void **state)
{
    const char *decoded;
    assert_true(text_percent_decode(*state, "ab%41", 2, false, &decoded));
    assert_string_equal(decoded, "ab");
    assert_false(text_percent_decode(*state, "ab%41", 4, false, &decoded));
    assert_false(text_percent_decode(*state, "a\0b", 3, false, &decoded));
}

static void test_percent_encoding_comes_back(void **state)
{
    char all[256];
    for (int i = 0; i < 127; i++)
        all[i] = (char)(i + 1);
    strncpy(all + 127, "é€😀", sizeof(all) - 127);
    const char *encoded = text_percent_encode(*state, all);
    const char *decoded;
    assert_int_equal(strspn(encoded, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%"),
                     strlen(encoded));
    assert_true(text_percent_decode(*state, encoded, strlen(encoded), true, &decoded));
    assert_string_equal(decoded, all);
    assert_string_equal(text_percent_encode(*state, "aZ0-._~ +/é"), "aZ0-._~%20%2B%2F%C3%A9");
}

static void test_integers(void **state)
{
    static const struct {
        const char *text;
        bool valid;
        long long value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"007", true, 7},
        {"-12", true, -12},
        {"9223372036854775807", true, LLONG_MAX},
        {"-9223372036854775808", true, LLONG_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1\n", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"0x1f", false, 0},
        {"a", false, 0},
        {"١", false, 0}, /* an Arabic digit */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        long long value = 77;
        assert_row(text_to_integer(rows[i].text, &value) == rows[i].valid, "%s", rows[i].text);
        assert_row(value == (rows[i].valid ? rows[i].value : 77), "%s is %lld", rows[i].text, value);
    }
}

static void test_what_is_a_time(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"2026-11-23T10:00:00Z", true},
        {"2026-11-23T10:00:00.1Z", true},
        {"2026-11-23T10:00:00.123456Z", true},
        {"2026-11-23T23:59:59+01:00", true},
        {"2026-11-23T10:00:00-14:59", true},
        {"2024-02-29T00:00:00Z", true},
        {"2000-02-29T00:00:00Z", true},
        {"0001-01-01T00:00:00Z", true},
        {"", false},
        {"2026-11-23", false},
        {"2026-11-23T10:00:00", false},
        {"2026-11-23T10:00:00z", false},
        {"2026-11-23 10:00:00Z", false},
        {"2026-11-23T10:00:00ZZ", false},
        {"2026-11-23T10:00:00.Z", false},
        {"2026-11-23T10:00:00.1234567Z", false},
        {"2026-02-29T00:00:00Z", false},
        {"1900-02-29T00:00:00Z", false},
        {"2026-00-01T00:00:00Z", false},
        {"2026-13-01T00:00:00Z", false},
        {"2026-04-31T00:00:00Z", false},
        {"2026-04-00T00:00:00Z", false},
        {"0000-01-01T00:00:00Z", false},
        {"2026-11-23T24:00:00Z", false},
        {"2026-11-23T10:60:00Z", false},
        {"2026-11-23T10:00:60Z", false},
        {"2026-11-23T10:00:00+15:00", false},
        {"2026-11-23T10:00:00+01:60", false},
        {"2026-11-23T10:00:00+0100", false},
        {"2026-11-23T10:00:00+1:000", false},
        {"-026-11-23T10:00:00Z", false},
        {"infinity", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_row(text_is_time(rows[i].text) == rows[i].valid, "%s", rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_utf8_validity),
        UNIT_TEST(test_utf8_that_is_cut_or_holds_a_nul_is_refused),
        UNIT_TEST(test_characters_are_code_points),
        UNIT_TEST(test_control_characters),
        UNIT_TEST(test_lower_changes_ascii_letters_alone),
        UNIT_TEST(test_percent_decoding),
        UNIT_TEST(test_percent_decoding_stops_at_the_length),
        UNIT_TEST(test_percent_encoding_comes_back),
        UNIT_TEST(test_integers),
        UNIT_TEST(test_what_is_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
