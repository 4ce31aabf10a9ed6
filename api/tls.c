#include "api/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CHAIN_LIMIT 16
#define SOON_DAYS   14

struct tls_certificate {
    gnutls_pcert_st chain[CHAIN_LIMIT];
    unsigned chain_length;
    gnutls_privkey_t key;
    struct tls_certificate *before; /* no longer given to new connections */
    int64_t used_until_ms;
};

/* The library's callback takes no argument of ours: there is one certificate in a process. */
static struct tls_certificate *current;

/* --- reading --- */

static bool read_file(const char *path, gnutls_datum_t *ret_data, char *message, size_t size)
{
    gnutls_datum_t data = {0};
    errno = 0;
    if (gnutls_load_file(path, &data) != GNUTLS_E_SUCCESS) {
        snprintf(message, size, "cannot read %s: %s", path, errno != 0 ? strerror(errno) : "not a file");
        return false;
    }
    *ret_data = data;
    return true;
}

static void wipe(gnutls_datum_t *data)
{
    if (data->data != NULL)
        gnutls_memset(data->data, 0, data->size);
    gnutls_free(data->data);
    data->data = NULL;
}

static bool import_chain(struct tls_certificate *certificate, const gnutls_datum_t *pem, const char *path,
                         char *message, size_t size)
{
    certificate->chain_length = CHAIN_LIMIT;
    int result =
        gnutls_pcert_list_import_x509_raw(certificate->chain, &certificate->chain_length, pem,
                                          GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (result == GNUTLS_E_SUCCESS && certificate->chain_length > 0)
        return true;
    certificate->chain_length = 0;
    if (result == GNUTLS_E_SHORT_MEMORY_BUFFER)
        snprintf(message, size, "%s has more than %d certificates", path, CHAIN_LIMIT);
    else
        snprintf(message, size, "%s holds no certificate in PEM form (%s)", path, gnutls_strerror(result));
    return false;
}

static bool import_key(struct tls_certificate *certificate, const gnutls_datum_t *pem, const char *path,
                       char *message, size_t size)
{
    int result = gnutls_privkey_init(&certificate->key);
    if (result == GNUTLS_E_SUCCESS)
        result = gnutls_privkey_import_x509_raw(certificate->key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (result == GNUTLS_E_SUCCESS)
        return true;
    snprintf(message, size, "%s holds no private key in PEM form without a passphrase (%s)", path,
             gnutls_strerror(result));
    return false;
}

/* The library's own check of the pair, by a throw-away credential. */
static bool check_pair(const gnutls_datum_t *chain, const gnutls_datum_t *key, const char *certificate_file,
                       const char *key_file, char *message, size_t size)
{
    gnutls_certificate_credentials_t pair;
    int result = gnutls_certificate_allocate_credentials(&pair);
    if (result == GNUTLS_E_SUCCESS) {
        result = gnutls_certificate_set_x509_key_mem2(pair, chain, key, GNUTLS_X509_FMT_PEM, NULL, 0);
        gnutls_certificate_free_credentials(pair);
    }
    if (result >= 0)
        return true;
    snprintf(message, size, "the key in %s is not that of the first certificate in %s (%s)", key_file,
             certificate_file, gnutls_strerror(result));
    return false;
}

static void print_day(time_t time, char *day, size_t size)
{
    struct tm utc;
    gmtime_r(&time, &utc);
    strftime(day, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* Whether now is in the time that the certificate is for. */
static bool check_time(struct tls_certificate *certificate, const char *path, char *message, size_t size)
{
    gnutls_x509_crt_t leaf;
    char day[32];
    time_t now = time(NULL);
    if (gnutls_pcert_export_x509(&certificate->chain[0], &leaf) != GNUTLS_E_SUCCESS) {
        snprintf(message, size, "the certificate in %s cannot be read", path);
        return false;
    }
    time_t begin = gnutls_x509_crt_get_activation_time(leaf);
    time_t end = gnutls_x509_crt_get_expiration_time(leaf);
    gnutls_x509_crt_deinit(leaf);
    print_day(now < begin ? begin : end, day, sizeof(day));
    if (now < begin)
        snprintf(message, size, "the certificate in %s is not valid before %s", path, day);
    else if (now >= end)
        snprintf(message, size, "the certificate in %s expired at %s; get a new one", path, day);
    else if (end - now < SOON_DAYS * 86400)
        snprintf(message, size, "the certificate in %s expires soon, at %s", path, day);
    return begin <= now && now < end;
}

static bool load(struct tls_certificate *certificate, const gnutls_datum_t *chain, const gnutls_datum_t *key,
                 const char *certificate_file, const char *key_file, char *message, size_t size)
{
    return import_chain(certificate, chain, certificate_file, message, size) &&
           import_key(certificate, key, key_file, message, size) &&
           check_pair(chain, key, certificate_file, key_file, message, size);
}

struct tls_certificate *tls_load(const char *certificate_file, const char *key_file, bool must_be_valid,
                                 char *message, size_t message_size)
{
    gnutls_datum_t chain = {0};
    gnutls_datum_t key = {0};
    struct tls_certificate *certificate = calloc(1, sizeof(*certificate));
    if (certificate == NULL)
        abort();
    *message = '\0';
    bool good = read_file(certificate_file, &chain, message, message_size) &&
                read_file(key_file, &key, message, message_size) &&
                load(certificate, &chain, &key, certificate_file, key_file, message, message_size) &&
                (check_time(certificate, certificate_file, message, message_size) || !must_be_valid);
    wipe(&chain);
    wipe(&key);
    if (good)
        return certificate;
    tls_free(certificate);
    return NULL;
}

void tls_free(struct tls_certificate *certificate)
{
    if (certificate == NULL)
        return;
    for (unsigned i = 0; i < certificate->chain_length; i++)
        gnutls_pcert_deinit(&certificate->chain[i]);
    gnutls_privkey_deinit(certificate->key);
    free(certificate);
}

/* --- in use --- */

void tls_use(struct tls_certificate *certificate, int64_t now_ms, int64_t oldest_ms)
{
    for (struct tls_certificate **at = current != NULL ? &current->before : &current; *at != NULL;) {
        struct tls_certificate *old = *at;
        if (old->used_until_ms < oldest_ms) {
            *at = old->before;
            tls_free(old);
        } else {
            at = &old->before;
        }
    }
    if (current != NULL)
        current->used_until_ms = now_ms;
    certificate->before = current;
    current = certificate;
}

void tls_free_all(void)
{
    while (current != NULL) {
        struct tls_certificate *next = current->before;
        tls_free(current);
        current = next;
    }
}

/* For each handshake; what it is given must stay until the handshake is over. */
static int give_certificate(gnutls_session_t session, const gnutls_datum_t *names, int name_count,
                            const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                            gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key)
{
    (void)session;
    (void)names;
    (void)name_count;
    (void)algorithms;
    (void)algorithm_count;
    *ret_chain = current->chain;
    *ret_length = current->chain_length;
    *ret_key = current->key;
    return 0;
}

gnutls_certificate_retrieve_function2 *const tls_callback = give_certificate;

/* --- reading from the network --- */

static ssize_t pull(gnutls_transport_ptr_t argument, void *data, size_t size)
{
    struct tls_reader *reader = argument;
    ssize_t length = recv(reader->fd, data, size, 0);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        reader->on_empty(reader);
        errno = EAGAIN;
    }
    return length;
}

void tls_read_by(gnutls_session_t session, struct tls_reader *reader)
{
    gnutls_transport_ptr_t from;
    gnutls_transport_ptr_t to;
    gnutls_transport_get_ptr2(session, &from, &to);
    gnutls_transport_set_ptr2(session, reader, to);
    gnutls_transport_set_pull_function(session, pull);
}
