#include "model/mail_domain.h"
#include "tests/unit/unit.h"

static const struct settings settings = {.service_domain = "postreeve.test", .ownership_label = "_amazonses"};

static void test_names_that_can_be_registered(void **state)
{
    static const struct {
        const char *text, *domain, *unicode_name; /* no domain: refused */
    } rows[] = {
        {"example.com", "example.com", NULL},
        {"Example.COM", "example.com", NULL},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example",
         "b\xc3\xbc"
         "cher.example"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example",
         "b\xc3\xbc"
         "cher.example"},
        {"example.co.uk", "example.co.uk", NULL},
        {"notpostreeve.test", "notpostreeve.test", NULL},
        {"github.io", "github.io", NULL}, /* somebody's own, whatever others do below */
        {"co.uk", NULL, NULL},
        {"com", NULL, NULL},
        {"postreeve.test", NULL, NULL},
        {"a.postreeve.test", NULL, NULL},
        {"", NULL, NULL},
        {"example.com.", NULL, NULL},
        {"xn--a.example", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mail_domain_name name = {0};
        const char *detail = NULL;
        bool good = mail_domain_parse(*state, &settings, rows[i].text, &name, &detail);
        assert_row(good == (rows[i].domain != NULL), "%s", rows[i].text);
        assert_row(good == (detail == NULL), "%s", rows[i].text);
        if (!good)
            continue;
        assert_string_equal(name.domain, rows[i].domain);
        assert_row((name.unicode_name == NULL) == (rows[i].unicode_name == NULL), "%s", rows[i].text);
        if (name.unicode_name != NULL)
            assert_string_equal(name.unicode_name, rows[i].unicode_name);
    }
}

static void test_labels_of_the_proof(void **state)
{
    (void)state;
    assert_true(mail_domain_is_label("_amazonses"));
    assert_true(mail_domain_is_label("a"));
    assert_false(mail_domain_is_label("a.b"));
    assert_false(mail_domain_is_label(""));
    assert_false(mail_domain_is_label("-a"));
    assert_false(mail_domain_is_label("a-"));
    assert_false(mail_domain_is_label("a b"));
    assert_true(mail_domain_is_label("0123456789012345678901234567890123456789012"));
    assert_false(mail_domain_is_label("01234567890123456789012345678901234567890123"));
}

static const char *zone_of(struct arena *arena, const struct mail_domain_facts *facts, const char *text)
{
    struct domain_record records[MAIL_DOMAIN_RECORDS];
    struct buffer out = {.arena = arena};
    mail_domain_expect(arena, &settings, facts, records);
    if (text != NULL)
        records[0].value = text;
    mail_domain_write_zone(facts, records, &out);
    return buffer_string(&out);
}

static const struct mail_domain_facts example = {.domain = "example.com",
                                                 .region = "us-east-1",
                                                 .ownership_token = "dG9rZW4=",
                                                 .dkim_selectors = {"one", "two", "three"}};

static void test_zone_has_a_line_for_each_record(void **state)
{
    const char *zone = zone_of(*state, &example, NULL);
    static const char *const lines[] = {
        "_amazonses.example.com. 3600 IN TXT \"dG9rZW4=\"\n",
        "\nexample.com. 3600 IN MX 10 inbound-smtp.us-east-1.postreeve.test.\n",
        "\nautodiscover.example.com. 3600 IN CNAME autodiscover.mail.us-east-1.postreeve.test.\n",
        "\none._domainkey.example.com. 3600 IN CNAME one.dkim.postreeve.test.\n",
        "\ntwo._domainkey.example.com. 3600 IN CNAME two.dkim.postreeve.test.\n",
        "\nthree._domainkey.example.com. 3600 IN CNAME three.dkim.postreeve.test.\n",
        "\nexample.com. 3600 IN TXT \"v=spf1 include:postreeve.test ~all\"\n",
        "\n_dmarc.example.com. 3600 IN TXT \"v=DMARC1;p=quarantine;pct=100;fo=1\"\n",
    };
    const char *at = zone;
    for (size_t i = 0; i < COUNT(lines); i++) {
        at = strstr(at, lines[i]);
        assert_non_null(at);
        at += strlen(lines[i]) - 1;
    }
    assert_string_equal(at, "\n");
}

static void test_zone_with_interoperability_points_elsewhere(void **state)
{
    struct mail_domain_facts facts = example;
    facts.is_interoperable = true;
    const char *zone = zone_of(*state, &facts, NULL);
    assert_null(strstr(zone, " MX "));
    assert_null(strstr(zone, "autodiscover"));
    assert_non_null(strstr(zone, " TXT "));
}

static void test_long_text_is_split_and_quotes_are_escaped(void **state)
{
    char text[601];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    text[254] = '"';
    text[255] = '\\';
    const char *zone = zone_of(*state, &example, text);
    const char *first =
        arena_printf(*state, "TXT \"%.254s\\\"\" \"\\\\%.254s\" \"%.90s\"\n", text, text, text);
    assert_non_null(strstr(zone, first));

    text[255] = '\0';
    assert_null(strstr(zone_of(*state, &example, text), "\" \""));
    assert_non_null(strstr(zone_of(*state, &example, ""), "TXT \"\"\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_names_that_can_be_registered),
        UNIT_TEST(test_labels_of_the_proof),
        UNIT_TEST(test_zone_has_a_line_for_each_record),
        UNIT_TEST(test_zone_with_interoperability_points_elsewhere),
        UNIT_TEST(test_long_text_is_split_and_quotes_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
