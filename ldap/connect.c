#include "ldap/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openldap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ldap/patience.h"
#include "ldap/resolve.h"
#include "ldap/tls_reason.h"
#include "model/text.h"

#define CONNECT_US        5000000 /* to one address, and for the TLS handshake */
#define SYSTEM_CA         "/etc/ssl/certs/ca-certificates.crt"
#define WORDS_MAX         500
#define PATH_SIZE         64
#define KEEPALIVE_IDLE_S  10
#define KEEPALIVE_EVERY_S 5
#define KEEPALIVE_COUNT   3

/* --- TCP --- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* 0, or errno. */
static int wait_writable(int descriptor, int64_t deadline_us)
{
    struct pollfd polled = {.fd = descriptor, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);
    while (true) {
        int64_t left_ms = (deadline_us - ldap_now_us() + 999) / 1000;
        if (left_ms <= 0)
            return ETIMEDOUT;
        int count = poll(&polled, 1, (int)left_ms);
        if (count == 0)
            return ETIMEDOUT;
        if (count < 0 && errno != EINTR)
            return errno;
        if (count > 0)
            return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
    }
}

static void set_option(int descriptor, int level, int option, int value)
{
    setsockopt(descriptor, level, option, &value, sizeof(value));
}

/* A server that is gone without a word is noticed also by who only listens. */
static void keep_alive(int descriptor)
{
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT,
               1000 * (KEEPALIVE_IDLE_S + KEEPALIVE_COUNT * KEEPALIVE_EVERY_S));
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
}

/* The descriptor, not blocking; -1, with errno. */
static int connect_address(const union ldap_address *address, int64_t deadline_us)
{
    socklen_t size = address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return -1;
    int error = connect(descriptor, &address->any, size) == 0 ? 0 : errno;
    if (error == EINPROGRESS)
        error = wait_writable(descriptor, sooner(deadline_us, ldap_now_us() + CONNECT_US));
    if (error != 0) {
        close(descriptor);
        errno = error;
        return -1;
    }
    keep_alive(descriptor);
    return descriptor;
}

static enum code connect_host(const struct directory_uri *uri, int64_t deadline_us, struct problem *problem,
                              int *ret_descriptor)
{
    union ldap_address addresses[LDAP_ADDRESSES_MAX];
    size_t count = ldap_resolve(uri, deadline_us, addresses);
    int error = 0;
    if (count == 0)
        return ldap_fault_add(
            problem, LDAP_FAULT_NAME_NOT_RESOLVED,
            "The name %s has no address: correct the URI, or the name servers of this host.", uri->host);
    for (size_t i = 0; i < count; i++) {
        *ret_descriptor = connect_address(&addresses[i], deadline_us);
        if (*ret_descriptor >= 0)
            return CODE_OK;
        error = errno;
    }
    if (error == ECONNREFUSED)
        return ldap_fault_add(problem, LDAP_FAULT_CONNECTION_REFUSED,
                              "Nothing listens at %s, port %s: start the server, or correct host and port.",
                              uri->host, uri->port);
    if (error == ETIMEDOUT)
        return ldap_fault_add(problem, LDAP_FAULT_TIMED_OUT,
                              "%s, port %s, does not answer: a firewall may stand between.", uri->host,
                              uri->port);
    char words[128];
    return ldap_fault_add(problem, LDAP_FAULT_UNREACHABLE, "%s, port %s, cannot be reached: %s.", uri->host,
                          uri->port, strerror_r(error, words, sizeof(words)));
}

/* --- TLS --- */

/* GnuTLS reads certificates from files only: one that has no name. */
static int certificate_file(const char *text)
{
    size_t length = strlen(text);
    int descriptor = memfd_create("ca", MFD_CLOEXEC);
    if (descriptor >= 0 && write(descriptor, text, length) == (ssize_t)length)
        return descriptor;
    if (descriptor >= 0)
        close(descriptor);
    return -1;
}

