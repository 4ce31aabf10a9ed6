#include "model/dkim.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tests/unit/unit.h"

#define HOUR ((int64_t)3600 * 1000000)

/* --- keys --- */

/* The public key out of a record's value, as a verifier reads it. */
static EVP_PKEY *read_value(const char *value, enum dkim_algorithm algorithm)
{
    const char *start = algorithm == DKIM_RSA_2048 ? "v=DKIM1; k=rsa; p=" : "v=DKIM1; k=ed25519; p=";
    unsigned char bytes[512];
    assert_true(strncmp(value, start, strlen(start)) == 0);
    const char *text = value + strlen(start);
    int size = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)strlen(text));
    assert_true(size > 0);
    for (const char *at = text + strlen(text); *--at == '=';)
        size--;
    const unsigned char *at = bytes;
    if (algorithm == DKIM_RSA_2048)
        return d2i_PUBKEY(NULL, &at, size);
    assert_int_equal(size, 32);
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, 32);
}

static bool verifies(EVP_PKEY *private_key, EVP_PKEY *public_key, enum dkim_algorithm algorithm)
{
    static const unsigned char data[] = "a header";
    unsigned char signature[256];
    size_t size = sizeof(signature);
    const EVP_MD *digest = algorithm == DKIM_RSA_2048 ? EVP_sha256() : NULL;
    EVP_MD_CTX *signing = EVP_MD_CTX_new();
    EVP_MD_CTX *verifying = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(signing, NULL, digest, NULL, private_key), 1);
    assert_int_equal(EVP_DigestSign(signing, signature, &size, data, sizeof(data)), 1);
    assert_int_equal(EVP_DigestVerifyInit(verifying, NULL, digest, NULL, public_key), 1);
    bool good = EVP_DigestVerify(verifying, signature, size, data, sizeof(data)) == 1;
    EVP_MD_CTX_free(signing);
    EVP_MD_CTX_free(verifying);
    return good;
}

static void test_what_a_key_signs_verifies_with_its_value_and_no_other(void **state)
{
    for (enum dkim_algorithm algorithm = 0; algorithm < DKIM_ALGORITHMS; algorithm++) {
        struct dkim_key one;
        struct dkim_key other;
        assert_true(dkim_key_new(algorithm, *state, &one));
        assert_true(dkim_key_new(algorithm, *state, &other));
        const unsigned char *at = (const unsigned char *)one.private_key;
        EVP_PKEY *private_key = d2i_AutoPrivateKey(NULL, &at, (long)one.size);
        EVP_PKEY *public_key = read_value(one.value, algorithm);
        EVP_PKEY *other_key = read_value(other.value, algorithm);
        assert_non_null(private_key);
        assert_non_null(public_key);
        assert_ptr_equal(at, (const unsigned char *)one.private_key + one.size);
        assert_int_equal(EVP_PKEY_get_bits(private_key), algorithm == DKIM_RSA_2048 ? 2048 : 256);
        assert_true(verifies(private_key, public_key, algorithm));
        assert_false(verifies(private_key, other_key, algorithm));
        EVP_PKEY_free(private_key);
        EVP_PKEY_free(public_key);
        EVP_PKEY_free(other_key);
    }
}

static void test_private_key_as_pem_is_the_same_key(void **state)
{
    for (enum dkim_algorithm algorithm = 0; algorithm < DKIM_ALGORITHMS; algorithm++) {
        struct dkim_key key;
        assert_true(dkim_key_new(algorithm, *state, &key));
        const char *pem = dkim_private_pem(key.private_key, key.size, *state);
        assert_non_null(pem);
        assert_ptr_equal(strstr(pem, "-----BEGIN PRIVATE KEY-----\n"), pem);
        assert_string_equal(pem + strlen(pem) - 26, "-----END PRIVATE KEY-----\n");
        BIO *memory = BIO_new_mem_buf(pem, -1);
        EVP_PKEY *private_key = PEM_read_bio_PrivateKey(memory, NULL, NULL, NULL);
        EVP_PKEY *public_key = read_value(key.value, algorithm);
        assert_non_null(private_key);
        assert_int_equal(EVP_PKEY_eq(private_key, public_key), 1);
        BIO_free(memory);
        EVP_PKEY_free(private_key);
        EVP_PKEY_free(public_key);
    }
}

/* --- the zone --- */

