#include <stdlib.h>

#include "model/field.h"
#include "model/json_out.h"
#include "tests/unit/unit.h"

struct thing {
    const char *name;
    const char *note;
    const char *color;
    const char *code;
    const char *word;
    int64_t size;
    bool loud;
};

static bool refuse_bad(const char *value, const char **ret_detail)
{
    *ret_detail = "It is bad.";
    return strcmp(value, "bad") != 0;
}

static const char *const colors[] = {"RED", "GREEN", NULL};

enum row { ID, NAME, NOTE, COLOR, CODE, WORD, SIZE, LOUD, PLACE_X, PLACE_Y };
#define BIT(row) (UINT64_C(1) << (row))

static const struct field fields[] = {
    [ID] = FIELD_READ_ONLY_ROW("id", FIELD_STRING),
    [NAME] = FIELD_STRING_ROW(struct thing, name, FIELD_REQUIRED | FIELD_CREATE_ONLY, 2, 4),
    [NOTE] = FIELD_STRING_ROW(struct thing, note, FIELD_NULLABLE, 0, 3),
    [COLOR] = FIELD_ENUM_ROW(struct thing, color, FIELD_NULLABLE, colors),
    [CODE] = FIELD_STRING_ROW(struct thing, code, 0, 1, 9, .check = refuse_bad),
    [WORD] = FIELD_STRING_ROW(struct thing, word, FIELD_WRITE_ONLY, 1, 9, .check = refuse_bad,
                              .check_code = "weak_password"),
    [SIZE] = FIELD_INTEGER_ROW(struct thing, size, 0, -3, 7),
    [LOUD] = FIELD_BOOLEAN_ROW(struct thing, loud, 0),
    [PLACE_X] = FIELD_READ_ONLY_ROW("place.x", FIELD_STRING),
    [PLACE_Y] = FIELD_READ_ONLY_ROW("place.y", FIELD_INTEGER),
};
static const struct field_table table = FIELD_TABLE("thing", fields);

#define UNTOUCHED UINT64_C(0xAAAA)

static const char *decode(struct arena *arena, enum field_mode mode, const char *body, size_t length,
                          struct thing *thing, uint64_t *set)
{
    struct problem problem = {.arena = arena};
    /* Without a NUL behind it: a decoder that reads on is found by the sanitizer. */
    char *copy = malloc(length + 1);
    assert_non_null(copy);
    memcpy(copy + 1, body, length);
    *set = UNTOUCHED;
    enum code code = field_decode_body(&table, mode, copy + 1, length, thing, set, &problem);
    /* Of faulty members too: who reads many bodies goes on with the rest. */
    assert_row((*set == UNTOUCHED) == (code != CODE_OK && code != CODE_VALIDATION_FAILED), "%s: the set",
               body);
    free(copy);
    return unit_outcome(code, &problem);
}

struct body_row {
    enum field_mode mode;
    const char *body;
    const char *outcome;
};

static void check_bodies(struct arena *arena, const struct body_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct thing thing = {0};
        uint64_t set;
        const char *outcome = decode(arena, rows[i].mode, rows[i].body, strlen(rows[i].body), &thing, &set);
        assert_row(strcmp(outcome, rows[i].outcome) == 0, "%s gave %s", rows[i].body, outcome);
    }
}

static void test_all_faults_are_told_at_once(void **state)
{
    static const struct body_row rows[] = {
        {FIELD_CREATE,
         "{\"note\":\"long\",\"size\":8,\"color\":\"BLUE\",\"loud\":1,\"id\":\"x\",\"a/b\":1,\"code\":\"bad\"}",
         "/note too_long, /size too_large, /color invalid_value, /loud wrong_type, /id read_only, "
         "/a~1b unknown_member, /code invalid_format, /name required"},
        {FIELD_UPDATE, "{\"name\":\"ab\",\"id\":null,\"size\":null,\"Note\":1,\"\":2,\"word\":\"bad\"}",
         "/name create_only, /id read_only, /size not_nullable, /Note unknown_member, / unknown_member, "
         "/word weak_password"},
        {FIELD_CREATE, "{\"name\":\"a\"}", "/name too_short"}, /* wrong, but not missing */
    };
    check_bodies(*state, rows, COUNT(rows));
}