/* A path from which libraries read what is trusted; ret_descriptor, when it is not -1, is to be closed then. */
static bool trusted_path(const char *ca_certificate, char *path, size_t size, int *ret_descriptor)
{
    *ret_descriptor = -1;
    if (ca_certificate == NULL)
        return snprintf(path, size, "%s", SYSTEM_CA) > 0;
    *ret_descriptor = certificate_file(ca_certificate);
    return *ret_descriptor >= 0 && snprintf(path, size, "/proc/self/fd/%d", *ret_descriptor) > 0;
}

static bool trust(LDAP *handle, const char *ca_certificate)
{
    const int is_required = LDAP_OPT_X_TLS_HARD;
    const int least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
    const int is_client = 0;
    char path[PATH_SIZE];
    int descriptor;
    bool worked = trusted_path(ca_certificate, path, sizeof(path), &descriptor) &&
                  ldap_set_option(handle, LDAP_OPT_X_TLS_REQUIRE_CERT, &is_required) == LDAP_OPT_SUCCESS &&
                  ldap_set_option(handle, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least) == LDAP_OPT_SUCCESS &&
                  ldap_set_option(handle, LDAP_OPT_X_TLS_CACERTFILE, path) == LDAP_OPT_SUCCESS &&
                  ldap_set_option(handle, LDAP_OPT_X_TLS_NEWCTX, &is_client) == LDAP_OPT_SUCCESS;
    if (descriptor >= 0)
        close(descriptor);
    return worked;
}

