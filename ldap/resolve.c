#include "ldap/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "ldap/library.h"

#define TRY_MS 1500
#define TRIES  2
#define SOCKETS \
    8 /* more than one query has; with all of ARES_GETSOCK_MAXNUM its macros shift out of an int */

struct search {
    union ldap_address *addresses;
    size_t count;
    bool is_done;
};

static void found(void *argument, int status, int timeouts, struct ares_addrinfo *result)
{
    struct search *search = argument;
    (void)timeouts;
    search->is_done = true;
    if (status != ARES_SUCCESS || result == NULL)
        return;
    for (struct ares_addrinfo_node *node = result->nodes; node != NULL && search->count < LDAP_ADDRESSES_MAX;
         node = node->ai_next)
        if ((size_t)node->ai_addrlen <= sizeof(search->addresses[0]))
            memcpy(&search->addresses[search->count++], node->ai_addr, (size_t)node->ai_addrlen);
    ares_freeaddrinfo(result);
}

/* Waits for the sockets of the channel, once. */
static void turn(ares_channel channel, int64_t deadline_us)
{
    ares_socket_t sockets[SOCKETS];
    struct pollfd polled[SOCKETS];
    int bits = ares_getsock(channel, sockets, SOCKETS);
    nfds_t count = 0;
    for (int i = 0; i < SOCKETS; i++) {
        short events = (short)((ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) |
                               (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0));
        if (events != 0)
            polled[count++] = (struct pollfd){.fd = sockets[i], .events = events};
    }
    int64_t left_ms = (deadline_us - ldap_now_us()) / 1000;
    poll(polled, count, (int)(left_ms < 0 ? 0 : left_ms > 100 ? 100 : left_ms));
    for (nfds_t i = 0; i < count; i++)
        ares_process_fd(channel, (polled[i].revents & ~POLLOUT) != 0 ? polled[i].fd : ARES_SOCKET_BAD,
                        (polled[i].revents & POLLOUT) != 0 ? polled[i].fd : ARES_SOCKET_BAD);
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what took too long */
}

static size_t ask(const struct directory_uri *uri, int64_t deadline_us, union ldap_address *addresses)
{
    struct search search = {.addresses = addresses};
    struct ares_options options = {.timeout = TRY_MS, .tries = TRIES};
    struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NUMERICSERV};
    ares_channel channel;
    if (ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) != ARES_SUCCESS)
        return 0;
    ares_getaddrinfo(channel, uri->host, uri->port, &hints, found, &search);
    while (!search.is_done && ldap_now_us() < deadline_us)
        turn(channel, deadline_us);
    ares_destroy(channel); /* tells `found` if it was not told */
    return search.count;
}

size_t ldap_resolve(const struct directory_uri *uri, int64_t deadline_us,
                    union ldap_address ret_addresses[static LDAP_ADDRESSES_MAX])
{
    in_port_t port = htons((in_port_t)strtoul(uri->port, NULL, 10));
    union ldap_address *address = &ret_addresses[0];
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, uri->host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = port;
        return 1;
    }
    if (inet_pton(AF_INET6, uri->host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = port;
        return 1;
    }
    return ask(uri, deadline_us, ret_addresses);
}
