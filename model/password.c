#include "model/password.h"

#include <argon2.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "model/password_format.h"
#include "model/secret.h"

/* OWASP's minimum for Argon2id; common mail servers verify such strings within their memory limits. */
#define TIME_COST  2
#define MEMORY_KIB 19456
#define SALT_SIZE  16
#define HASH_SIZE  32
#define PHC_SIZE   128
/* The same as they stand in a PHC string, which is this long with salt and hash. */
#define OWN_PREFIX "$argon2id$v=19$m=19456,t=2,p=1$"
#define OWN_LENGTH (sizeof(OWN_PREFIX) - 1 + 22 + 1 + 43)

bool password_check(const char *password, const char **ret_detail)
{
    bool upper = false, lower = false, digit = false, special = false, supplement = false;
    for (const unsigned char *at = (const unsigned char *)password; *at != '\0'; at++) {
        if (*at >= 'A' && *at <= 'Z')
            upper = true;
        else if (*at >= 'a' && *at <= 'z')
            lower = true;
        else if (*at >= '0' && *at <= '9')
            digit = true;
        else if (*at >= 0x20 && *at < 0x7F)
            special = true;
        else if ((*at == 0xC2 && at[1] >= 0xA0) || *at == 0xC3) {
            supplement = true;
            at++;
        } else {
            *ret_detail = "Only characters of Basic Latin and Latin-1 Supplement are allowed.";
            return false;
        }
    }
    if (upper + lower + digit + special + supplement < 3) {
        *ret_detail =
            "Use at least three of: upper case, lower case, digits, special characters, Latin-1 letters.";
        return false;
    }
    return true;
}

/* One block a thread, mapped once: memory of the allocator would stay with each thread's heap and grow it. */
static _Thread_local uint8_t *thread_block;
#define BLOCK_SIZE ((size_t)MEMORY_KIB * 1024)

static int block_borrow(uint8_t **ret_memory, size_t size)
{
    if (size > BLOCK_SIZE)
        return ARGON2_MEMORY_ALLOCATION_ERROR;
    if (thread_block == NULL) {
        void *block = mmap(NULL, BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            return ARGON2_MEMORY_ALLOCATION_ERROR;
        thread_block = block;
    }
    *ret_memory = thread_block;
    return ARGON2_OK;
}

static void block_return(uint8_t *memory, size_t size)
{
    (void)memory;
    (void)size;
}

static bool derive(const char *password, const uint8_t *salt, uint8_t *hash)
{
    argon2_context context = {
        .out = hash,
        .outlen = HASH_SIZE,
        .pwd = (uint8_t *)(uintptr_t)password, /* not written to: no clear flag */
        .pwdlen = (uint32_t)strlen(password),
        .salt = (uint8_t *)(uintptr_t)salt,
        .saltlen = SALT_SIZE,
        .t_cost = TIME_COST,
        .m_cost = MEMORY_KIB,
        .lanes = 1,
        .threads = 1,
        .version = ARGON2_VERSION_13,
        .allocate_cbk = block_borrow,
        .free_cbk = block_return,
        .flags = ARGON2_DEFAULT_FLAGS,
    };
    return argon2id_ctx(&context) == ARGON2_OK;
}

/* PHC strings use base64 without padding. */
static void base64(const uint8_t *data, size_t size, char *out)
{
    int length = EVP_EncodeBlock((unsigned char *)out, data, (int)size);
    while (length > 0 && out[length - 1] == '=')
        length--;
    out[length] = '\0';
}

/* NULL when OpenSSL or memory fail. */
static const char *make_hash(const char *password, const uint8_t *salt, char *out, size_t size)
{
    uint8_t hash[HASH_SIZE];
    char salt_text[32], hash_text[64];
    if (!derive(password, salt, hash))
        return NULL;
    base64(salt, SALT_SIZE, salt_text);
    base64(hash, sizeof(hash), hash_text);
    secret_wipe(hash, sizeof(hash));
    snprintf(out, size, OWN_PREFIX "%s$%s", salt_text, hash_text);
    return out;
}

const char *password_hash(struct arena *arena, const char *password)
{
    uint8_t salt[SALT_SIZE];
    char text[PHC_SIZE];
    if (!secret_random(salt, sizeof(salt)) || make_hash(password, salt, text, sizeof(text)) == NULL)
        return NULL;
    return arena_string(arena, text);
}

/* --- several --- */

/* Beside requests, like the HASH lane: whoever waits for an answer goes first. */
#define GENTLE_NICENESS 10

struct batch {
    struct arena *arena; /* of the thread that waits for this one */
    const char *const *passwords;
    const char **hashes;
    size_t count, done;
    int64_t until_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *hash_batch(void *argument)
{
    struct batch *batch = argument;
    setpriority(PRIO_PROCESS, (id_t)gettid(), GENTLE_NICENESS);
    do {
        batch->hashes[batch->done] = password_hash(batch->arena, batch->passwords[batch->done]);
        if (batch->hashes[batch->done] == NULL)
            break;
        batch->done++;
    } while (batch->done < batch->count && now_ms() < batch->until_ms);
    if (thread_block != NULL) { /* it held passwords' traces */
        secret_wipe(thread_block, BLOCK_SIZE);
        munmap(thread_block, BLOCK_SIZE);
        thread_block = NULL;
    }
    return NULL;
}

size_t password_hash_gently(struct arena *arena, const char *const *passwords, size_t count, int64_t most_ms,
                            const char **ret_hashes)
{
    struct batch batch = {.arena = arena,
                          .passwords = passwords,
                          .hashes = ret_hashes,
                          .count = count,
                          .until_ms = now_ms() + most_ms};
    pthread_t thread;
    if (count == 0 || pthread_create(&thread, NULL, hash_batch, &batch) != 0)
        return 0;
    pthread_join(thread, NULL);
    return batch.done;
}

/* --- verifying --- */

/* The salt in the fourth of the parts between dollar signs: 16 bytes are 22 characters, and 24 with padding. */
static bool read_salt(const char *hash, uint8_t salt[static SALT_SIZE])
{
    char padded[24 + 1];
    uint8_t decoded[18];
    for (unsigned dollars = 0; dollars < 4; dollars++) {
        hash = strchr(hash, '$');
        if (hash == NULL)
            return false;
        hash++;
    }
    if (strcspn(hash, "$") != 22)
        return false;
    snprintf(padded, sizeof(padded), "%.22s==", hash);
    if (EVP_DecodeBlock(decoded, (const unsigned char *)padded, 24) != (int)sizeof(decoded))
        return false;
    memcpy(salt, decoded, SALT_SIZE);
    return true;
}

bool password_verify(const char *hash, const char *password)
{
    uint8_t salt[SALT_SIZE];
    char text[PHC_SIZE];
    if (strlen(hash) != OWN_LENGTH || strncmp(hash, OWN_PREFIX, strlen(OWN_PREFIX)) != 0 ||
        !read_salt(hash, salt))
        return password_format_verify(hash, password);
    return make_hash(password, salt, text, sizeof(text)) != NULL && strlen(text) == OWN_LENGTH &&
           secret_equal(hash, text, OWN_LENGTH);
}

const char *password_of_nobody(void)
{
    /* The last letter of 43 has two bits too many, which no hash sets. */
    return OWN_PREFIX "AAAAAAAAAAAAAAAAAAAAAA$nobodynobodynobodynobodynobodynobodynobodyy";
}