/* What the server says, as text that can be shown: it may send anything. */
static const char *words_of(struct arena *arena, const char *text)
{
    if (text == NULL || *text == '\0')
        return "it gives no reason";
    size_t length = strnlen(text, WORDS_MAX);
    while (length > 0 && !text_is_utf8(text, length))
        length--;
    char *words = arena_copy(arena, text, length);
    for (char *at = words; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    return words;
}

static enum code start_tls(struct ldap_session *session, const struct directory_uri *uri,
                           struct problem *problem)
{
    int message_id;
    const char *words = "";
    int result = ldap_extended_operation(session->handle, LDAP_EXOP_START_TLS, NULL, NULL, NULL, &message_id);
    if (result == LDAP_SUCCESS)
        result = ldap_session_result(session, message_id, problem->arena, &words, NULL);
    if (result == LDAP_SUCCESS)
        return CODE_OK;
    if (result == LDAP_TIMEOUT || result == LDAP_SERVER_DOWN)
        return ldap_session_fault(session, result, "StartTLS", words, problem);
    return ldap_fault_add(problem, LDAP_FAULT_TLS_FAILED, "%s, port %s, does not know StartTLS: %s.",
                          uri->host, uri->port, words);
}

/* --- a connection --- */

static void set_time(LDAP *handle, int option, int64_t us)
{
    struct timeval time = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    if (us <= 0)
        time = (struct timeval){.tv_usec = 1000};
    ldap_set_option(handle, option, &time);
}

static bool set_options(LDAP *handle, int64_t deadline_us)
{
    const int version = LDAP_VERSION3;
    ber_len_t most = LDAP_MESSAGE_MAX;
    Sockbuf *buffer;
    set_time(handle, LDAP_OPT_NETWORK_TIMEOUT, sooner(CONNECT_US, deadline_us - ldap_now_us()));
    set_time(handle, LDAP_OPT_TIMEOUT, CONNECT_US);
    return ldap_set_option(handle, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
           ldap_set_option(handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           ldap_set_option(handle, LDAP_OPT_RESTART, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           ldap_get_option(handle, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS &&
           ber_sockbuf_ctrl(buffer, LBER_SB_OPT_SET_MAX_INCOMING, &most) == 1;
}

static enum code secure(struct ldap_session *session, const struct directory_connection *connection,
                        const struct directory_uri *uri, struct problem *problem)
{
    bool is_start_tls = strcmp(connection->tls_mode, "STARTTLS") == 0;
    if (!uri->is_ldaps && !is_start_tls)
        return CODE_OK;
    if (!trust(session->handle, connection->ca_certificate))
        return ldap_fault_add(
            problem, LDAP_FAULT_TLS_NOT_TRUSTED,
            "The certificates of the authority cannot be read: give them as ca_certificate in "
            "PEM form.");
    enum code code = is_start_tls ? start_tls(session, uri, problem) : CODE_OK;
    if (code != CODE_OK)
        return code;
    int64_t handshake_us = sooner(session->deadline_us, ldap_now_us() + CONNECT_US);
    if (!ldap_patience_begin(session->handle, &handshake_us))
        return ldap_fault_add(problem, LDAP_FAULT_TLS_FAILED, "libldap lacks a function.");
    session->is_tls = ldap_install_tls(session->handle) == LDAP_SUCCESS;
    ldap_patience_end(session->handle);
    session->has_tls_failed = !session->is_tls;
    return CODE_OK;
}

/* The descriptor belongs to the session from here on, whatever comes. */
static enum code attach(struct ldap_session *session, int descriptor, struct problem *problem)
{
    if (ldap_init_fd(descriptor, LDAP_PROTO_TCP, session->uri, &session->handle) != LDAP_SUCCESS) {
        close(descriptor);
        return ldap_fault_add(problem, LDAP_FAULT_SERVER_FAILED, "The URI %s is of no use.", session->uri);
    }
    if (!set_options(session->handle, session->deadline_us))
        return ldap_fault_add(problem, LDAP_FAULT_SERVER_FAILED, "libldap lacks an option.");
    return CODE_OK;
}

static enum code talk(struct ldap_session *session, const struct directory_connection *connection,
                      const struct directory_uri *uri, int descriptor, struct problem *problem)
{
    enum code code = attach(session, descriptor, problem);
    if (code == CODE_OK)
        code = secure(session, connection, uri, problem);
    /* libldap made it wait again: who sends half an answer must not hold anybody up. */
    if (code == CODE_OK)
        fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    return code;
}

/* A connection up to where TLS begins. */
static enum code connect_for_tls(const struct directory_uri *uri, struct problem *problem,
                                 struct ldap_session *session, int *ret_descriptor)
{
    enum code code = connect_host(uri, session->deadline_us, problem, ret_descriptor);
    if (code != CODE_OK || uri->is_ldaps)
        return code;
    code = attach(session, *ret_descriptor, problem);
    return code == CODE_OK ? start_tls(session, uri, problem) : code;
}

static enum code add_tls_fault(enum ldap_tls_reason reason, const struct directory_uri *uri,
                               const char *words, struct problem *problem)
{
    switch (reason) {
    case LDAP_TLS_NAME_MISMATCH:
        return ldap_fault_add(
            problem, LDAP_FAULT_TLS_NAME_MISMATCH,
            "The certificate of %s is for another name: write the URI with a name that is in the "
            "certificate, or give the server one for this name.",
            uri->host);
    case LDAP_TLS_NOT_TRUSTED:
        return ldap_fault_add(
            problem, LDAP_FAULT_TLS_NOT_TRUSTED,
            "The certificate of %s is not trusted: give the certificate of its authority as "
            "ca_certificate. %s",
            uri->host, words);
    case LDAP_TLS_TIMED_OUT:
        return ldap_fault_add(problem, LDAP_FAULT_TIMED_OUT,
                              "%s, port %s, took the connection and then did not go on with TLS.", uri->host,
                              uri->port);
    case LDAP_TLS_OTHER:
    default:
        return ldap_fault_add(
            problem, LDAP_FAULT_TLS_FAILED,
            "TLS does not come about with %s, port %s: tls_mode may not be that of this port. %s", uri->host,
            uri->port, words);
    }
}

/* On a connection of its own, over which no password goes. */
static enum code tls_fault(const struct directory_connection *connection, const struct directory_uri *uri,
                           const char *text, int64_t deadline_us, struct problem *problem)
{
    struct ldap_session session = {.deadline_us = deadline_us, .uri = text};
    char path[PATH_SIZE];
    const char *words = "";
    int descriptor, ca_descriptor = -1;
    enum code code = connect_for_tls(uri, problem, &session, &descriptor);
    if (code == CODE_OK) {
        int64_t left_ms = sooner(CONNECT_US, deadline_us - ldap_now_us()) / 1000;
        enum ldap_tls_reason reason = LDAP_TLS_OTHER;
        if (trusted_path(connection->ca_certificate, path, sizeof(path), &ca_descriptor))
            reason = ldap_tls_find_reason(descriptor, uri->host, path, left_ms > 0 ? (unsigned)left_ms : 1,
                                          problem->arena, &words);
        if (ca_descriptor >= 0)
            close(ca_descriptor);
        code = add_tls_fault(reason, uri, words, problem);
        if (session.handle == NULL)
            close(descriptor);
    }
    ldap_session_close(&session);
    return code;
}

static enum code connect_uri(const struct directory_connection *connection, const char *text,
                             struct problem *problem, struct ldap_session *session)
{
    struct directory_uri uri;
    const char *detail;
    int descriptor;
    if (!directory_uri_read(problem->arena, text, &uri, &detail))
        return ldap_fault_add(problem, LDAP_FAULT_NAME_NOT_RESOLVED, "%s", detail);
    if (strcmp(connection->tls_mode, "NONE") == 0 && !connection->is_plain_allowed &&
        !directory_uri_is_loopback(&uri))
        return ldap_fault_add(problem, LDAP_FAULT_PLAIN_NOT_ALLOWED,
                              "The operator does not allow connections without TLS: use LDAPS or STARTTLS.");
    enum code code = connect_host(&uri, session->deadline_us, problem, &descriptor);
    if (code != CODE_OK)
        return code;
    session->uri = text;
    code = talk(session, connection, &uri, descriptor, problem);
    if (code != CODE_OK || session->has_tls_failed)
        ldap_session_close(session);
    return session->has_tls_failed ? tls_fault(connection, &uri, text, session->deadline_us, problem) : code;
}

static enum code bind_as_said(struct ldap_session *session, const struct directory_connection *connection,
                              struct problem *problem)
{
    const char *words;
    if (connection->bind_dn == NULL)
        return CODE_OK;
    int result = ldap_session_bind(session, connection->bind_dn,
                                   connection->bind_password != NULL ? connection->bind_password : "",
                                   problem->arena, &words);
    return result == LDAP_SUCCESS ? CODE_OK : ldap_session_fault(session, result, "bind", words, problem);
}

static enum code open_any(const struct directory_connection *connection, bool is_bound, int64_t deadline_us,
                          struct problem *problem, struct ldap_session *ret_session)
{
    enum code code = CODE_VALIDATION_FAILED;
    for (const char *const *uri = connection->uris; *uri != NULL; uri++) {
        struct ldap_session session = {.deadline_us = deadline_us};
        problem_clear(problem);
        code = connect_uri(connection, *uri, problem, &session);
        if (code == CODE_OK && is_bound && (code = bind_as_said(&session, connection, problem)) != CODE_OK)
            ldap_session_close(&session);
        if (code == CODE_OK) {
            *ret_session = session;
            return CODE_OK;
        }
    }
    return code;
}

enum code ldap_session_open(const struct directory_connection *connection, int64_t deadline_us,
                            struct problem *problem, struct ldap_session *ret_session)
{
    return open_any(connection, true, deadline_us, problem, ret_session);
}

enum code ldap_session_connect(const struct directory_connection *connection, int64_t deadline_us,
                               struct problem *problem, struct ldap_session *ret_session)
{
    return open_any(connection, false, deadline_us, problem, ret_session);
}

void ldap_session_close(struct ldap_session *session)
{
    if (session->handle != NULL)
        ldap_unbind_ext_s(session->handle, NULL, NULL);
    session->handle = NULL;
}

/* --- questions and answers --- */

int ldap_session_next(struct ldap_session *session, int message_id, int64_t until_us,
                      LDAPMessage **ret_message)
{
    int64_t left_us = until_us - ldap_now_us();
    struct timeval time = {.tv_sec = left_us / 1000000, .tv_usec = left_us % 1000000};
    if (left_us <= 0)
        time = (struct timeval){0};
    *ret_message = NULL;
    if (session->is_broken)
        return -1;
    return ldap_result(session->handle, message_id, LDAP_MSG_ONE, &time, ret_message);
}

int ldap_session_result(struct ldap_session *session, int message_id, struct arena *arena,
                        const char **ret_words, LDAPControl ***ret_controls)
{
    LDAPMessage *message;
    int type, result = LDAP_OTHER;
    char *words = NULL;
    *ret_words = "";
    while ((type = ldap_session_next(session, message_id, session->deadline_us, &message)) ==
               LDAP_RES_SEARCH_ENTRY ||
           type == LDAP_RES_SEARCH_REFERENCE || type == LDAP_RES_INTERMEDIATE) {
        ldap_msgfree(message);
        if (ldap_now_us() >= session->deadline_us) {
            type = 0;
            break;
        }
    }
    if (type <= 0)
        return type == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN;
    if (ldap_parse_result(session->handle, message, &result, NULL, &words, NULL, ret_controls, 1) !=
        LDAP_SUCCESS)
        return LDAP_DECODING_ERROR;
    *ret_words = words_of(arena, words);
    ldap_memfree(words);
    return result;
}

int ldap_session_bind(struct ldap_session *session, const char *dn, const char *password, struct arena *arena,
                      const char **ret_words)
{
    struct berval credential = {.bv_len = strlen(password), .bv_val = (char *)password};
    int message_id;
    *ret_words = "there is no password";
    if (credential.bv_len == 0)
        return LDAP_INVALID_CREDENTIALS;
    int result = ldap_sasl_bind(session->handle, dn, LDAP_SASL_SIMPLE, &credential, NULL, NULL, &message_id);
    *ret_words = "";
    return result != LDAP_SUCCESS ? result : ldap_session_result(session, message_id, arena, ret_words, NULL);
}

enum code ldap_session_fault(const struct ldap_session *session, int result, const char *what,
                             const char *words, struct problem *problem)
{
    const char *uri = session->uri;
    words = words_of(problem->arena, words);
    switch (result) {
    case LDAP_TIMEOUT:
    case LDAP_TIMELIMIT_EXCEEDED:
        return ldap_fault_add(problem, LDAP_FAULT_TIMED_OUT, "%s did not answer in time to: %s.", uri, what);
    case LDAP_SERVER_DOWN:
    case LDAP_UNAVAILABLE:
    case LDAP_BUSY:
        return ldap_fault_add(problem, LDAP_FAULT_CONNECTION_LOST,
                              "The connection to %s was lost during: %s.", uri, what);
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_INVALID_DN_SYNTAX:
        if (strcmp(what, "bind") == 0)
            return ldap_fault_add(problem, LDAP_FAULT_BAD_CREDENTIALS,
                                  "%s does not take bind_dn with this password (%s).", uri, words);
        return ldap_fault_add(problem, LDAP_FAULT_SERVER_FAILED, "%s refuses: %s (%s).", uri, what, words);
    case LDAP_CONFIDENTIALITY_REQUIRED:
    case LDAP_STRONG_AUTH_REQUIRED:
        return ldap_fault_add(problem, LDAP_FAULT_TLS_REQUIRED, "%s wants TLS: use LDAPS or STARTTLS (%s).",
                              uri, words);
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_REFERRAL:
        return ldap_fault_add(
            problem, LDAP_FAULT_BASE_DN_NOT_FOUND,
            "%s does not have what was asked for, or does not show it: %s. Correct the base DN.", uri, what);
    case LDAP_INSUFFICIENT_ACCESS:
    case LDAP_OPERATIONS_ERROR: /* Active Directory's word for who is not bound */
        return ldap_fault_add(problem, LDAP_FAULT_NO_PERMISSION,
                              "%s does not allow bind_dn: %s (%s). Give this account the right to read.", uri,
                              what, words);
    case LDAP_SIZELIMIT_EXCEEDED:
    case LDAP_ADMINLIMIT_EXCEEDED:
        return ldap_fault_add(
            problem, LDAP_FAULT_LIMIT_EXCEEDED,
            "%s stops before the end of: %s. Give bind_dn an unlimited size there (OpenLDAP: "
            "limits dn.exact=\"…\" size=unlimited).",
            uri, what);
    default:
        return ldap_fault_add(problem, LDAP_FAULT_SERVER_FAILED, "%s answers %s to: %s (%s).", uri,
                              ldap_err2string(result), what, words);
    }
}
