#include "model/audit.h"
#include "tests/unit/unit.h"

static const char *const values[] = {"400000000001", "1795428000000000", NULL, "root", "workmail:CreateUser"};

static const char *hash_of(struct arena *arena, const char *previous, int64_t sequence,
                           const char *const *texts, size_t count)
{
    struct buffer scratch = {.arena = arena};
    char hash[AUDIT_HASH_LENGTH + 1];
    audit_hash(&scratch, previous, sequence, texts, count, hash);
    return arena_string(arena, hash);
}

/* printf '64:0…0,1:1,12:400000000001,16:1795428000000000,-4:root,19:workmail:CreateUser,' | sha256sum */
static void test_hash_is_that_of_the_written_format(void **state)
{
    assert_string_equal(hash_of(*state, AUDIT_FIRST_HASH, 1, values, COUNT(values)),
                        "902c9ece29e3a0a8ad105d55343e85da6d3c1548f60bbb7c456cafe634fbc030");
}

static void test_hash_depends_on_everything(void **state)
{
    const char *first = hash_of(*state, AUDIT_FIRST_HASH, 1, values, COUNT(values));
    assert_string_not_equal(first, hash_of(*state, AUDIT_FIRST_HASH, 2, values, COUNT(values)));
    assert_string_not_equal(first, hash_of(*state, first, 1, values, COUNT(values)));
    for (size_t i = 0; i < COUNT(values); i++) {
        const char *changed[COUNT(values)];
        memcpy(changed, values, sizeof(values));
        changed[i] = values[i] == NULL ? "" : NULL;
        assert_string_not_equal(first, hash_of(*state, AUDIT_FIRST_HASH, 1, changed, COUNT(changed)));
    }
}

/* Text moved from one value to the next makes another hash. */
static void test_values_cannot_run_into_each_other(void **state)
{
    static const char *const pairs[][2] = {{"ab", "c"},   {"a", "bc"},   {"abc", ""},        {"", "abc"},
                                           {"abc", NULL}, {NULL, "abc"}, {"2:ab,1:c", NULL}, {"-", "abc"}};
    for (size_t i = 0; i < COUNT(pairs); i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(hash_of(*state, AUDIT_FIRST_HASH, 1, pairs[i], 2),
                                    hash_of(*state, AUDIT_FIRST_HASH, 1, pairs[j], 2));
}

static const uint8_t key[SECRET_KEY_SIZE] = {1, 2, 3};
static const uint8_t other_key[SECRET_KEY_SIZE] = {1, 2, 4};
static const struct audit_head head = {"400000000001", 42, AUDIT_FIRST_HASH, 1795428000000000, false};

static const char *public_key_of(struct arena *arena, const uint8_t *secret)
{
    char public_key[AUDIT_PUBLIC_KEY_LENGTH + 1];
    assert_true(audit_public_key(secret, public_key));
    return arena_string(arena, public_key);
}

static void test_signed_head_is_known_again(void **state)
{
    char signature[AUDIT_SIGNATURE_LENGTH + 1];
    assert_true(audit_sign(&head, key, signature));
    assert_int_equal(strlen(signature), AUDIT_SIGNATURE_LENGTH);
    assert_true(audit_is_signed(&head, signature, public_key_of(*state, key)));
}

static void test_signature_is_of_one_head_and_one_key(void **state)
{
    const struct audit_head others[] = {
        {"400000000002", 42, AUDIT_FIRST_HASH, 1795428000000000, false},
        {"400000000001", 43, AUDIT_FIRST_HASH, 1795428000000000, false},
        {"400000000001", 42, "1" AUDIT_FIRST_HASH, 1795428000000000, false},
        {"400000000001", 42, AUDIT_FIRST_HASH, 1795428000000001, false},
        {"400000000001\n42", 42, AUDIT_FIRST_HASH, 1795428000000000, false},
        {"400000000001", 42, AUDIT_FIRST_HASH, 1795428000000000, true},
    };
    char signature[AUDIT_SIGNATURE_LENGTH + 1];
    assert_true(audit_sign(&head, key, signature));
    assert_false(audit_is_signed(&head, signature, public_key_of(*state, other_key)));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(audit_is_signed(&others[i], signature, public_key_of(*state, key)));
}

static void test_spoiled_signature_is_refused(void **state)
{
    char signature[AUDIT_SIGNATURE_LENGTH + 1];
    assert_true(audit_sign(&head, key, signature));
    for (size_t i = 0; i < AUDIT_SIGNATURE_LENGTH; i += 7) {
        char kept = signature[i];
        signature[i] = kept == 'a' ? 'b' : 'a';
        assert_false(audit_is_signed(&head, signature, public_key_of(*state, key)));
        signature[i] = 'x';
        assert_false(audit_is_signed(&head, signature, public_key_of(*state, key)));
        signature[i] = kept;
    }
    signature[AUDIT_SIGNATURE_LENGTH - 2] = '\0';
    assert_false(audit_is_signed(&head, signature, public_key_of(*state, key)));
    assert_false(audit_is_signed(&head, "", public_key_of(*state, key)));
}

static void test_head_of_an_endless_chain_is_not_signed(void **state)
{
    const struct audit_head endless = {unit_repeat(*state, "4", 300), 1, AUDIT_FIRST_HASH, 1, false};
    char signature[AUDIT_SIGNATURE_LENGTH + 1];
    assert_false(audit_sign(&endless, key, signature));
}

/* RFC 8032, 7.1, test 1. */
static void test_public_key_is_that_of_ed25519(void **state)
{
    static const uint8_t secret[SECRET_KEY_SIZE] = {
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
        0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    char public_key[AUDIT_PUBLIC_KEY_LENGTH + 1];
    (void)state;
    assert_true(audit_public_key(secret, public_key));
    assert_string_equal(public_key, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_hash_is_that_of_the_written_format),     UNIT_TEST(test_hash_depends_on_everything),
        UNIT_TEST(test_values_cannot_run_into_each_other),      UNIT_TEST(test_signed_head_is_known_again),
        UNIT_TEST(test_signature_is_of_one_head_and_one_key),   UNIT_TEST(test_spoiled_signature_is_refused),
        UNIT_TEST(test_head_of_an_endless_chain_is_not_signed), UNIT_TEST(test_public_key_is_that_of_ed25519),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