static void test_record_is_split_into_strings_of_255_bytes(void **state)
{
    static const struct {
        size_t length, strings;
    } rows[] = {{1, 1}, {254, 1}, {255, 1}, {256, 2}, {410, 2}, {510, 2}, {511, 3}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer out = {.arena = *state};
        struct buffer joined = {.arena = *state};
        const char *value = unit_repeat(*state, "x", rows[i].length);
        dkim_write_record("a.dkim.example.com", value, &out);
        const char *line = buffer_string(&out);
        const char *start = "a.dkim.example.com. 3600 IN TXT";
        assert_ptr_equal(strstr(line, start), line);
        size_t strings = 0;
        for (const char *at = line + strlen(start); strcmp(at, "\n") != 0; strings++) {
            assert_memory_equal(at, " \"", 2);
            size_t length = strcspn(at + 2, "\"");
            assert_in_range(length, 1, 255);
            buffer_append(&joined, at + 2, length);
            at += 2 + length + 1;
        }
        assert_int_equal(strings, rows[i].strings);
        assert_string_equal(buffer_string(&joined), value);
    }
}

/* --- turns --- */

#define R DKIM_RSA_2048
#define E DKIM_ED25519
#define NO \
    {      \
        0  \
    }
/* Each with its time in hours. */
#define PUBLISHED(kind, at)                                                     \
    {                                                                           \
        .state = DKIM_PUBLISHED, .algorithm = (kind), .published_us = (at)*HOUR \
    }
#define ACTIVE(kind, to)                                                  \
    {                                                                     \
        .state = DKIM_ACTIVE, .algorithm = (kind), .retire_us = (to)*HOUR \
    }
#define LEAKED(kind, to)                                                                          \
    {                                                                                             \
        .state = DKIM_ACTIVE, .algorithm = (kind), .is_compromised = true, .retire_us = (to)*HOUR \
    }
#define RETIRED(kind, to)                                                  \
    {                                                                      \
        .state = DKIM_RETIRED, .algorithm = (kind), .remove_us = (to)*HOUR \
    }

