/* SHA-256 (FIPS 180-4), and bytes as text. */
#pragma once

#include <stddef.h>

#define DIGEST_SIZE 32

void digest_sha256(const void *data, size_t length, unsigned char ret_digest[static DIGEST_SIZE]);

/* In lower case, with a final NUL: hex has room for 2 * size + 1. */
void digest_to_hex(const unsigned char *bytes, size_t size, char *hex);
