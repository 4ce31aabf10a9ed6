#include "ldap/tls_reason.h"

#include <fcntl.h>
#include <gnutls/gnutls.h>

static enum ldap_tls_reason judge(gnutls_session_t session, const char *host, struct arena *arena,
                                  const char **ret_words)
{
    unsigned status = 0;
    gnutls_datum_t words = {0};
    *ret_words = "it was well when it was looked at once more";
    int result = gnutls_certificate_verify_peers3(session, host, &status);
    if (result < 0) {
        *ret_words = gnutls_strerror(result);
        return LDAP_TLS_NOT_TRUSTED;
    }
    if (status == 0)
        return LDAP_TLS_OTHER;
    if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0) == 0)
        *ret_words = arena_copy(arena, (const char *)words.data, words.size);
    gnutls_free(words.data);
    unsigned besides = status & ~(unsigned)(GNUTLS_CERT_INVALID | GNUTLS_CERT_UNEXPECTED_OWNER);
    return besides == 0 && (status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0 ? LDAP_TLS_NAME_MISMATCH
                                                                        : LDAP_TLS_NOT_TRUSTED;
}

static enum ldap_tls_reason shake_hands(gnutls_session_t session, int descriptor, const char *host,
                                        unsigned timeout_ms, struct arena *arena, const char **ret_words)
{
    int result;
    gnutls_transport_set_int(session, descriptor);
    gnutls_handshake_set_timeout(session, timeout_ms);
    do {
        result = gnutls_handshake(session);
    } while (result < 0 && gnutls_error_is_fatal(result) == 0);
    if (result == 0)
        return judge(session, host, arena, ret_words);
    *ret_words = gnutls_strerror(result);
    return result == GNUTLS_E_TIMEDOUT ? LDAP_TLS_TIMED_OUT : LDAP_TLS_OTHER;
}

enum ldap_tls_reason ldap_tls_find_reason(int descriptor, const char *host, const char *ca_path,
                                          unsigned timeout_ms, struct arena *arena, const char **ret_words)
{
    enum ldap_tls_reason reason = LDAP_TLS_OTHER;
    gnutls_certificate_credentials_t credentials = NULL;
    gnutls_session_t session = NULL;
    *ret_words = "there is no memory";
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK); /* GnuTLS keeps the time */
    if (gnutls_certificate_allocate_credentials(&credentials) == 0 &&
        gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL) == 0 &&
        gnutls_set_default_priority(session) == 0 &&
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials) == 0) {
        gnutls_certificate_set_x509_trust_file(credentials, ca_path, GNUTLS_X509_FMT_PEM);
        reason = shake_hands(session, descriptor, host, timeout_ms, arena, ret_words);
    }
    if (session != NULL)
        gnutls_deinit(session);
    if (credentials != NULL)
        gnutls_certificate_free_credentials(credentials);
    return reason;
}
