/* Names looked up by the resolvers. What is found is kept for a short time, and what is asked for twice at once is asked once:
 * many domains have the same name servers. */
#pragma once

#include "model/dns_chain.h"
#include "workers/dns_net.h"

struct dns_lookups;

struct dns_lookups *dns_lookups_new(struct dns_net *net);

/* Accepts NULL. Before it the net is freed. */
void dns_lookups_free(struct dns_lookups *lookups);

enum dns_lookup_result {
    DNS_LOOKUP_FOUND,   /* values, or aliases */
    DNS_LOOKUP_NOTHING, /* there is nothing, say the servers of `zone` (NULL: it was not said whose) */
    DNS_LOOKUP_FAILED,  /* the resolver found no answer */
    DNS_LOOKUP_UNREACHABLE,
};

struct dns_found {
    enum dns_lookup_result result;
    enum dns_chain_state end;
    struct dns_answer answer;
    const char *zone;
};

/* The result lives until this returns. */
typedef void dns_looked_up(void *argument, const struct dns_found *found);

/* Calls `looked_up` once: at once when the answer is known, else from dns_net_run. */
void dns_lookup(struct dns_lookups *lookups, const char *name, enum dns_type type, bool is_urgent,
                dns_looked_up *looked_up, void *argument);
