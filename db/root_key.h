/*
 * The service's root key: 32 bytes from which all keys for secrets at rest are derived (model/secret.h).
 * Its file holds 64 hex digits and a newline, has mode 0600 or 0400 and belongs to us or to root.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/secret.h"

/* Reads the key from text of that form. On false `ret_key` is untouched. */
bool root_key_parse(const char *text, size_t length, uint8_t ret_key[static SECRET_KEY_SIZE]);

/* Reads a file that somebody else keeps from all others, as systemd does with its credentials: whose it is and its mode
 * are not looked at. */
bool root_key_read_credential(const char *path, uint8_t ret_key[static SECRET_KEY_SIZE], char *error,
                              size_t error_size);

/* Reads the key. With `create` a missing file is made first; two processes that do so at once get the same
 * key. On false `error` says what to do and `ret_key` is untouched. The caller wipes the key when done with
 * it. */
bool root_key_load(const char *path, bool create, uint8_t ret_key[static SECRET_KEY_SIZE], char *error,
                   size_t error_size);