static void test_what_comes_next(void **state)
{
    static const struct {
        const char *what;
        struct dkim_slot slots[DKIM_SLOTS];
        struct dkim_step step;
    } rows[] = {
        {"a new domain", {NO, NO, NO}, {.slot = 0, .makes_key = true, .is_active = true, .algorithm = R}},
        {"its second key",
         {ACTIVE(R, 100), NO, NO},
         {.slot = 1, .makes_key = true, .is_active = true, .algorithm = E}},
        {"its third one",
         {ACTIVE(R, 100), ACTIVE(E, 101), NO},
         {.slot = 2, .makes_key = true, .algorithm = R}},
        {"the standby waits for its turn",
         {ACTIVE(R, 100), ACTIVE(E, 101), PUBLISHED(R, 1)},
         {.slot = 2, .algorithm = R, .at_us = 100 * HOUR}},
        {"… or until it is known",
         {ACTIVE(R, 100), ACTIVE(E, 101), PUBLISHED(R, 99)},
         {.slot = 2, .algorithm = R, .at_us = 102 * HOUR}},
        {"the retired one stays a while",
         {RETIRED(R, 150), ACTIVE(E, 101), ACTIVE(R, 200)},
         {.slot = 0, .makes_key = true, .algorithm = E, .at_us = 150 * HOUR}},
        {"the other algorithm's turn",
         {PUBLISHED(E, 150), ACTIVE(E, 101), ACTIVE(R, 200)},
         {.slot = 0, .algorithm = E, .at_us = 153 * HOUR}},
        {"a rotation asked for of the one that has no standby",
         {ACTIVE(R, 100), ACTIVE(E, 50), PUBLISHED(R, 1)},
         {.slot = 2, .makes_key = true, .algorithm = E}},
        {"a rotation of both: the standby is RSA",
         {ACTIVE(R, 50), ACTIVE(E, 50), PUBLISHED(R, 1)},
         {.slot = 2, .algorithm = R, .at_us = 50 * HOUR}},
        {"… or Ed25519",
         {ACTIVE(R, 50), PUBLISHED(E, 1), ACTIVE(E, 50)},
         {.slot = 1, .algorithm = E, .at_us = 50 * HOUR}},
        {"… or not there yet",
         {ACTIVE(R, 50), RETIRED(E, 60), ACTIVE(E, 50)},
         {.slot = 1, .makes_key = true, .algorithm = R, .at_us = 60 * HOUR}},
        {"a key in wrong hands whose standby waits",
         {LEAKED(R, 50), ACTIVE(E, 101), PUBLISHED(R, 49)},
         {.slot = 2, .algorithm = R}},
        {"… that has no standby",
         {ACTIVE(R, 100), LEAKED(E, 50), PUBLISHED(R, 1)},
         {.slot = 1, .makes_key = true, .is_active = true, .algorithm = E}},
        {"both in wrong hands", {LEAKED(R, 50), LEAKED(E, 50), PUBLISHED(R, 1)}, {.slot = 2, .algorithm = R}},
        {"… and then the second",
         {RETIRED(R, 50), LEAKED(E, 50), ACTIVE(R, 230)},
         {.slot = 1, .makes_key = true, .is_active = true, .algorithm = E}},
        {"… and then the slot of the first",
         {RETIRED(R, 50), ACTIVE(E, 230), ACTIVE(R, 230)},
         {.slot = 0, .makes_key = true, .algorithm = R, .at_us = 50 * HOUR}},
        {"a key that signed is lost",
         {PUBLISHED(R, 1), ACTIVE(E, 101), RETIRED(R, 150)},
         {.slot = 0, .makes_key = true, .is_active = true, .algorithm = R}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct dkim_step step = dkim_next(rows[i].slots, 3 * HOUR);
        const struct dkim_step *wanted = &rows[i].step;
        assert_row(step.slot == wanted->slot, "%s: slot %d", rows[i].what, step.slot);
        assert_row(step.makes_key == wanted->makes_key, "%s: makes a key", rows[i].what);
        assert_row(step.is_active == wanted->is_active, "%s: is active", rows[i].what);
        assert_row(step.algorithm == wanted->algorithm, "%s: algorithm", rows[i].what);
        assert_row(step.at_us == wanted->at_us, "%s: at %g h", rows[i].what, (double)step.at_us / HOUR);
    }
}

/* Whatever comes, one key of each algorithm signs; a new one was in the zone for long enough, and an old one stays there. */
static void test_two_years_of_turns(void **state)
{
    const int64_t publication = 3 * HOUR;
    const int64_t retirement = 7 * 24 * HOUR;
    const int64_t period = 180 * 24 * HOUR;
    struct dkim_slot slots[DKIM_SLOTS] = {0};
    int64_t now = 0;
    int made = 0;
    int switched[DKIM_ALGORITHMS] = {0};
    (void)state;
    for (struct dkim_step step; (step = dkim_next(slots, publication)).at_us < 4 * period + 20 * 24 * HOUR;) {
        now = step.at_us > now ? step.at_us : now;
        struct dkim_slot *slot = &slots[step.slot];
        assert_int_not_equal(slot->state, DKIM_ACTIVE);
        if (step.makes_key) {
            assert_true(slot->state != DKIM_RETIRED || now >= slot->remove_us);
            *slot = (struct dkim_slot){.state = step.is_active ? DKIM_ACTIVE : DKIM_PUBLISHED,
                                       .algorithm = step.algorithm,
                                       .published_us = now,
                                       .retire_us = now + period};
            assert_true(++made <= 3 || !step.is_active);
        } else {
            assert_int_equal(slot->state, DKIM_PUBLISHED);
            assert_true(now >= slot->published_us + publication);
            for (int i = 0; i < DKIM_SLOTS; i++) {
                if (slots[i].state != DKIM_ACTIVE || slots[i].algorithm != step.algorithm)
                    continue;
                assert_true(now >= slots[i].retire_us);
                slots[i].state = DKIM_RETIRED;
                slots[i].remove_us = now + retirement;
            }
            slot->state = DKIM_ACTIVE;
            slot->retire_us = now + period;
            switched[step.algorithm]++;
        }
    }
    assert_int_equal(switched[DKIM_RSA_2048], 4);
    assert_int_equal(switched[DKIM_ED25519], 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_what_a_key_signs_verifies_with_its_value_and_no_other),
        UNIT_TEST(test_private_key_as_pem_is_the_same_key),
        UNIT_TEST(test_record_is_split_into_strings_of_255_bytes),
        UNIT_TEST(test_what_comes_next),
        UNIT_TEST(test_two_years_of_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
