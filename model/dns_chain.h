/* From a name over its aliases (CNAME) to the values of a type, through as many messages as it takes. */
#pragma once

#include <stdbool.h>

#include "model/domain_check.h"

#define DNS_CHAIN_MAX       8    /* aliases */
#define DNS_CHAIN_VALUES    64   /* that are kept */
#define DNS_CHAIN_VALUE_MAX 4096 /* bytes that are kept of one */

struct dns_chain {
    struct arena *arena;
    const char *start;
    const char *at;     /* the name reached so far */
    const char *target; /* an alias to this one ends it; NULL: none does */
    enum dns_type type;
    const char *aliases[DNS_CHAIN_MAX];
    size_t alias_count;
    const char *values[DNS_CHAIN_VALUES];
    size_t value_count;
    int ttl;
};

void dns_chain_begin(struct dns_chain *chain, struct arena *arena, const char *name, enum dns_type type,
                     const char *target);

enum dns_chain_state {
    DNS_CHAIN_ENDED,     /* at values, at the target, or where it is said that there is nothing */
    DNS_CHAIN_CONTINUES, /* `at` is to be asked for */
    DNS_CHAIN_IS_TOO_LONG,
    DNS_CHAIN_IS_LOOP,
};

/* Goes on with what the message says of `at`. What is kept is copied. */
enum dns_chain_state dns_chain_follow(struct dns_chain *chain, const struct dns_message *message);

/* What came of it; lives as long as the chain. */
void dns_chain_answer(const struct dns_chain *chain, enum dns_outcome outcome, struct dns_answer *ret_answer);
