#include "model/digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

/* Fetched once: to look the algorithm up costs more than to hash a few hundred bytes. */
static EVP_MD *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void digest_sha256(const void *data, size_t length, unsigned char ret_digest[static DIGEST_SIZE])
{
    pthread_once(&once, fetch);
    /* Out of memory, or an OpenSSL without SHA-256: nothing here could be trusted. */
    if (sha256 == NULL || EVP_Digest(data, length, ret_digest, NULL, sha256, NULL) != 1)
        abort();
}

void digest_to_hex(const unsigned char *bytes, size_t size, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[2 * size] = '\0';
}
