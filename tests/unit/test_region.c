#include "model/region.h"
#include "tests/unit/unit.h"

static void test_a_region_lists_its_hosts(void **state)
{
    const struct settings settings = {.service_domain = "postreeve.test"};
    struct buffer out = {.arena = *state};
    region_write(&settings, "eu-west-1", &out);
    assert_string_equal(buffer_string(&out),
                        "{\"name\":\"eu-west-1\","
                        "\"inbound_mail_host\":\"inbound-smtp.eu-west-1.postreeve.test\","
                        "\"autodiscover_host\":\"autodiscover.mail.eu-west-1.postreeve.test\","
                        "\"mobile_host\":\"mobile.mail.eu-west-1.postreeve.test\","
                        "\"web_host\":\"web.mail.eu-west-1.postreeve.test\","
                        "\"ews_host\":\"ews.mail.eu-west-1.postreeve.test\"}");
}

static void test_only_the_settings_regions_exist(void **state)
{
    struct settings settings = {.regions = {"us-east-1", "eu-west-1"}};
    assert_true(settings_has_region(&settings, "us-east-1"));
    assert_true(settings_has_region(&settings, "eu-west-1"));
    assert_false(settings_has_region(&settings, "us-west-2"));
    assert_false(settings_has_region(&settings, "eu-west"));
    assert_false(settings_has_region(&settings, "EU-WEST-1"));
    assert_false(settings_has_region(&settings, ""));

    for (unsigned i = 0; i < SETTINGS_MAX_REGIONS; i++)
        settings.regions[i] = arena_printf(*state, "region-%u", i);
    assert_true(settings_has_region(&settings, "region-15"));
    assert_false(settings_has_region(&settings, "region-16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_a_region_lists_its_hosts),
        UNIT_TEST(test_only_the_settings_regions_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
