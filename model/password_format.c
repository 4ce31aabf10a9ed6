#include "model/password_format.h"

#include <argon2.h>
#include <crypt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/secret.h"

#define LETTERS_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define CRYPT_BASE64   "./" LETTERS_DIGITS
#define PHC_BASE64     LETTERS_DIGITS "+/"

/* Who signs in makes us spend as much, about a second at most: a hash that takes minutes or all memory is a way to stop the
 * service. */
#define ARGON2_MEMORY_MAX 262144       /* KiB */
#define ARGON2_WORK_MAX   (4 * 262144) /* KiB, all passes */
#define ARGON2_TIME_MAX   64
#define ARGON2_LANES_MAX  64
#define BCRYPT_COST_MAX   14
#define SHA512_ROUNDS_MAX 1000000

/* A decimal number without a leading zero within bounds, and what must come after it. NULL: it is not there. */
static const char *take_number(const char *at, const char *before, const char *after, unsigned long min,
                               unsigned long max, unsigned long *ret_value)
{
    size_t length = strlen(before);
    if (strncmp(at, before, length) != 0)
        return NULL;
    at += length;
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits > 9 || (digits > 1 && at[0] == '0'))
        return NULL;
    unsigned long value = strtoul(at, NULL, 10);
    at += digits;
    if (value < min || value > max || strncmp(at, after, strlen(after)) != 0)
        return NULL;
    *ret_value = value;
    return at + strlen(after);
}

/* PHC base64 without padding: `min` to `max` bytes, up to `end`. */
static const char *take_bytes(const char *at, size_t min, size_t max, char end)
{
    size_t length = strspn(at, PHC_BASE64);
    if (length % 4 == 1 || length * 3 / 4 < min || length * 3 / 4 > max || at[length] != end)
        return NULL;
    return end != '\0' ? at + length + 1 : at + length;
}

/* $argon2id$v=19$m=65536,t=3,p=1$salt$hash */
static bool is_argon2id(const char *at)
{
    unsigned long memory = 0, passes = 0, lanes = 0, version;
    if (strncmp(at, "$argon2id$", 10) != 0)
        return false;
    at = take_number(at + 10, "v=", "$", 19, 19, &version);
    if (at != NULL)
        at = take_number(at, "m=", ",", 8, ARGON2_MEMORY_MAX, &memory);
    if (at != NULL)
        at = take_number(at, "t=", ",", 1, ARGON2_TIME_MAX, &passes);
    if (at != NULL)
        at = take_number(at, "p=", "$", 1, ARGON2_LANES_MAX, &lanes);
    if (at != NULL && (memory < 8 * lanes || memory * passes > ARGON2_WORK_MAX))
        return false;
    if (at != NULL)
        at = take_bytes(at, 8, 64, '$');
    return at != NULL && take_bytes(at, 16, 64, '\0') != NULL;
}

/* $2y$10$ and 53 characters: 22 of the salt, 31 of the hash. */
static bool is_bcrypt(const char *at)
{
    if (strncmp(at, "$2", 2) != 0 || at[2] == '\0' || strchr("aby", at[2]) == NULL || at[3] != '$')
        return false;
    if (strspn(at + 4, "0123456789") != 2 || at[6] != '$')
        return false;
    long cost = strtol(at + 4, NULL, 10);
    return cost >= 4 && cost <= BCRYPT_COST_MAX && strlen(at + 7) == 53 && strspn(at + 7, CRYPT_BASE64) == 53;
}

/* $6$salt$ or $6$rounds=5000$salt$, and 86 characters. */
static bool is_sha512_crypt(const char *at)
{
    unsigned long rounds;
    if (strncmp(at, "$6$", 3) != 0)
        return false;
    at += 3;
    if (strncmp(at, "rounds=", 7) == 0)
        at = take_number(at, "rounds=", "$", 1000, SHA512_ROUNDS_MAX, &rounds);
    if (at == NULL)
        return false;
    size_t salt = strspn(at, CRYPT_BASE64);
    if (salt == 0 || salt > 16 || at[salt] != '$')
        return false;
    at += salt + 1;
    return strlen(at) == 86 && strspn(at, CRYPT_BASE64) == 86;
}

static const struct {
    const char *scheme;
    bool (*check)(const char *hash);
} formats[] = {{"{ARGON2ID}", is_argon2id}, {"{BLF-CRYPT}", is_bcrypt}, {"{SHA512-CRYPT}", is_sha512_crypt}};

const char *password_format_bare(const char *hash)
{
    const char *brace = hash[0] == '{' ? strchr(hash, '}') : NULL;
    return brace != NULL ? brace + 1 : hash;
}

bool password_format_check(const char *hash, const char **ret_detail)
{
    const char *bare = password_format_bare(hash);
    size_t scheme = (size_t)(bare - hash);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if ((scheme == 0 ||
             (strlen(formats[i].scheme) == scheme && strncasecmp(formats[i].scheme, hash, scheme) == 0)) &&
            formats[i].check(bare))
            return true;
    *ret_detail =
        "Not an Argon2id, bcrypt or SHA512-CRYPT hash as mail servers keep them, or its cost is too high.";
    return false;
}

/* --- verifying --- */

static bool verify_argon2id(const char *hash, const char *password)
{
    /* One at a time: it takes a lot of memory. */
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    bool good = argon2id_verify(hash, password, strlen(password)) == ARGON2_OK;
    pthread_mutex_unlock(&mutex);
    return good;
}

static bool verify_crypt(const char *hash, const char *password)
{
    struct crypt_data *data = calloc(1, sizeof(*data));
    const char *made = data != NULL ? crypt_r(password, hash, data) : NULL;
    bool good = made != NULL && strlen(made) == strlen(hash) && secret_equal(made, hash, strlen(hash));
    secret_free(data);
    return good;
}

bool password_format_verify(const char *hash, const char *password)
{
    if (is_argon2id(hash))
        return verify_argon2id(hash, password);
    return (is_bcrypt(hash) || is_sha512_crypt(hash)) && verify_crypt(hash, password);
}
