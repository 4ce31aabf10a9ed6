#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/secret.h"

static void fill_root(uint8_t root[static SECRET_KEY_SIZE])
{
    for (size_t i = 0; i < SECRET_KEY_SIZE; i++) {
        root[i] = (uint8_t)i;
    }
}

static void bytes_from_hex(const char *hex, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        size_t high = (size_t)(strchr(digits, hex[2 * i]) - digits);
        size_t low = (size_t)(strchr(digits, hex[2 * i + 1]) - digits);
        out[i] = (uint8_t)(high << 4 | low);
    }
}

/* Computed with another implementation of RFC 5869 (no salt). */
static void test_derive_known_answer(void **state)
{
    (void)state;
    uint8_t root[SECRET_KEY_SIZE];
    uint8_t expected[SECRET_KEY_SIZE];
    uint8_t key[SECRET_KEY_SIZE];
    fill_root(root);
    bytes_from_hex("31f8bbcd4658c59aaf62dfc91b4bea9722ed7c10265e80b77f86a596edd84bd3", expected);
    assert_true(secret_derive(root, "access keys", key));
    assert_memory_equal(key, expected, sizeof key);
}

static void test_derive_keeps_purposes_apart(void **state)
{
    (void)state;
    uint8_t root[SECRET_KEY_SIZE];
    uint8_t a[SECRET_KEY_SIZE];
    uint8_t b[SECRET_KEY_SIZE];
    char too_long[129];
    fill_root(root);
    assert_true(secret_derive(root, "a", a));
    assert_true(secret_derive(root, "b", b));
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, root, sizeof a);
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    assert_false(secret_derive(root, "", b));
    assert_false(secret_derive(root, too_long, b));
    assert_true(secret_derive(root, too_long + 1, b));
}

static void test_fingerprint(void **state)
{
    (void)state;
    uint8_t root[SECRET_KEY_SIZE];
    char hex[SECRET_FINGERPRINT_SIZE];
    fill_root(root);
    assert_true(secret_fingerprint(root, hex));
    assert_string_equal(hex, "895cad81fa9ccae7207a793fedd2938dd523c535aca02ccac4f64d4cde736d10");
    root[31] ^= 1;
    char other[SECRET_FINGERPRINT_SIZE];
    assert_true(secret_fingerprint(root, other));
    assert_string_not_equal(hex, other);
}

/* Test case 16 of the specification of GCM. */
static void test_open_known_answer(void **state)
{
    (void)state;
    uint8_t key[SECRET_KEY_SIZE];
    uint8_t aad[20];
    uint8_t sealed[1 + 12 + 60 + 16] = {1};
    uint8_t expected[60];
    uint8_t plain[60];
    size_t size = 0;
    bytes_from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key);
    bytes_from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad);
    bytes_from_hex("cafebabefacedbaddecaf888"
                   "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                   "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                   "76fc6ece0f4e1768cddf8853bb2d551b",
                   sealed + 1);
    bytes_from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                   "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
                   expected);
    assert_true(secret_open(key, aad, sizeof aad, sealed, sizeof sealed, plain, sizeof plain, &size));
    assert_int_equal(size, sizeof expected);
    assert_memory_equal(plain, expected, sizeof expected);
}

static void test_seal_and_open(void **state)
{
    (void)state;
    static const char text[] = "the secret of an access key, and some more to have several blocks";
    uint8_t key[SECRET_KEY_SIZE];
    fill_root(key);
    for (size_t length = 0; length <= sizeof text; length++) {
        uint8_t sealed[sizeof text + SECRET_SEAL_OVERHEAD];
        uint8_t again[sizeof sealed];
        char opened[sizeof text];
        size_t size = 1000;
        size_t sealed_size = secret_sealed_size(length);
        assert_int_equal(secret_opened_size(sealed_size), length);
        assert_true(secret_seal(key, "row 1", 5, text, length, sealed, sealed_size));
        assert_int_equal(sealed[0], 1);
        assert_true(secret_open(key, "row 1", 5, sealed, sealed_size, opened, length, &size));
        assert_int_equal(size, length);
        assert_memory_equal(opened, text, length);
        /* Never the same nonce: the same text looks different each time. */
        assert_true(secret_seal(key, NULL, 0, text, length, again, sealed_size));
        assert_memory_not_equal(sealed + 1, again + 1, 12);
        assert_true(secret_open(key, NULL, 0, again, sealed_size, opened, sizeof opened, &size));
    }
}

