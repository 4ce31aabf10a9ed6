#include "model/directory_entry.h"
#include "model/ldap_syntax.h"
#include "tests/unit/unit.h"

#define ID      "0a1b2c3d-0000-1111-2222-333344445555"
#define MINIMAL "{\"uris\":[\"ldaps://dc.acme.test\"],\"user_base_dn\":\"dc=acme\""

static const char *read_connection(struct arena *arena, const char *type, const char *json,
                                   struct directory_connection *connection)
{
    struct problem problem = {.arena = arena};
    enum code code = directory_connection_read(arena, type, json, false, connection, &problem);
    return unit_outcome(code, &problem);
}

static void test_filters(void **state)
{
    (void)state;
    static const char *const good[] = {"(uid=*)",
                                       "(&(objectClass=person)(|(mail=*)(!(uid=a\\2ab))))",
                                       "(cn:dn:2.5.13.5:=x)",
                                       "(:caseExactMatch:=x)",
                                       "(userAccountControl:1.2.840.113556.1.4.803:=2)",
                                       "(cn;lang-de=Zo\xc3\xab)",
                                       "(a>=1)",
                                       "(a~=)"};
    static const char *const bad[] = {
        "",       "uid=*",         "(uid=*", "(uid=*))",  "(uid=*)(cn=*)", "()",       "(&)",
        "(!)",    "(=x)",          "(uid)",  "(uid=a(b)", "(uid=\\4)",     "(uid=\\)", "(u id=x)",
        "(::=x)", "(!(a=b)(c=d))", "(a=b) ", "(&(a=b)",   "(a<b)"};
    const char *detail;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_row(ldap_check_filter(good[i], &detail), "%s", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_row(!ldap_check_filter(bad[i], &detail), "%s", bad[i]);
    assert_false(ldap_check_filter(unit_repeat(*state, "(!", 100000), &detail));
}

static void test_distinguished_names(void **state)
{
    (void)state;
    static const char *const good[] = {"dc=a",
                                       "OU=People, DC=acme,DC=test",
                                       "cn=Lee\\, Ann,dc=a",
                                       "cn=a\\2Cb+uid=x,dc=a",
                                       "1.2.3=#0401ff,dc=a",
                                       "cn=,dc=a",
                                       "cn=a\\ ,dc=b"};
    static const char *const bad[] = {"",           "a",      "dc=a,",   ",dc=a", "dc=a;dc=b",
                                      "cn=\"a\"",   "cn=a\\", "cn=a\\4", "=a",    "cn=a ,dc=b",
                                      "cn=#0,dc=b", "c n=a",  "cn=<a>"};
    const char *detail;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_row(ldap_check_dn(good[i], &detail), "%s", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_row(!ldap_check_dn(bad[i], &detail), "%s", bad[i]);
}

static void test_names_of_attributes(void **state)
{
    (void)state;
    static const char *const good[] = {"", "uid", "displayName,cn", "a,b,c,d", "1.2.840"};
    static const char *const bad[] = {"a,b,c,d,e", "a,", ",a", "a b", "a)(b", "-a", "a;x", "a,,b", ".1"};
    const char *detail;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_row(ldap_check_attributes(good[i], &detail), "%s", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_row(!ldap_check_attributes(bad[i], &detail), "%s", bad[i]);
}

static void test_connections(void **state)
{
    static const struct {
        const char *type;
        const char *json;
        const char *outcome;
    } rows[] = {
        {"LDAP", MINIMAL "}", "ok"},
        {"LDAP", "{}", "/connection/uris required, /connection/user_base_dn required"},
        {"LDAP", MINIMAL ",\"tls_mode\":\"NONE\"}", "/connection/uris invalid_value"},
        {"LDAP", "{\"uris\":[\"ldap://a\"],\"user_base_dn\":\"dc=a\",\"tls_mode\":\"NONE\"}",
         "/connection/tls_mode plain_not_allowed"},
        {"LDAP",
         "{\"uris\":[\"ldap://127.9.9.9\",\"ldap://[::1]:3890\",\"ldap://localhost\"],\"user_base_dn\":\"dc=a\",\"tls_mode\":\"NONE\"}",
         "ok"},
        {"LDAP",
         "{\"uris\":[\"ldap://127.0.0.1.evil.test\"],\"user_base_dn\":\"dc=a\",\"tls_mode\":\"NONE\"}",
         "/connection/tls_mode plain_not_allowed"},
        {"LDAP", MINIMAL ",\"bind_password\":\"x\"}", "/connection/bind_dn required"},
        {"LDAP", MINIMAL ",\"bind_dn\":\"ann@acme\"}", "/connection/bind_dn invalid_format"},
        {"AD_CONNECTOR", MINIMAL ",\"bind_dn\":\"ann@acme\"}", "ok"},
        {"AD_CONNECTOR", MINIMAL "}", "/connection/bind_dn required"},
        {"AD_CONNECTOR", MINIMAL ",\"bind_dn\":\"ann@acme\",\"preset\":\"OPENLDAP\"}",
         "/connection/preset invalid_value, /connection/bind_dn invalid_format"},
        {"SIMPLE_AD",
         "{\"uris\":[\"ldap://localhost\"],\"user_base_dn\":\"dc=a\",\"tls_mode\":\"NONE\",\"bind_dn\":\"a@b\"}",
         "/connection/tls_mode invalid_value"},
        {"LDAP", MINIMAL ",\"mapping\":{\"name\":\"a b\",\"x\":\"y\"}}",
         "/connection/mapping/name invalid_format, /connection/mapping/x unknown_member"},
        {"LDAP", MINIMAL ",\"user_filter\":\"(uid=*)(x=*)\",\"x\":1}",
         "/connection/user_filter invalid_format, /connection/x unknown_member"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct directory_connection connection;
        const char *outcome = read_connection(*state, rows[i].type, rows[i].json, &connection);
        assert_row(strcmp(outcome, rows[i].outcome) == 0, "%s: %s", rows[i].json, outcome);
    }
}

/* What is written is read again as the same, and has no password. */
static void test_connections_are_written_as_they_are_read(void **state)
{
    struct directory_connection first, second;
    const char *json = MINIMAL
        ",\"preset\":\"FREEIPA\",\"group_base_dn\":\"cn=g,dc=acme\",\"mapping\":{\"office\":\"room\"},"
        "\"bind_dn\":\"cn=x\",\"bind_password\":\"unseen-secret\",\"ca_certificate\":"
        "\"-----BEGIN CERTIFICATE-----\\nxx\\n-----END CERTIFICATE-----\\n\"}";
    assert_string_equal(read_connection(*state, "LDAP", json, &first), "ok");
    const char *text = directory_connection_write(*state, &first);
    assert_string_equal(read_connection(*state, "LDAP", text, &second), "ok");
    assert_string_equal(directory_connection_write(*state, &second), text);
    assert_null(strstr(text, "unseen-secret"));
    assert_string_equal(first.bind_password, "unseen-secret");
    assert_null(second.bind_password);
    assert_string_equal(second.mapping.office, "room");
    assert_string_equal(second.mapping.external_id, "ipaUniqueID");
    assert_string_equal(second.group_base_dn, "cn=g,dc=acme");
    assert_string_equal(second.uris[0], "ldaps://dc.acme.test");
}

/* --- mapping --- */

#define VALUES(...)                                \
    (const struct directory_value[]){__VA_ARGS__}, \
        sizeof((struct directory_value[]){__VA_ARGS__}) / sizeof(struct directory_value)
#define TEXT(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }

static struct directory_mapping mapping_of(struct arena *arena, const char *type)
{
    struct directory_connection connection;
    const char *json = MINIMAL ",\"bind_dn\":\"cn=x\"}";
    assert_string_equal(read_connection(arena, type, json, &connection), "ok");
    return connection.mapping;
}

static void test_users_of_active_directory(void **state)
{
    struct directory_mapping mapping = mapping_of(*state, "AD_CONNECTOR");
    const struct directory_attribute attributes[] = {
        {"objectguid", VALUES(TEXT("\x3d\x2c\x1b\x0a\x01\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa"))},
        {"sAMAccountName", VALUES(TEXT("ann"))},
        {"displayName", VALUES(TEXT(" \t"))},
        {"cn", VALUES(TEXT(" Ann\nLee "))},
        {"proxyAddresses",
         VALUES(TEXT("smtp:other@acme.test"), TEXT("X400:c=us"), TEXT("SMTP:Ann@Acme.test"))},
        {"userAccountControl", VALUES(TEXT("514"))},
        {"msExchRecipientTypeDetails", VALUES(TEXT("32"))},
        {"msExchHideFromAddressLists", VALUES(TEXT("TRUE"))},
    };
    struct directory_entry entry;
    assert_true(directory_entry_map(*state, &mapping, false, "cn=x", attributes, COUNT(attributes), &entry));
    assert_string_equal(entry.external_id, "0a1b2c3d-0001-2211-3344-5566778899aa");
    assert_string_equal(entry.user.name, "ann");
    assert_string_equal(entry.user.display_name, "Ann Lee");
    assert_string_equal(entry.proposed_email, "ann@acme.test");
    assert_string_equal(entry.user.type, "RESOURCE");
    assert_true(entry.is_disabled);
    assert_true(entry.user.hidden_from_address_list);
    assert_null(entry.user.first_name);
}

static void test_values_that_are_no_use(void **state)
{
    struct directory_mapping mapping = mapping_of(*state, "LDAP");
    const char *huge = unit_repeat(*state, "x", DIRECTORY_VALUE_MAX + 1);
    const char *wide = unit_repeat(*state, "\xc3\xab", 300);
    const struct directory_attribute attributes[] = {
        {"entryUUID", VALUES(TEXT("no id"), TEXT("0A1B2C3D-0000-1111-2222-333344445555"))},
        {"uid", VALUES(TEXT("\xff"), TEXT("a\0b"), TEXT(""))},
        {"cn", VALUES({huge, DIRECTORY_VALUE_MAX + 1})},
        {"sn", VALUES({wide, 600})},
        {"givenName", NULL, 0},
        {"mail", VALUES(TEXT("none"), TEXT("a@b"), TEXT("b@acme.test"))},
        {"pwdAccountLockedTime", VALUES(TEXT("20260101000000Z"))},
    };
    struct directory_entry entry;
    assert_true(directory_entry_map(*state, &mapping, false, "cn=x", attributes, COUNT(attributes), &entry));
    assert_string_equal(entry.external_id, ID);
    assert_string_equal(entry.user.name, "");
    assert_null(entry.user.display_name);
    assert_int_equal(strlen(entry.user.last_name), 512);
    assert_string_equal(entry.proposed_email, "b@acme.test");
    assert_false(entry.is_disabled);
    assert_string_equal(entry.user.type, "USER");
    assert_false(
        directory_entry_map(*state, &mapping, false, "cn=x", attributes + 1, COUNT(attributes) - 1, &entry));
    assert_false(directory_entry_map(*state, &mapping, false, "cn=x", NULL, 0, &entry));
}

static void test_groups(void **state)
{
    struct directory_mapping mapping = mapping_of(*state, "LDAP");
    const struct directory_attribute attributes[] = {
        {"entryUUID", VALUES(TEXT(ID))},
        {"cn", VALUES(TEXT("Staff"))},
        {"uniqueMember", VALUES(TEXT("uid=a,dc=b"), TEXT("\xff"), TEXT("uid=c,dc=d"))},
    };
    struct directory_entry entry;
    assert_true(directory_entry_map(*state, &mapping, true, "cn=x", attributes, COUNT(attributes), &entry));
    assert_string_equal(entry.user.name, "Staff");
    assert_string_equal(entry.user.type, "GROUP");
    assert_int_equal(entry.member_count, 2);
    assert_string_equal(entry.members[1], "uid=c,dc=d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_filters),
        UNIT_TEST(test_distinguished_names),
        UNIT_TEST(test_names_of_attributes),
        UNIT_TEST(test_connections),
        UNIT_TEST(test_connections_are_written_as_they_are_read),
        UNIT_TEST(test_users_of_active_directory),
        UNIT_TEST(test_values_that_are_no_use),
        UNIT_TEST(test_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
