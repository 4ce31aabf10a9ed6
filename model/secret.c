#include "model/secret.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#define SEAL_VERSION 1
#define NONCE_SIZE   12
#define TAG_SIZE     16

static void cipher_context_free(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

static void cipher_free(EVP_CIPHER **cipher)
{
    EVP_CIPHER_free(*cipher);
}

static void kdf_free(EVP_KDF **kdf)
{
    EVP_KDF_free(*kdf);
}

static void kdf_context_free(EVP_KDF_CTX **context)
{
    EVP_KDF_CTX_free(*context);
}

bool secret_derive(const uint8_t root[static SECRET_KEY_SIZE], const char *purpose,
                   uint8_t ret_key[static SECRET_KEY_SIZE])
{
    __attribute__((cleanup(kdf_free))) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    if (kdf == NULL) {
        return false;
    }
    __attribute__((cleanup(kdf_context_free))) EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    if (context == NULL) {
        return false;
    }
    /* OSSL_PARAM has no const, yet EVP_KDF_derive only reads: copies avoid casting const away. */
    uint8_t root_copy[SECRET_KEY_SIZE];
    uint8_t derived[SECRET_KEY_SIZE];
    char digest[] = "SHA256";
    char info[128];
    size_t info_size = strlen(purpose);
    if (info_size == 0 || info_size >= sizeof info) {
        return false;
    }
    memcpy(root_copy, root, sizeof root_copy);
    snprintf(info, sizeof info, "%s", purpose);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, root_copy, sizeof root_copy),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, info_size),
        OSSL_PARAM_construct_end(),
    };
    bool done = EVP_KDF_derive(context, derived, sizeof derived, parameters) == 1;
    if (done) {
        memcpy(ret_key, derived, sizeof derived);
    }
    secret_wipe(root_copy, sizeof root_copy);
    secret_wipe(derived, sizeof derived);
    return done;
}

bool secret_fingerprint(const uint8_t root[static SECRET_KEY_SIZE],
                        char ret_hex[static SECRET_FINGERPRINT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t derived[SECRET_KEY_SIZE];
    if (!secret_derive(root, "postreeve root key fingerprint", derived)) {
        return false;
    }
    for (size_t i = 0; i < sizeof derived; i++) {
        ret_hex[2 * i] = digits[derived[i] >> 4];
        ret_hex[2 * i + 1] = digits[derived[i] & 15];
    }
    ret_hex[2 * sizeof derived] = '\0';
    return true;
}

bool secret_seal(const uint8_t key[static SECRET_KEY_SIZE], const void *aad, size_t aad_size,
                 const void *plain, size_t plain_size, uint8_t *sealed, size_t sealed_capacity)
{
    if (plain_size > INT_MAX - SECRET_SEAL_OVERHEAD || aad_size > INT_MAX ||
        sealed_capacity < secret_sealed_size(plain_size)) {
        return false;
    }
    __attribute__((cleanup(cipher_free))) EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    __attribute__((cleanup(cipher_context_free))) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (cipher == NULL || context == NULL) {
        return false;
    }
    uint8_t *nonce = sealed + 1;
    uint8_t *body = nonce + NONCE_SIZE;
    uint8_t *tag = body + plain_size;
    int length = 0;
    sealed[0] = SEAL_VERSION;
    if (!secret_random(nonce, NONCE_SIZE) || EVP_EncryptInit_ex2(context, cipher, key, nonce, NULL) != 1) {
        return false;
    }
    if (aad_size > 0 && EVP_EncryptUpdate(context, NULL, &length, aad, (int)aad_size) != 1) {
        return false;
    }
    if (plain_size > 0 && EVP_EncryptUpdate(context, body, &length, plain, (int)plain_size) != 1) {
        return false;
    }
    return EVP_EncryptFinal_ex(context, tag, &length) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1;
}

/* The caller has checked the sizes. May leave unverified text in `plain` when it returns false. */
static bool open_unchecked(const uint8_t *key, const void *aad, size_t aad_size, const uint8_t *sealed,
                           size_t plain_size, uint8_t *plain)
{
    __attribute__((cleanup(cipher_free))) EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    __attribute__((cleanup(cipher_context_free))) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (cipher == NULL || context == NULL) {
        return false;
    }
    const uint8_t *nonce = sealed + 1;
    const uint8_t *body = nonce + NONCE_SIZE;
    uint8_t tag[TAG_SIZE];
    uint8_t nothing[1];
    int length = 0;
    memcpy(tag, body + plain_size, TAG_SIZE);
    if (EVP_DecryptInit_ex2(context, cipher, key, nonce, NULL) != 1) {
        return false;
    }
    if (aad_size > 0 && EVP_DecryptUpdate(context, NULL, &length, aad, (int)aad_size) != 1) {
        return false;
    }
    if (plain_size > 0 && EVP_DecryptUpdate(context, plain, &length, body, (int)plain_size) != 1) {
        return false;
    }
    return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
           EVP_DecryptFinal_ex(context, nothing, &length) == 1;
}

bool secret_open(const uint8_t key[static SECRET_KEY_SIZE], const void *aad, size_t aad_size,
                 const uint8_t *sealed, size_t sealed_size, void *plain, size_t plain_capacity,
                 size_t *ret_size)
{
    if (sealed_size < SECRET_SEAL_OVERHEAD || sealed_size > INT_MAX || aad_size > INT_MAX ||
        sealed[0] != SEAL_VERSION) {
        return false;
    }
    size_t plain_size = secret_opened_size(sealed_size);
    if (plain_capacity < plain_size) {
        return false;
    }
    if (!open_unchecked(key, aad, aad_size, sealed, plain_size, plain)) {
        secret_wipe(plain, plain_size);
        return false;
    }
    *ret_size = plain_size;
    return true;
}

bool secret_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void secret_free(void *memory)
{
    if (memory != NULL)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void secret_wipe(void *buffer, size_t size)
{
    if (size > 0) {
        OPENSSL_cleanse(buffer, size);
    }
}

bool secret_random(void *buffer, size_t size)
{
    return size <= INT_MAX && RAND_bytes(buffer, (int)size) == 1;
}

bool secret_random_text(char *out, size_t length, const char *alphabet)
{
    size_t count = strlen(alphabet);
    out[0] = '\0';
    if (count < 2 || count > 256) {
        return false;
    }
    /* A byte from the incomplete last run of the alphabet would favour its first characters: thrown away. */
    unsigned limit = 256U - 256U % (unsigned)count;
    uint8_t bytes[64];
    size_t written = 0;
    while (written < length) {
        if (!secret_random(bytes, sizeof bytes)) {
            secret_wipe(out, written);
            out[0] = '\0';
            return false;
        }
        for (size_t i = 0; i < sizeof bytes && written < length; i++) {
            if (bytes[i] < limit) {
                out[written++] = alphabet[bytes[i] % count];
            }
        }
    }
    out[length] = '\0';
    secret_wipe(bytes, sizeof bytes);
    return true;
}

bool secret_mac(const uint8_t key[static SECRET_KEY_SIZE], const void *data, size_t size,
                uint8_t ret_mac[static SECRET_MAC_SIZE])
{
    return HMAC(EVP_sha256(), key, SECRET_KEY_SIZE, data, size, ret_mac, NULL) != NULL;
}