static void test_who_may_set_which_member(void **state)
{
    static const struct body_row rows[] = {
        {FIELD_CREATE, "{\"name\":\"ab\"}", "ok"},
        {FIELD_CREATE, "{\"name\":\"ab\",\"id\":\"x\"}", "/id read_only"},
        {FIELD_CREATE, "{\"name\":\"ab\",\"nam\":1}", "/nam unknown_member"},
        {FIELD_CREATE, "{\"name\":\"ab\",\"names\":1}", "/names unknown_member"},
        {FIELD_CREATE, "{}", "/name required"},
        {FIELD_UPDATE, "{}", "ok"},
        {FIELD_UPDATE, "{\"name\":\"ab\"}", "/name create_only"},
        {FIELD_UPDATE, "{\"name\":null}", "/name create_only"},
        {FIELD_UPDATE, "{\"note\":\"a\"}", "ok"},
    };
    check_bodies(*state, rows, COUNT(rows));
}

/* Dotted rows are the parts of an object: the body's member is the object, and so is what the pointer names. */
static void test_a_sub_object_is_named_by_its_own_pointer(void **state)
{
    static const struct body_row rows[] = {
        {FIELD_UPDATE, "{\"place\":{\"x\":\"a\"}}", "/place read_only"},
        {FIELD_UPDATE, "{\"plac\":1}", "/plac unknown_member"},
        {FIELD_UPDATE, "{\"place.x\":\"a\"}", "/place.x unknown_member"},
    };
    check_bodies(*state, rows, COUNT(rows));
}

static void test_lengths_are_in_characters(void **state)
{
    static const struct body_row rows[] = {
        {FIELD_CREATE, "{\"name\":\"é\"}", "/name too_short"}, /* two bytes */
        {FIELD_CREATE, "{\"name\":\"éé\"}", "ok"},
        {FIELD_CREATE, "{\"name\":\"😀😀😀😀\"}", "ok"}, /* sixteen bytes */
        {FIELD_CREATE, "{\"name\":\"\\ud83d\\ude00abc\"}", "ok"},
        {FIELD_CREATE, "{\"name\":\"😀😀😀😀a\"}", "/name too_long"},
        {FIELD_CREATE, "{\"name\":\"\"}", "/name too_short"},
        {FIELD_UPDATE, "{\"note\":\"\"}", "ok"},
        {FIELD_UPDATE, "{\"note\":\"abc\"}", "ok"},
        {FIELD_UPDATE, "{\"note\":\"abcd\"}", "/note too_long"},
    };
    check_bodies(*state, rows, COUNT(rows));
}

static void test_control_characters_are_refused(void **state)
{
    static const struct body_row rows[] = {
        {FIELD_UPDATE, "{\"note\":\"a\\n\"}", "/note invalid_format"},
        {FIELD_UPDATE, "{\"note\":\"\\u001f\"}", "/note invalid_format"},
        {FIELD_UPDATE, "{\"note\":\"\\u007f\"}", "/note invalid_format"},
        {FIELD_UPDATE, "{\"note\":\"\\u0020\"}", "ok"},
    };
    check_bodies(*state, rows, COUNT(rows));
}

static void test_integers(void **state)
{
    static const struct body_row rows[] = {
        {FIELD_UPDATE, "{\"size\":-4}", "/size too_small"},
        {FIELD_UPDATE, "{\"size\":-3}", "ok"},
        {FIELD_UPDATE, "{\"size\":0}", "ok"},
        {FIELD_UPDATE, "{\"size\":7}", "ok"},
        {FIELD_UPDATE, "{\"size\":8}", "/size too_large"},
        {FIELD_UPDATE, "{\"size\":9223372036854775807}", "/size too_large"},
        {FIELD_UPDATE, "{\"size\":-9223372036854775808}", "/size too_small"},
        {FIELD_UPDATE, "{\"size\":1.0}", "/size wrong_type"},
        {FIELD_UPDATE, "{\"size\":1e0}", "/size wrong_type"},
        {FIELD_UPDATE, "{\"size\":\"1\"}", "/size wrong_type"},
    };
    check_bodies(*state, rows, COUNT(rows));
}

