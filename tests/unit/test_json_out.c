#include <jansson.h>

#include "model/json_out.h"
#include "tests/unit/unit.h"

static void test_escapes(void **state)
{
    static const struct {
        const char *text;
        const char *json;
    } rows[] = {
        {"", "\"\""},
        {"plain / text", "\"plain / text\""},
        {"\"", "\"\\\"\""},
        {"\\", "\"\\\\\""},
        {"\\n", "\"\\\\n\""},
        {"\n\r\t", "\"\\n\\r\\t\""},
        {"\x01\b\f\x1f", "\"\\u0001\\u0008\\u000c\\u001f\""},
        {"\x7f", "\"\x7f\""},
        {"Zoë 😀", "\"Zoë 😀\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer out = {.arena = *state};
        out_string(&out, rows[i].text);
        assert_string_equal(buffer_string(&out), rows[i].json);
    }
}

/* Each byte of ASCII, 0 too, comes back from a parser that is not ours. */
static void test_a_parser_reads_back_what_was_written(void **state)
{
    char text[3 * 128];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i % 128);
    for (size_t length = 0; length <= sizeof(text); length++) {
        struct buffer out = {.arena = *state};
        out_text(&out, text, length);
        json_t *value = json_loadb(out.data, out.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        assert_int_equal(json_string_length(value), length);
        assert_memory_equal(json_string_value(value), text, length);
        json_decref(value);
    }
}

static void test_the_longest_escapes_fit(void **state)
{
    struct buffer out = {.arena = *state};
    out_string(&out, unit_repeat(*state, "\x01", 20000));
    assert_int_equal(out.length, 2 + 6 * 20000);
}

static void test_separators_in_nested_values(void **state)
{
    struct buffer out = {.arena = *state};
    out_begin_object(&out);
    out_member(&out, "absent", NULL);
    out_member(&out, "a", "x");
    out_member(&out, "absent", NULL);
    out_member_integer(&out, "b", INT64_MIN);
    out_member_boolean(&out, "c", true);
    out_name(&out, "d");
    out_begin_array(&out);
    out_integer(&out, INT64_MAX);
    out_boolean(&out, false);
    out_begin_object(&out);
    out_end_object(&out);
    out_begin_array(&out);
    out_end_array(&out);
    out_raw(&out, "{\"r\":1}", 7);
    out_raw(&out, "null", 4);
    out_begin_object(&out);
    out_member(&out, "e", "");
    out_end_object(&out);
    out_end_array(&out);
    out_name(&out, "f");
    out_raw(&out, "[]", 2);
    out_member(&out, "g", "y");
    out_end_object(&out);
    assert_string_equal(buffer_string(&out),
                        "{\"a\":\"x\",\"b\":-9223372036854775808,\"c\":true,"
                        "\"d\":[9223372036854775807,false,{},[],{\"r\":1},null,{\"e\":\"\"}],"
                        "\"f\":[],\"g\":\"y\"}");
}

/* A comma is decided by the byte before: texts that end like a beginning must not deceive it. */
static void test_texts_that_look_like_separators(void **state)
{
    static const char *const texts[] = {"{", "[", ":", ",", "\n", "\"", "\\"};
    struct buffer out = {.arena = *state};
    out_begin_array(&out);
    for (size_t i = 0; i < COUNT(texts); i++)
        out_string(&out, texts[i]);
    out_end_array(&out);
    assert_string_equal(buffer_string(&out), "[\"{\",\"[\",\":\",\",\",\"\\n\",\"\\\"\",\"\\\\\"]");
}

static void test_a_new_line_starts_a_new_document(void **state)
{
    struct buffer out = {.arena = *state};
    for (int i = 0; i < 2; i++) {
        out_begin_object(&out);
        out_member_integer(&out, "i", i);
        out_end_object(&out);
        buffer_byte(&out, '\n');
    }
    assert_string_equal(buffer_string(&out), "{\"i\":0}\n{\"i\":1}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_escapes),
        UNIT_TEST(test_a_parser_reads_back_what_was_written),
        UNIT_TEST(test_the_longest_escapes_fit),
        UNIT_TEST(test_separators_in_nested_values),
        UNIT_TEST(test_texts_that_look_like_separators),
        UNIT_TEST(test_a_new_line_starts_a_new_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
