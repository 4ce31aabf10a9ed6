#include <argon2.h>

#include "model/password.h"
#include "model/user.h"
#include "tests/unit/unit.h"

/* Every set of the classes. */
static void test_three_of_five_classes(void **state)
{
    static const char *const classes[] = {"A", "z", "0", "!", "é"};
    for (unsigned set = 1; set < 1U << COUNT(classes); set++) {
        struct buffer password = {.arena = *state};
        int given = 0;
        for (size_t c = 0; c < COUNT(classes); c++)
            if ((set & 1U << c) != 0) {
                buffer_text(&password, unit_repeat(*state, classes[c], 4));
                given++;
            }
        const char *detail = NULL;
        const char *text = buffer_string(&password);
        assert_row(password_check(text, &detail) == (given >= 3), "%s", text);
        assert_row((detail != NULL) == (given < 3), "detail of %s", text);
    }
}

static void test_each_character_is_of_its_class(void **state)
{
    static const struct {
        const char *character;
        const char *two_others; /* of two other classes */
    } rows[] = {
        {"A", "z0"},        {"Z", "z0"}, {"a", "A0"}, {"z", "A0"}, {"0", "Az"}, {"9", "Az"}, {" ", "Az"},
        {"/", "Az"},        {":", "Az"}, {"@", "Az"}, {"[", "Az"}, {"`", "Az"}, {"{", "Az"}, {"~", "Az"},
        {"\xc2\xa0", "Az"}, {"ÿ", "Az"}, {"×", "Az"}, {"Ä", "z0"}, {"ä", "A0"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *detail;
        const char *alone = unit_repeat(*state, rows[i].character, 8);
        assert_row(!password_check(alone, &detail), "%s alone", rows[i].character);
        assert_row(password_check(arena_printf(*state, "%s%s", alone, rows[i].two_others), &detail),
                   "%s and %s", rows[i].character, rows[i].two_others);
    }
}

static void test_only_latin_1_is_allowed(void **state)
{
    static const char *const refused[] = {
        "\x01", "\x1f", "\x7f", "\xc2\x80", "\xc2\x9f",             /* controls */
        "Ā",    "€",    "Ω",    "ﬀ",        "😀",        "\xcc\x81", /* beyond */
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        const char *detail = NULL;
        assert_row(!password_check(arena_printf(*state, "Az09!%s", refused[i]), &detail), "row %zu", i);
        assert_row(detail != NULL && strstr(detail, "Latin-1") != NULL, "detail of row %zu", i);
    }
}

static void test_lengths_are_in_characters(void **state)
{
    static const struct {
        const char *start;
        size_t more;
        const char *outcome;
    } rows[] = {
        {"Az0", 4, "/password too_short"}, /* more than 8 bytes */
        {"Az0", 5, "ok"},
        {"Az0", 60, "ok"}, /* 63 characters, 123 bytes */
        {"Az0", 61, "/password too_long"},
        {"Az", 6, "ok"},
        {"A", 8, "/password weak_password"},
        {"Az0€", 8, "/password weak_password"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct user_password target = {0};
        struct problem problem = {.arena = *state};
        uint64_t set;
        const char *password =
            arena_printf(*state, "%s%s", rows[i].start, unit_repeat(*state, "é", rows[i].more));
        const char *body = arena_printf(*state, "{\"password\":\"%s\"}", password);
        enum code code = field_decode_body(&reset_password_table, FIELD_CREATE, body, strlen(body), &target,
                                           &set, &problem);
        assert_string_equal(unit_outcome(code, &problem), rows[i].outcome);
        if (code == CODE_OK)
            assert_string_equal(target.password, password);
    }
}

/* Libargon2's own verifier reads the string, so mail servers can. */
static void test_a_hash_verifies_its_password_alone(void **state)
{
    static const char *const passwords[] = {"", "Passw0rd!", "Pässwörd-ÿ",
                                            "0123456789abcdefghijklmnopqrstuvwxyzABC"};
    for (size_t i = 0; i < COUNT(passwords); i++) {
        const char *hash = password_hash(*state, passwords[i]);
        assert_non_null(hash);
        assert_int_equal(strncmp(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
        assert_int_equal(argon2id_verify(hash, passwords[i], strlen(passwords[i])), ARGON2_OK);
        const char *longer = arena_printf(*state, "%s ", passwords[i]);
        assert_int_equal(argon2id_verify(hash, longer, strlen(longer)), ARGON2_VERIFY_MISMATCH);
        assert_null(strstr(hash, "Passw0rd"));
    }
}

static const char *argon2id(struct arena *arena, uint32_t passes, uint32_t kib, uint32_t lanes, size_t salt)
{
    char text[256];
    assert_int_equal(argon2id_hash_encoded(passes, kib, lanes, "Passw0rd!", 9, "0123456789abcdef", salt, 32,
                                           text, sizeof(text)),
                     ARGON2_OK);
    return arena_string(arena, text);
}

/* As other mail servers made them. */
static void test_imported_hashes_are_verified(void **state)
{
    static const char bcrypt[] = "$2b$05$abcdefghijklmnopqrstuuFAKRAH04u6Xw79ex7hAKlkJe/GeWyTm";
    static const char sha512[] =
        "$6$saltsalt$B.Jo0ry5vc9EqWhay6Slrl.e3IkeJEf5CtDxnKDqXf1CvnnxfpQFSeAGwNsSzFvaerLx9wibjNa1PM2Osekn81";
    static const char sha512_rounds[] =
        "$6$rounds=10000$salt$/.3bJRJlZvCbmMZI8uWy8OCTy9zMUWCO57EK6u3yWE1Rqab9Smp6AXxoHhWpGi9t724SG4/ZlepCGX5njL0R0/";
    const char *hashes[] = {bcrypt,
                            arena_printf(*state, "$2a%s", bcrypt + 3),
                            arena_printf(*state, "$2y%s", bcrypt + 3),
                            sha512,
                            sha512_rounds,
                            argon2id(*state, 3, 65536, 1, 16),
                            argon2id(*state, 2, 19456, 1, 8),
                            argon2id(*state, 1, 1024, 4, 16),
                            password_hash(*state, "Passw0rd!")};
    for (size_t i = 0; i < COUNT(hashes); i++) {
        const char *cut = arena_copy(*state, hashes[i], strlen(hashes[i]) - 1);
        assert_row(password_verify(hashes[i], "Passw0rd!"), "%s", hashes[i]);
        assert_row(!password_verify(hashes[i], "Passw0rd"), "%s of another", hashes[i]);
        assert_row(!password_verify(hashes[i], ""), "%s of none", hashes[i]);
        assert_row(!password_verify(hashes[i], unit_repeat(*state, "x", 900)), "%s of a long one", hashes[i]);
        assert_row(!password_verify(cut, "Passw0rd!"), "%s", cut);
    }
    assert_false(password_verify("", ""));
    assert_false(password_verify("*0", "Passw0rd!"));
    assert_int_equal(strlen(password_of_nobody()),
                     strlen(password_hash(*state, "Passw0rd!"))); /* it costs as much */
    assert_false(password_verify(password_of_nobody(), "nobody"));
}

static void test_two_hashes_of_one_password_differ(void **state)
{
    const char *first = password_hash(*state, "Passw0rd!");
    const char *second = password_hash(*state, "Passw0rd!");
    assert_non_null(first);
    assert_non_null(second);
    const char *first_hash = strrchr(first, '$');
    const char *second_hash = strrchr(second, '$');
    assert_int_equal(first_hash - first, second_hash - second);
    assert_memory_not_equal(first, second, (size_t)(first_hash - first)); /* the salt */
    assert_string_not_equal(first_hash, second_hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_three_of_five_classes),
        UNIT_TEST(test_each_character_is_of_its_class),
        UNIT_TEST(test_only_latin_1_is_allowed),
        UNIT_TEST(test_lengths_are_in_characters),
        UNIT_TEST(test_a_hash_verifies_its_password_alone),
        UNIT_TEST(test_imported_hashes_are_verified),
        UNIT_TEST(test_two_hashes_of_one_password_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