/* Every kind of member with every type of value. */
static void test_wrong_types(void **state)
{
    enum type { TEXT, INTEGER, BOOLEAN, OTHER };
    static const struct {
        const char *name;
        enum type type;
    } members[] = {{"note", TEXT}, {"color", TEXT}, {"size", INTEGER}, {"loud", BOOLEAN}};
    static const struct {
        const char *json;
        enum type type;
    } values[] = {{"\"RED\"", TEXT}, {"1", INTEGER}, {"true", BOOLEAN}, {"false", BOOLEAN},
                  {"1.5", OTHER},    {"[]", OTHER},  {"{}", OTHER},     {"[\"RED\"]", OTHER}};

    for (size_t m = 0; m < COUNT(members); m++)
        for (size_t v = 0; v < COUNT(values); v++) {
            const struct body_row row = {
                .mode = FIELD_UPDATE,
                .body = arena_printf(*state, "{\"%s\":%s}", members[m].name, values[v].json),
                .outcome = members[m].type == values[v].type
                               ? "ok"
                               : arena_printf(*state, "/%s wrong_type", members[m].name),
            };
            check_bodies(*state, &row, 1);
        }
}

static void test_enums_are_compared_exactly_and_list_what_is_allowed(void **state)
{
    static const struct body_row rows[] = {
        {FIELD_UPDATE, "{\"color\":\"RED\"}", "ok"},
        {FIELD_UPDATE, "{\"color\":\"GREEN\"}", "ok"},
        {FIELD_UPDATE, "{\"color\":\"red\"}", "/color invalid_value"},
        {FIELD_UPDATE, "{\"color\":\"RE\"}", "/color invalid_value"},
        {FIELD_UPDATE, "{\"color\":\"\"}", "/color invalid_value"},
    };
    check_bodies(*state, rows, COUNT(rows));

    static const char body[] = "{\"color\":\"BLUE\"}";
    struct thing thing;
    struct problem problem = {.arena = *state};
    uint64_t set;
    field_decode_body(&table, FIELD_UPDATE, body, strlen(body), &thing, &set, &problem);
    assert_string_equal(problem.first_fault->detail, "One of: RED, GREEN.");
}

static void test_null(void **state)
{
    static const struct body_row rows[] = {
        {FIELD_UPDATE, "{\"note\":null,\"color\":null}", "ok"},
        {FIELD_UPDATE, "{\"size\":null,\"loud\":null,\"code\":null}",
         "/size not_nullable, /loud not_nullable, /code not_nullable"},
        {FIELD_CREATE, "{\"name\":null}", "/name not_nullable"},
        {FIELD_CREATE, "{\"name\":\"ab\",\"size\":null,\"loud\":null,\"code\":null,\"color\":null}", "ok"},
        {FIELD_CREATE, "{\"name\":\"ab\",\"id\":null}", "/id read_only"},
    };
    check_bodies(*state, rows, COUNT(rows));
}

static const struct thing defaults = {
    .name = "name", .note = "note", .color = "RED", .code = "code", .size = 5, .loud = true};

static void test_null_when_creating_says_the_same_as_leaving_out(void **state)
{
    static const char body[] =
        "{\"name\":\"ab\",\"note\":null,\"color\":null,\"code\":null,\"size\":null,\"loud\":null}";
    struct thing thing = defaults;
    uint64_t set;
    assert_string_equal(decode(*state, FIELD_CREATE, body, strlen(body), &thing, &set), "ok");
    assert_string_equal(thing.name, "ab");
    assert_true(thing.size == 5 && thing.loud);
    assert_ptr_equal(thing.note, defaults.note);
    assert_ptr_equal(thing.color, defaults.color);
    assert_ptr_equal(thing.code, defaults.code);
}

static void test_a_patch_tells_what_it_gave(void **state)
{
    static const char body[] = "{\"note\":null,\"color\":\"GREEN\",\"size\":-3,\"loud\":false}";
    struct thing thing = defaults;
    uint64_t set;
    assert_string_equal(decode(*state, FIELD_UPDATE, body, strlen(body), &thing, &set), "ok");
    assert_int_equal(set, BIT(NOTE) | BIT(COLOR) | BIT(SIZE) | BIT(LOUD));
    assert_null(thing.note);
    assert_string_equal(thing.color, "GREEN");
    assert_true(thing.size == -3 && !thing.loud);
    assert_ptr_equal(thing.code, defaults.code);
    assert_string_equal(decode(*state, FIELD_UPDATE, "{}", 2, &thing, &set), "ok");
    assert_int_equal(set, 0);
}

