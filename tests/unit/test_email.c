#include "model/email.h"
#include "tests/unit/unit.h"

#define DEFAULT_DOMAIN "acme.postreeve.test"

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        const char *address; /* NULL: refused */
    } rows[] = {
        {"ann@acme.test", "ann@acme.test"},
        {"Ann.LEE@Acme.TEST", "ann.lee@acme.test"},
        {"ann", "ann@" DEFAULT_DOMAIN},
        {"Ann.Lee", "ann.lee@" DEFAULT_DOMAIN},
        {"a@b.c", "a@b.c"},
        {"a!#$%&'*+-/=?^_`{|}~b@acme.test", "a!#$%&'*+-/=?^_`{|}~b@acme.test"},
        {"1@2.test", "1@2.test"},
        {"ann@mail-1.acme.test", "ann@mail-1.acme.test"},
        {"", NULL},
        {"@", NULL},
        {"@acme.test", NULL},
        {"ann@", NULL},
        {"a@b@acme.test", NULL},
        {".ann@acme.test", NULL},
        {"ann.@acme.test", NULL},
        {"an..n@acme.test", NULL},
        {".", NULL},
        {"a b@acme.test", NULL},
        {" ann@acme.test", NULL},
        {"ann@acme.test ", NULL},
        {"\"ann\"@acme.test", NULL},
        {"ann(comment)@acme.test", NULL},
        {"<ann@acme.test>", NULL},
        {"a,b@acme.test", NULL},
        {"a\\b@acme.test", NULL},
        {"ann\n@acme.test", NULL},
        {"zoë@acme.test", NULL}, /* local parts are ASCII */
        {"ann@acme", NULL},      /* a host name has two labels */
        {"ann@.acme.test", NULL},
        {"ann@acme..test", NULL},
        {"ann@acme.test.", NULL},
        {"ann@-acme.test", NULL},
        {"ann@acme-.test", NULL},
        {"ann@ac_me.test", NULL},
        {"ann@ac me.test", NULL},
        {"ann@[127.0.0.1]", NULL},
        {"ann@acme.test\n", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct email email = {.address = "untouched"};
        const char *detail = NULL;
        bool ok = email_parse(*state, rows[i].text, DEFAULT_DOMAIN, &email, &detail);
        assert_row(ok == (rows[i].address != NULL), "%s", rows[i].text);
        assert_string_equal(email.address, ok ? rows[i].address : "untouched");
        if (ok)
            assert_string_equal(arena_printf(*state, "%s@%s", email.local, email.domain), email.address);
        else
            assert_row(detail != NULL, "no detail for %s", rows[i].text);
    }
}

static void test_domains_become_a_labels(void **state)
{
    static const struct {
        const char *text;
        const char *domain; /* NULL: refused */
    } rows[] = {
        {"bücher.example", "xn--bcher-kva.example"},
        {"BÜCHER.Example", "xn--bcher-kva.example"},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example"},             /* decomposed */
        {"faß.example", "xn--fa-hia.example"}, /* IDNA 2008 keeps the ß */
        {"例え.テスト", "xn--r8jz45g.xn--zckzah"},
        {"例え。テスト", "xn--r8jz45g.xn--zckzah"}, /* an ideographic full stop is a dot */
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
        {"\xe2\x99\xa5.example", NULL}, /* a symbol */
        {"a\xe2\x80\x8b"
         "b..example",
         NULL},
        {"אa.example", NULL}, /* both directions in one label */
        {"\xcc\x81"
         "a.example",
         NULL}, /* a label does not begin with a combining mark */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *domain = "untouched";
        const char *detail = NULL;
        bool ok = email_domain_parse(*state, rows[i].text, &domain, &detail);
        assert_row(ok == (rows[i].domain != NULL), "%s became %s", rows[i].text, domain);
        assert_string_equal(domain, ok ? rows[i].domain : "untouched");
        assert_row(ok || detail != NULL, "no detail for %s", rows[i].text);
    }
}

/* Local part, labels and whole address as long as they may be, and one longer. A label of 63 and its dot are 64. */
static void test_lengths(void **state)
{
    static const struct {
        size_t local, label, more_labels;
        bool valid;
    } rows[] = {
        {64, 1, 0, true},   {65, 1, 0, false}, {1, 63, 0, true},
        {1, 64, 0, false},  {64, 56, 2, true}, /* 64 + 1 + 56 + 2 * 64 + 5 = 254 */
        {64, 57, 2, false},                    /* 255 */
        {1, 55, 3, true},                      /* a domain of 252: 254 */
        {1, 56, 3, false},                     /* a domain of 253 may be, an address of 255 not */
        {1, 57, 3, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *label = unit_repeat(*state, "m", 63);
        const char *more = unit_repeat(*state, arena_printf(*state, ".%s", label), rows[i].more_labels);
        const char *local = unit_repeat(*state, "l", rows[i].local);
        const char *domain = arena_printf(*state, "%s%s.test", unit_repeat(*state, "d", rows[i].label), more);
        const char *text = arena_printf(*state, "%s@%s", local, domain);
        struct email email;
        const char *detail;
        assert_row(email_parse(*state, text, DEFAULT_DOMAIN, &email, &detail) == rows[i].valid,
                   "row %zu: %zu", i, strlen(text));
        assert_row(email_parse(*state, local, domain, &email, &detail) || !rows[i].valid, "row %zu, default",
                   i);
    }
}

/* 253 as the RFC counts, in the A-label's bytes. */
static void test_domain_lengths(void **state)
{
    const char *rest =
        unit_repeat(*state, ".d23456789-123456789-123456789-123456789-123456789-123456789-123", 3);
    for (size_t first = 59; first <= 62; first++) {
        const char *text = arena_printf(*state, "%s%s", unit_repeat(*state, "d", first), rest);
        const char *domain, *detail;
        assert_row(email_domain_parse(*state, text, &domain, &detail) == (strlen(text) <= 253), "%zu",
                   strlen(text));
    }
}

static void test_the_default_local_part_is_the_name_before_its_at(void **state)
{
    assert_string_equal(email_local_part_of_name(*state, "ann"), "ann");
    assert_string_equal(email_local_part_of_name(*state, "ann@acme.test"), "ann");
    assert_string_equal(email_local_part_of_name(*state, ""), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_addresses),
        UNIT_TEST(test_domains_become_a_labels),
        UNIT_TEST(test_lengths),
        UNIT_TEST(test_domain_lengths),
        UNIT_TEST(test_the_default_local_part_is_the_name_before_its_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
