#include "model/id.h"
#include "tests/unit/unit.h"

static void test_new_ids_have_their_shape_and_differ(void **state)
{
    enum { IDS = 1000 };
    static const char *uuids[IDS], *organizations[IDS];

    for (int i = 0; i < IDS; i++) {
        uuids[i] = id_new_uuid(*state);
        organizations[i] = id_new_organization(*state);
        const char *directory = id_new_directory(*state);
        assert_true(id_is_uuid(uuids[i]));
        assert_int_equal(uuids[i][14], '4'); /* the version: random */
        assert_true(id_is_organization(organizations[i]));
        const char *resource = id_new_resource(*state);
        assert_true(id_is_resource(resource) && !id_is_organization(resource));
        assert_false(id_is_resource(organizations[i]) || id_is_resource(uuids[i]));
        assert_string_not_equal(resource, id_new_resource(*state));
        assert_true(id_is_resource(id_resource_of_uuid(*state, uuids[i])));
        assert_int_equal(strlen(directory), 12);
        assert_int_equal(strncmp(directory, "d-", 2), 0);
        assert_int_equal(strspn(directory + 2, "0123456789abcdef"), 10);
        assert_string_not_equal(directory, id_new_directory(*state));
        for (int j = 0; j < i; j++)
            assert_true(strcmp(uuids[i], uuids[j]) != 0 && strcmp(organizations[i], organizations[j]) != 0);
    }
}

static void test_what_is_a_uuid(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"00000000-0000-0000-0000-000000000000", true},
        {"01234567-89ab-cdef-0123-456789abcdef", true},
        {"", false},
        {"01234567-89ab-cdef-0123-456789abcde", false},
        {"01234567-89ab-cdef-0123-456789abcdef0", false},
        {"01234567-89AB-CDEF-0123-456789ABCDEF", false},
        {"0123456789ab-cdef-0123-456789abcdef--", false},
        {"012345678-9ab-cdef-0123-456789abcdef", false},
        {"01234567-89ab-cdef-0123-456789abcdeg", false},
        {"{1234567-89ab-cdef-0123-456789abcde}", false},
        {"0123456789abcdef0123456789abcdef", false},
        {"01234567-89ab-cdef-0123-456789abcde\n", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_row(id_is_uuid(rows[i].text) == rows[i].valid, "%s", rows[i].text);
}

static void test_what_is_an_organization_id(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"m-0123456789abcdef0123456789abcdef", true},
        {"", false},
        {"m-", false},
        {"m-0123456789abcdef0123456789abcde", false},
        {"m-0123456789abcdef0123456789abcdef0", false},
        {"m-0123456789ABCDEF0123456789ABCDEF", false},
        {"m-0123456789abcdef0123456789abcdeg", false},
        {"M-0123456789abcdef0123456789abcdef", false},
        {"d-0123456789abcdef0123456789abcdef", false},
        {"m_0123456789abcdef0123456789abcdef", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_row(id_is_organization(rows[i].text) == rows[i].valid, "%s", rows[i].text);
}

static void test_what_is_a_directory_id(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"d-0123456789", true},  {"d-abcdef0000", true},  {"", false},
        {"d-", false},           {"d-012345678", false},  {"d-01234567890", false},
        {"d-012345678A", false}, {"d-012345678g", false}, {"D-0123456789", false},
        {"m-0123456789", false}, {"d_0123456789", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_row(id_is_directory(rows[i].text) == rows[i].valid, "%s", rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_new_ids_have_their_shape_and_differ),
        UNIT_TEST(test_what_is_a_uuid),
        UNIT_TEST(test_what_is_an_organization_id),
        UNIT_TEST(test_what_is_a_directory_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
