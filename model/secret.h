/*
 * Secrets: derived keys, sealing of secrets at rest, random text, constant-time comparison.
 *
 * One 32-byte root key protects everything; it is never used itself but only to derive a key for each
 * purpose. Sealed format: version byte 1, 12-byte random nonce, ciphertext, 16-byte tag (AES-256-GCM).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_KEY_SIZE         32
#define SECRET_FINGERPRINT_SIZE 65 /* 64 hex digits and the NUL */
#define SECRET_SEAL_OVERHEAD    ((size_t)(1 + 12 + 16))
/* For access key secrets: no character that means something in a Basic header, a token or a URL. */
#define SECRET_ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* The size of a sealed text of `plain_size` bytes. */
static inline size_t secret_sealed_size(size_t plain_size)
{
    return plain_size + SECRET_SEAL_OVERHEAD;
}

/* The size of the text inside `sealed_size` bytes; 0 when they are too few to be a sealed text. */
static inline size_t secret_opened_size(size_t sealed_size)
{
    return sealed_size < SECRET_SEAL_OVERHEAD ? 0 : sealed_size - SECRET_SEAL_OVERHEAD;
}

#define SECRET_MAC_SIZE 32

/* HMAC-SHA256. False when OpenSSL fails. */
bool secret_mac(const uint8_t key[static SECRET_KEY_SIZE], const void *data, size_t size,
                uint8_t ret_mac[static SECRET_MAC_SIZE]);

/* HKDF-SHA256 of the root key; `purpose` (1 to 127 characters) keeps the keys of different uses apart.
 * False when OpenSSL fails; `ret_key` is then untouched. */
bool secret_derive(const uint8_t root[static SECRET_KEY_SIZE], const char *purpose,
                   uint8_t ret_key[static SECRET_KEY_SIZE]);

/* A text by which a root key is recognised and from which it cannot be computed. */
bool secret_fingerprint(const uint8_t root[static SECRET_KEY_SIZE],
                        char ret_hex[static SECRET_FINGERPRINT_SIZE]);

/* Seals `plain`; `aad` (may be NULL when `aad_size` is 0) must be the same when opening: put there what the
 * secret belongs to, so that a sealed text copied to another row does not open. `sealed` holds at least
 * secret_sealed_size(plain_size) bytes, all of which are written. False: buffer too small or OpenSSL failed.
 */
bool secret_seal(const uint8_t key[static SECRET_KEY_SIZE], const void *aad, size_t aad_size,
                 const void *plain, size_t plain_size, uint8_t *sealed, size_t sealed_capacity);

/* Opens into `plain`, at least secret_opened_size(sealed_size) bytes, and sets `ret_size`. False: wrong key,
 * wrong aad, changed or foreign bytes, or buffer too small; nothing of the text is then left in `plain`. */
bool secret_open(const uint8_t key[static SECRET_KEY_SIZE], const void *aad, size_t aad_size,
                 const uint8_t *sealed, size_t sealed_size, void *plain, size_t plain_capacity,
                 size_t *ret_size);

/* Compares in a time that depends on `size` alone. */
bool secret_equal(const void *a, const void *b, size_t size);

/* Overwrites so that no compiler removes it. NULL with size 0 is accepted. */
void secret_wipe(void *buffer, size_t size);

/* free that wipes, for libraries whose copies may hold a secret. Accepts NULL. */
void secret_free(void *memory);

/* Fills the buffer with random bytes; false when the system has none to give: then use nothing of it. */
bool secret_random(void *buffer, size_t size);

/* Writes `length` characters of `alphabet` (2 to 256 characters), each equally likely, and a NUL: `out` holds
 * length + 1 bytes. False when the system has no random bytes or the alphabet is unfit; `out` is then "". */
bool secret_random_text(char *out, size_t length, const char *alphabet);
