/* The small grammars of single headers: Accept-Encoding, traceparent, entity tags, and the setting of origins. */
#include "api/compress.h"
#include "api/cors.h"
#include "api/trace.h"
#include "db/tx.h"
#include "tests/unit/unit.h"

static void test_gzip_is_taken_only_by_who_asks_for_it(void **state)
{
    static const struct {
        const char *text;
        bool accepted;
    } rows[] = {
        {NULL, false},
        {"", false},
        {"gzip", true},
        {"GZIP", true},
        {"x-gzip", true},
        {"gzip, deflate, br", true},
        {"deflate, br", false},
        {"deflate,gzip", true},
        {"gzip;q=1", true},
        {"gzip;q=0.001", true},
        {"gzip ; q=0.5", true},
        {"gzip;Q=0.5", true},
        {"gzip;q=0", false},
        {"gzip;q=0.", false},
        {"gzip;q=0.000", false},
        {"gzip;q=0, *", false},
        {"*", true},
        {"*;q=0", false},
        {"*;q=0, gzip;q=0.1", true},
        {"identity", false},
        {"identity, gzip;q=0.5", false},
        {"identity;q=0.5, gzip", true},
        {"identity;q=0.5, gzip;q=0.5", true},
        {"gzip;q=1.001", false},
        {"gzip;q=2", false},
        {"gzip;q=0.5x", false},
        {"gzip;q=0.1234", false},
        {"gzip;q=", false},
        {"gzip;q", false},
        {"gzip;", false},
        {"gzip;level=9", false},
        {"gzip;q=-1", false},
        {"gzip;q=.5", false},
        {"gzipx", false},
        {"xgzip", false},
        {"notgzip, br", false},
        {"\"gzip\"", false},
        {",,, gzip", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_row(compress_is_accepted(rows[i].text) == rows[i].accepted, "%s", rows[i].text);
}

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void test_traceparent_must_be_well_formed(void **state)
{
    static const char *const good[] = {"00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-00",
                                       "01-" TRACE "-" PARENT "-01",
                                       "cc-" TRACE "-" PARENT "-01-what comes later"};
    static const char *const wrong[] = {
        "",
        "00",
        "00-" TRACE "-" PARENT,
        "00-" TRACE "-" PARENT "-1",
        "00-" TRACE "-" PARENT "-01 ",
        " 00-" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "-01-more",
        "01-" TRACE "-" PARENT "-01more",
        "ff-" TRACE "-" PARENT "-01",
        "0g-" TRACE "-" PARENT "-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
        "00-" TRACE "-B7AD6B7169203331-01",
        "00_" TRACE "_" PARENT "_01",
        "00-" TRACE "-" PARENT "-0\xc3\xa9",
        "00-0af7651916cd43dd8448eb211c80319-" PARENT "-01",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        const char *id = trace_id_of(*state, good[i]);
        assert_row(id != NULL && strcmp(id, TRACE) == 0, "%s", good[i]);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_row(trace_id_of(*state, wrong[i]) == NULL, "%s", wrong[i]);
}

static void test_the_tag_of_the_compressed_form_names_the_same_version(void **state)
{
    static const struct {
        const char *tags;
        bool names;
        bool names_weakly;
    } rows[] = {
        {"\"v3\"", true, true},
        {"\"v3-gzip\"", true, true},
        {"W/\"v3-gzip\"", false, true},
        {"\"v2\", \"v3-gzip\"", true, true},
        {"\"v3-gzip\",\"v4\"", true, true},
        {"*", true, true},
        {"\"v3-gzi\"", false, false},
        {"\"v3-gzip-gzip\"", false, false},
        {"\"v3-GZIP\"", false, false},
        {"\"v31\"", false, false},
        {"\"v3", false, false},
        {"v3", false, false},
        {"\"v\"", false, false},
        {"\"-gzip\"", false, false},
        {"", false, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_row(tx_names(rows[i].tags, "\"v3\"", false) == rows[i].names, "%s", rows[i].tags);
        assert_row(tx_names(rows[i].tags, "\"v3\"", true) == rows[i].names_weakly, "weakly: %s",
                   rows[i].tags);
    }
}

static void test_origins_are_exact(void **state)
{
    static const char *const wrong[] = {"*",
                                        "null",
                                        "",
                                        "https://*.example.org",
                                        "https://",
                                        "console.example.org",
                                        "https://a.org/",
                                        "https://a.org/x",
                                        "https://A.org",
                                        "HTTPS://a.org",
                                        "ftp://a.org",
                                        "https://a.org:",
                                        "https://a.org:123456",
                                        "https://a.org:x",
                                        "https://u@a.org",
                                        "https://a.org,",
                                        ",https://a.org",
                                        "https://a.org https://b.org",
                                        "https://[::1",
                                        "https://a.org?x",
                                        "https://[]",
                                        "https://a.org,*"};
    const char *const *origins = NULL;
    const char *detail = NULL;
    assert_true(
        cors_parse(*state, "https://a.org, http://localhost:3000,http://[::1]:80", &origins, &detail));
    assert_string_equal(origins[0], "https://a.org");
    assert_string_equal(origins[1], "http://localhost:3000");
    assert_string_equal(origins[2], "http://[::1]:80");
    assert_null(origins[3]);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        origins = NULL;
        assert_row(!cors_parse(*state, wrong[i], &origins, &detail) && origins == NULL, "%s is taken",
                   wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_gzip_is_taken_only_by_who_asks_for_it),
        UNIT_TEST(test_traceparent_must_be_well_formed),
        UNIT_TEST(test_the_tag_of_the_compressed_form_names_the_same_version),
        UNIT_TEST(test_origins_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
