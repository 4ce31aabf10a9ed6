#include "api/ews.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/network.h"
#include "model/secret.h"

#define ANSWER_MAX ((size_t)64 * 1024)

/* --- memory: curl's copies hold a password --- */

static void *realloc_wiped(void *memory, size_t size)
{
    size_t before = memory != NULL ? malloc_usable_size(memory) : 0;
    void *larger = malloc(size);
    if (larger == NULL || memory == NULL)
        return larger;
    memcpy(larger, memory, before < size ? before : size);
    secret_free(memory);
    return larger;
}

void ews_prepare(void)
{
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, secret_free, realloc_wiped, strdup, calloc) !=
        CURLE_OK)
        abort();
}

/* --- one attempt --- */

struct attempt {
    const struct network_list *allowed;
    bool was_allowed; /* some address */
    bool was_refused;
    struct buffer body;
    bool is_too_long;
};

static bool read_address(const struct curl_sockaddr *address, struct network *ret_network)
{
    char text[INET6_ADDRSTRLEN];
    const void *bytes = NULL;
    if (address->family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)&address->addr)->sin_addr;
    else if (address->family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)&address->addr)->sin6_addr;
    return bytes != NULL && inet_ntop(address->family, bytes, text, sizeof(text)) != NULL &&
           network_read(text, ret_network);
}

/* Of the address that will be connected to, whatever the name led to before. */
static curl_socket_t open_socket(void *argument, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct attempt *attempt = argument;
    struct network network;
    (void)purpose;
    if (!read_address(address, &network) ||
        !(network_is_public(&network) || network_list_contains(attempt->allowed, &network))) {
        attempt->was_refused = true;
        return CURL_SOCKET_BAD;
    }
    attempt->was_allowed = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take_body(char *data, size_t size, size_t count, void *argument)
{
    struct attempt *attempt = argument;
    size_t length = size * count;
    if (attempt->body.length + length > ANSWER_MAX) {
        attempt->is_too_long = true;
        return 0;
    }
    buffer_append(&attempt->body, data, length);
    return length;
}

static struct ews_result result(enum ews_outcome outcome, const char *detail)
{
    return (struct ews_result){outcome, detail};
}

static struct ews_result judge_connection(CURL *curl, const struct attempt *attempt)
{
    long error = 0;
    if (attempt->was_refused && !attempt->was_allowed)
        return result(EWS_ADDRESS_NOT_ALLOWED, "The host leads to an address that is not of the Internet.");
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
    if (error == ECONNREFUSED)
        return result(EWS_CONNECTION_REFUSED, "The host refuses connections to this port.");
    if (error == ETIMEDOUT)
        return result(EWS_TIMED_OUT, "The host does not answer.");
    return result(EWS_CONNECTION_FAILED, "The host cannot be reached.");
}

static struct ews_result judge_certificate(CURL *curl, struct arena *arena)
{
    /* libcurl compares names itself once OpenSSL trusts the chain, and leaves what it began with: unspecified. */
    long error = X509_V_OK;
    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &error);
    if (error == X509_V_OK || error == X509_V_ERR_UNSPECIFIED || error == X509_V_ERR_HOSTNAME_MISMATCH ||
        error == X509_V_ERR_IP_ADDRESS_MISMATCH)
        return result(EWS_TLS_NAME_MISMATCH, "The certificate is trusted, but it does not name this host.");
    return result(EWS_TLS_NOT_TRUSTED, arena_printf(arena, "The certificate is not trusted: %s.",
                                                    X509_verify_cert_error_string(error)));
}

static struct ews_result judge(CURL *curl, CURLcode code, const struct attempt *attempt, struct arena *arena)
{
    long status = 0;
    switch ((int)code) {
    case CURLE_OK:
    case CURLE_WRITE_ERROR:
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        return ews_judge(arena, status,
                         attempt->is_too_long || attempt->body.length == 0 ? NULL : attempt->body.data,
                         attempt->body.length);
    case CURLE_COULDNT_RESOLVE_HOST:
        return result(EWS_DNS_FAILURE, "The host's name leads to no address.");
    case CURLE_COULDNT_CONNECT:
        return judge_connection(curl, attempt);
    case CURLE_OPERATION_TIMEDOUT:
        return result(EWS_TIMED_OUT, "There was no whole answer in time.");
    case CURLE_PEER_FAILED_VERIFICATION:
        return judge_certificate(curl, arena);
    case CURLE_SSL_CACERT_BADFILE:
        return result(EWS_TLS_NOT_TRUSTED, "This service cannot read its file of certificate authorities.");
    case CURLE_SSL_CONNECT_ERROR:
        return result(EWS_TLS_FAILED, "The server does not speak TLS, or none that is safe.");
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return result(EWS_NOT_AN_ENDPOINT, "The server does not answer in HTTP.");
    default:
        return result(EWS_CONNECTION_FAILED,
                      arena_printf(arena, "The connection failed: %s.", curl_easy_strerror(code)));
    }
}

/* Nothing is left to curl's defaults, nor to the environment, that leads elsewhere. */
static bool configure(CURL *curl, const struct config *config, struct attempt *attempt, const char *url,
                      struct curl_slist *headers)
{
    bool good = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;
    good = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)config->ews_timeout) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)config->ews_timeout) == CURLE_OK && good;
    /* Nor is a name server waited for any longer than that. */
    good = curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK && good;
    if (config->ews_ca_file != NULL)
        good = curl_easy_setopt(curl, CURLOPT_CAINFO, config->ews_ca_file) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ews_question) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, attempt) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK && good;
    return curl_easy_setopt(curl, CURLOPT_WRITEDATA, attempt) == CURLE_OK && good;
}

struct ews_result ews_try(struct arena *arena, const struct config *config, const char *url,
                          const char *username, const char *password)
{
    struct attempt attempt = {.allowed = config->ews_network_list, .body.arena = arena};
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: text/xml; charset=utf-8");
    if (curl == NULL || headers == NULL || !configure(curl, config, &attempt, url, headers) ||
        curl_easy_setopt(curl, CURLOPT_USERNAME, username) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_PASSWORD, password) != CURLE_OK)
        abort(); /* out of memory, or another libcurl than this was made for */
    struct ews_result found = judge(curl, curl_easy_perform(curl), &attempt, arena);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return found;
}
