/* Questions to DNS servers over the network, by c-ares: one thread, each server bounded in what is asked of it at once, each
 * question in its time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/dns_message.h"

struct dns_net;

struct dns_net_options {
    const char *resolvers;   /* addresses by comma, each perhaps with :port; NULL: those of a file … */
    const char *resolv_conf; /* … which is read again when it changes; NULL: /etc/resolv.conf … */
    int resolver_port;       /* … at this port; 0: 53 */
    int port;                /* of authoritative servers */
};

/* NULL when c-ares, or the list of resolvers, does not work. */
struct dns_net *dns_net_new(const struct dns_net_options *options);

/* Nothing that was asked is answered any more. Accepts NULL. */
void dns_net_free(struct dns_net *net);

/* What came: a whole message with the question and its id, which may be malformed otherwise. Without data nothing of the
 * kind came in time, but perhaps something else did (DNS_IS_NOISE, DNS_IS_MISMATCH; else DNS_IS_UNRELATED). */
struct dns_reply {
    const unsigned char *data;
    size_t length;
    enum dns_match instead;
};
typedef void dns_replied(void *argument, const struct dns_reply *reply);

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
