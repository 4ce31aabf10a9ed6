/* The certificate that TLS connections get. With GnuTLS, because that is what libmicrohttpd speaks TLS with. */
#pragma once

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TLS 1.3 and 1.2, ciphers that authenticate, keys that do not outlive their connection. */
#define TLS_PRIORITIES                                                                                   \
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:" \
    "+CHACHA20-POLY1305:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

struct tls_certificate;

/* Reads a certificate (its own first, then those that lead to the root) and its key, both PEM files, and checks that the two
 * belong together. NULL: `message` says what is wrong with which file. Else `message` is "", or what the operator should
 * hear of: its time is soon over, or is not now. Of the last two NULL comes with `must_be_valid`. */
struct tls_certificate *tls_load(const char *certificate_file, const char *key_file, bool must_be_valid,
                                 char *message, size_t message_size);

/* Accepts NULL. */
void tls_free(struct tls_certificate *certificate);

/* New connections get this one from now on; those that have begun keep theirs, which are freed by a later call, when no
 * handshake is as old as `oldest_ms`. Only on the thread that drives libmicrohttpd. */
void tls_use(struct tls_certificate *certificate, int64_t now_ms, int64_t oldest_ms);

/* At the end. */
void tls_free_all(void);

/* Who reads for a session. `on_empty` is called whenever there is nothing to be read for now. */
struct tls_reader {
    int fd;
    void (*on_empty)(struct tls_reader *reader);
};
void tls_read_by(gnutls_session_t session, struct tls_reader *reader);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK. */
extern gnutls_certificate_retrieve_function2 *const tls_callback;