static void test_open_refuses_what_was_changed(void **state)
{
    (void)state;
    static const char text[] = "0123456789abcdefXYZ";
    uint8_t key[SECRET_KEY_SIZE];
    uint8_t sealed[sizeof text + SECRET_SEAL_OVERHEAD];
    char opened[sizeof text + 1];
    size_t size = 77;
    fill_root(key);
    assert_true(secret_seal(key, "aad", 3, text, sizeof text, sealed, sizeof sealed));
    for (size_t i = 0; i < sizeof sealed; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            sealed[i] = (uint8_t)(sealed[i] ^ (1U << bit));
            memset(opened, 'o', sizeof opened);
            assert_false(secret_open(key, "aad", 3, sealed, sizeof sealed, opened, sizeof text, &size));
            assert_null(memmem(opened, sizeof opened, "0123", 4));
            assert_int_equal(opened[sizeof text], 'o');
            sealed[i] = (uint8_t)(sealed[i] ^ (1U << bit));
        }
    }
    for (size_t length = 0; length < sizeof sealed; length++) {
        assert_false(secret_open(key, "aad", 3, sealed, length, opened, sizeof text, &size));
    }
    assert_false(secret_open(key, "aae", 3, sealed, sizeof sealed, opened, sizeof text, &size));
    assert_false(secret_open(key, "aad", 2, sealed, sizeof sealed, opened, sizeof text, &size));
    assert_false(secret_open(key, NULL, 0, sealed, sizeof sealed, opened, sizeof text, &size));
    key[0] ^= 1;
    assert_false(secret_open(key, "aad", 3, sealed, sizeof sealed, opened, sizeof text, &size));
    assert_int_equal(size, 77);
}

static void test_buffers_too_small(void **state)
{
    (void)state;
    uint8_t key[SECRET_KEY_SIZE];
    uint8_t sealed[8 + SECRET_SEAL_OVERHEAD];
    char opened[8];
    size_t size = 77;
    fill_root(key);
    assert_false(secret_seal(key, NULL, 0, "12345678", 8, sealed, sizeof sealed - 1));
    assert_true(secret_seal(key, NULL, 0, "12345678", 8, sealed, sizeof sealed));
    assert_false(secret_open(key, NULL, 0, sealed, sizeof sealed, opened, 7, &size));
    assert_int_equal(size, 77);
    assert_int_equal(secret_opened_size(0), 0);
    assert_int_equal(secret_opened_size(SECRET_SEAL_OVERHEAD - 1), 0);
}

static void test_equal_and_wipe(void **state)
{
    (void)state;
    char buffer[] = "secret";
    assert_true(secret_equal("abc", "abc", 3));
    assert_false(secret_equal("abc", "abd", 3));
    assert_true(secret_equal("abc", "abd", 2));
    assert_true(secret_equal("a", "b", 0));
    secret_wipe(buffer, sizeof buffer);
    for (size_t i = 0; i < sizeof buffer; i++) {
        assert_int_equal(buffer[i], 0);
    }
    secret_wipe(NULL, 0);
}

static void test_random(void **state)
{
    (void)state;
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    assert_true(secret_random(a, sizeof a));
    assert_true(secret_random(b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
}

static void test_random_text(void **state)
{
    (void)state;
    char text[41];
    char empty[1] = {'x'};
    assert_true(secret_random_text(text, 40, SECRET_ALPHANUMERIC));
    assert_int_equal(strlen(text), 40);
    assert_int_equal(strspn(text, SECRET_ALPHANUMERIC), 40);
    assert_true(secret_random_text(empty, 0, SECRET_ALPHANUMERIC));
    assert_string_equal(empty, "");
    assert_false(secret_random_text(text, 40, "a"));
    assert_string_equal(text, "");
}

/* Each of 62 characters is expected 1,000 times; without rejection the first 8 would come 1,211 times. The
 * bounds are more than six standard deviations (31) away. */
static void test_random_text_is_even(void **state)
{
    (void)state;
    static char text[62001];
    unsigned counts[256] = {0};
    assert_true(secret_random_text(text, sizeof text - 1, SECRET_ALPHANUMERIC));
    for (size_t i = 0; i < sizeof text - 1; i++) {
        counts[(unsigned char)text[i]]++;
    }
    for (const char *c = SECRET_ALPHANUMERIC; *c != '\0'; c++) {
        assert_in_range(counts[(unsigned char)*c], 800, 1200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derive_known_answer),
        cmocka_unit_test(test_derive_keeps_purposes_apart),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_open_known_answer),
        cmocka_unit_test(test_seal_and_open),
        cmocka_unit_test(test_open_refuses_what_was_changed),
        cmocka_unit_test(test_buffers_too_small),
        cmocka_unit_test(test_equal_and_wipe),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_random_text),
        cmocka_unit_test(test_random_text_is_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