static void test_merge_copies_the_members_that_were_given(void **state)
{
    static const struct thing patch = {.name = "n", .color = "GREEN", .size = -1};
    (void)state;
    struct thing thing = defaults;
    field_merge(&table, 0, &patch, &thing);
    assert_memory_equal(&thing, &defaults, sizeof(thing));

    field_merge(&table, BIT(NOTE) | BIT(COLOR) | BIT(SIZE) | BIT(LOUD), &patch, &thing);
    assert_ptr_equal(thing.name, defaults.name);
    assert_null(thing.note);
    assert_ptr_equal(thing.color, patch.color);
    assert_ptr_equal(thing.code, defaults.code);
    assert_true(thing.size == -1 && !thing.loud);
}

static void test_decoded_text_outlives_the_body(void **state)
{
    char body[] = "{\"name\":\"ab\",\"note\":\"cd\",\"color\":\"RED\"}";
    struct thing thing = {0};
    uint64_t set;
    assert_string_equal(decode(*state, FIELD_CREATE, body, strlen(body), &thing, &set), "ok");
    memset(body, 'x', sizeof(body));
    assert_string_equal(thing.name, "ab");
    assert_string_equal(thing.note, "cd");
    assert_string_equal(thing.color, "RED");
}

/* The beginning of the outcome says where; jansson's words follow. */
static void test_what_is_not_json_is_told_with_line_and_column(void **state)
{
    static const struct {
        const char *body;
        const char *where;
    } rows[] = {
        {"", "Line 1, column 1: the body is empty"},
        {"{", "Line 1, column 1"},
        {"{\"name\" \"ab\"}", "Line 1, column 12"},
        {"{\n  \"size\": x\n}", "Line 2, column 11"},
        {"{\"size\":1,}", "Line 1, column 11"},
        {"{} {}", "Line 1, column 4"},
        {"{\"name\":\"ab\",\n \"name\":\"cd\"}", "Line 2, column 7"},
        {"{\"x\":{\"y\":1,\"y\":2}}",
         "Line 1, column 15"}, /* a duplicate deep inside, in an unknown member */
        {"{\"name\":\"ab\",\"n\\u0061me\":\"cd\"}",
         "Line 1, column 24"}, /* the same key written in another way */
        {"{\"name\":\"\xff\"}", "Line 1, column 9"},
        {"{\"name\":\"\\ud800\"}", "Line 1, column "},
        {"{\"name\":\"a\\u0000\"}", "Line 1, column "},
        {"{\"name\":\"a\nb\"}", "Line 1, column "},
        {"{'name':1}", "Line 1, column "},
        {"{\"size\":01}", "Line 1, column "},
        {"{\"size\":NaN}", "Line 1, column "},
        {"\xef\xbb\xbf{}", "Line 1, column "},
        {"[]", "Line 1, column 1: "},
        {"null", "Line 1, column 1: "},
        {"\"name\"", "Line 1, column 1: "},
        {"1", "Line 1, column 1: "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct thing thing = defaults;
        uint64_t set;
        const char *outcome = decode(*state, FIELD_CREATE, rows[i].body, strlen(rows[i].body), &thing, &set);
        const char *expected = arena_printf(*state, "malformed_json: %s", rows[i].where);
        assert_row(strncmp(outcome, expected, strlen(expected)) == 0, "%s gave %s", rows[i].body, outcome);
        assert_true(set == UNTOUCHED);
        assert_memory_equal(&thing, &defaults, sizeof(thing));
    }
}

static void test_a_body_ends_at_its_length(void **state)
{
    struct thing thing = {0};
    uint64_t set;
    assert_string_equal(decode(*state, FIELD_UPDATE, "{}}", 2, &thing, &set), "ok");
    assert_string_not_equal(decode(*state, FIELD_UPDATE, "{}\0", 3, &thing, &set), "ok");
    assert_string_not_equal(decode(*state, FIELD_UPDATE, "{\"note\":\"a\0\"}", 13, &thing, &set), "ok");
}

static void test_nesting_has_an_end(void **state)
{
    const char *body = arena_printf(*state, "{\"note\":%s%s}", unit_repeat(*state, "[", 100000),
                                    unit_repeat(*state, "]", 100000));
    struct thing thing = {0};
    uint64_t set;
    assert_string_not_equal(decode(*state, FIELD_UPDATE, body, strlen(body), &thing, &set), "ok");
}

/* --- query strings --- */

static const struct field query_fields[] = {
    FIELD_STRING_ROW(struct thing, name, FIELD_REQUIRED, 1, 4),
    FIELD_STRING_ROW(struct thing, note, 0, 0, 9, .check = refuse_bad),
    FIELD_ENUM_ROW(struct thing, color, 0, colors),
    FIELD_INTEGER_ROW(struct thing, size, 0, -3, 7),
    FIELD_BOOLEAN_ROW(struct thing, loud, 0),
};
static const struct field_table query_table = FIELD_TABLE("thing_query", query_fields);

static void test_query_faults(void **state)
{
    static const struct {
        const char *query;
        const char *outcome;
    } rows[] = {
        {"name=ab", "ok"},
        {"&&name=ab&", "ok"},
        {"", "?name required"},
        {"name", "?name too_short"},
        {"name=", "?name too_short"},
        {"name=%C3%A9%C3%A9%C3%A9%C3%A9", "ok"}, /* four characters */
        {"name=abcde", "?name too_long"},
        {"name=ab&name=ab", "?name duplicate_parameter"},
        {"name=ab&n%61me=cd", "?name duplicate_parameter"},
        {"name=ab&=x", "? unknown_parameter"},
        {"name=ab&x%2Fy=1&Name=1", "?x/y unknown_parameter, ?Name unknown_parameter"},
        {"name=ab&note=bad", "?note invalid_format"},
        {"name=ab&note=a%0Ab", "?note invalid_format"},
        {"name=ab&color=GREEN", "ok"},
        {"name=ab&color=green", "?color invalid_value"},
        {"name=ab&size=7", "ok"},
        {"name=ab&size=-4", "?size too_small"},
        {"name=ab&size=8", "?size too_large"},
        {"name=ab&size=", "?size wrong_type"},
        {"name=ab&size=1.0", "?size wrong_type"},
        {"name=ab&size=%2B1", "?size wrong_type"},
        {"name=ab&loud=true", "ok"},
        {"name=ab&loud=false", "ok"},
        {"name=ab&loud=TRUE", "?loud wrong_type"},
        {"name=ab&loud=1", "?loud wrong_type"},
        {"name=ab&loud", "?loud wrong_type"},
        {"size=x&size=1&z=1&color=", "?size wrong_type, ?size duplicate_parameter, ?z unknown_parameter, "
                                     "?color invalid_value, ?name required"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct thing thing = {0};
        struct problem problem = {.arena = *state};
        uint64_t set = UNTOUCHED;
        enum code code = field_decode_query(&query_table, rows[i].query, &thing, &set, &problem);
        const char *outcome = unit_outcome(code, &problem);
        assert_row(strcmp(outcome, rows[i].outcome) == 0, "%s gave %s", rows[i].query, outcome);
        assert_row((set == UNTOUCHED) == (code != CODE_OK), "%s: the set", rows[i].query);
    }
}

static void test_query_values_are_decoded(void **state)
{
    struct thing thing = defaults;
    struct problem problem = {.arena = *state};
    uint64_t set;
    assert_int_equal(field_decode_query(&query_table, "note=a+b%2B=%26&size=-3&name=a%20b&loud=false", &thing,
                                        &set, &problem),
                     CODE_OK);
    assert_string_equal(thing.note, "a b+=&");
    assert_string_equal(thing.name, "a b");
    assert_true(thing.size == -3 && !thing.loud);
    assert_ptr_equal(thing.color, defaults.color);
    assert_int_equal(set, 1U << 0 | 1U << 1 | 1U << 3 | 1U << 4);
}

static void test_broken_escapes_spoil_the_whole_query(void **state)
{
    static const char *const queries[] = {"name=%",    "name=%4",   "name=%4x",    "name=ab&%zz=1",
                                          "name=%00",  "name=%ff",  "%",           "name=%C3&x",
                                          "name=\xff", "name=ab&%", "name=ab&x=%", "size=x&%=1"};
    for (size_t i = 0; i < COUNT(queries); i++) {
        struct thing thing = {0};
        struct problem problem = {.arena = *state};
        uint64_t set;
        assert_row(field_decode_query(&query_table, queries[i], &thing, &set, &problem) == CODE_BAD_REQUEST,
                   "%s", queries[i]);
        assert_int_equal(problem.code, CODE_BAD_REQUEST);
    }
}

static void test_an_operation_without_a_table_takes_no_parameter(void **state)
{
    struct problem problem = {.arena = *state};
    uint64_t set = UNTOUCHED;
    assert_int_equal(field_decode_query(NULL, "", NULL, &set, &problem), CODE_OK);
    assert_int_equal(set, 0);
    enum code code = field_decode_query(NULL, "a=1", NULL, &set, &problem);
    assert_string_equal(unit_outcome(code, &problem), "?a unknown_parameter");
}

/* --- structs --- */

static void test_store_reads_the_text_of_a_column(void **state)
{
    static const char text[] = "text";
    struct thing thing = {.note = "x"};
    (void)state;
    field_store(&fields[NAME], text, &thing);
    field_store(&fields[NOTE], NULL, &thing);
    field_store(&fields[COLOR], colors[1], &thing);
    field_store(&fields[SIZE], "-9223372036854775808", &thing);
    field_store(&fields[LOUD], "t", &thing);
    assert_ptr_equal(thing.name, text);
    assert_null(thing.note);
    assert_ptr_equal(thing.color, colors[1]);
    assert_true(thing.size == INT64_MIN && thing.loud);
    field_store(&fields[SIZE], NULL, &thing);
    field_store(&fields[LOUD], "f", &thing);
    assert_true(thing.size == 0 && !thing.loud);
    field_store(&fields[LOUD], "true", &thing);
    assert_true(thing.loud);
    field_store(&fields[LOUD], NULL, &thing);
    assert_false(thing.loud);
}

static void test_describe_tells_all_of_a_row(void **state)
{
    static const struct field rows[] = {
        FIELD_ENUM_ROW(struct thing, color, FIELD_NULLABLE, colors),
        FIELD_STRING_ROW(struct thing, word, FIELD_REQUIRED | FIELD_CREATE_ONLY | FIELD_WRITE_ONLY, 8, 63),
        FIELD_READ_ONLY_ROW("place.x", FIELD_TIME),
    };
    static const struct field_table described = FIELD_TABLE("described", rows);
    struct buffer out = {.arena = *state};
    field_describe(&described, &out);
    assert_string_equal(
        buffer_string(&out),
        "[{\"name\":\"color\",\"kind\":\"enum\",\"required\":false,\"create_only\":false,"
        "\"read_only\":false,\"write_only\":false,\"nullable\":true,\"values\":[\"RED\",\"GREEN\"]},"
        "{\"name\":\"word\",\"kind\":\"string\",\"required\":true,\"create_only\":true,"
        "\"read_only\":false,\"write_only\":true,\"nullable\":false,\"min\":8,\"max\":63},"
        "{\"name\":\"place.x\",\"kind\":\"time\",\"required\":false,\"create_only\":false,"
        "\"read_only\":true,\"write_only\":false,\"nullable\":false}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_all_faults_are_told_at_once),
        UNIT_TEST(test_who_may_set_which_member),
        UNIT_TEST(test_a_sub_object_is_named_by_its_own_pointer),
        UNIT_TEST(test_lengths_are_in_characters),
        UNIT_TEST(test_control_characters_are_refused),
        UNIT_TEST(test_integers),
        UNIT_TEST(test_wrong_types),
        UNIT_TEST(test_enums_are_compared_exactly_and_list_what_is_allowed),
        UNIT_TEST(test_null),
        UNIT_TEST(test_null_when_creating_says_the_same_as_leaving_out),
        UNIT_TEST(test_a_patch_tells_what_it_gave),
        UNIT_TEST(test_merge_copies_the_members_that_were_given),
        UNIT_TEST(test_decoded_text_outlives_the_body),
        UNIT_TEST(test_what_is_not_json_is_told_with_line_and_column),
        UNIT_TEST(test_a_body_ends_at_its_length),
        UNIT_TEST(test_nesting_has_an_end),
        UNIT_TEST(test_query_faults),
        UNIT_TEST(test_query_values_are_decoded),
        UNIT_TEST(test_broken_escapes_spoil_the_whole_query),
        UNIT_TEST(test_an_operation_without_a_table_takes_no_parameter),
        UNIT_TEST(test_store_reads_the_text_of_a_column),
        UNIT_TEST(test_describe_tells_all_of_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
