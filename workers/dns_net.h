/* Questions to DNS servers over the network, by c-ares: one thread, each server bounded in what is asked of it at once, each
 * question in its time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct dns_net;

struct dns_net_options {
    const char *resolvers; /* addresses by comma, each perhaps with :port; NULL: those of /etc/resolv.conf */
    int port;              /* of authoritative servers */
};

/* NULL when c-ares, or the list of resolvers, does not work. */
struct dns_net *dns_net_new(const struct dns_net_options *options);

/* Nothing that was asked is answered any more. Accepts NULL. */
void dns_net_free(struct dns_net *net);

/* What came: a whole message with the question's id, which may be malformed otherwise; or NULL: nothing in time. */
typedef void dns_replied(void *argument, const unsigned char *data, size_t length);

/* Asks the server at an address (NULL: the resolvers, recursively). `replied` is called once, from dns_net_run, never from
 * here. Urgent ones go before others that wait, and to servers that seem dead. */
void dns_net_ask(struct dns_net *net, const char *address, const char *name, int type, bool is_urgent,
                 dns_replied *replied, void *argument);

/* Sends, receives and calls what is due, waiting up to a time for it. */
void dns_net_run(struct dns_net *net, int timeout_ms);

/* Ends a wait in dns_net_run, from any thread. */
void dns_net_wake(struct dns_net *net);

/* Whether this machine can send to IPv6 addresses elsewhere. */
bool dns_net_has_ipv6(const struct dns_net *net);
