#include "model/dns_chain.h"

#include <string.h>

void dns_chain_begin(struct dns_chain *chain, struct arena *arena, const char *name, enum dns_type type,
                     const char *target)
{
    const char *start = arena_string(arena, name);
    *chain = (struct dns_chain){.arena = arena, .start = start, .at = start, .type = type, .target = target};
}

static const struct dns_record *find_alias(const struct dns_message *message, const char *name)
{
    for (size_t i = 0; i < message->count; i++)
        if (message->records[i].section == DNS_ANSWER && message->records[i].type == DNS_CNAME &&
            strcmp(message->records[i].name, name) == 0)
            return &message->records[i];
    return NULL;
}

static bool was_met(const struct dns_chain *chain, const char *name)
{
    if (strcmp(name, chain->start) == 0)
        return true;
    for (size_t i = 0; i < chain->alias_count; i++)
        if (strcmp(name, chain->aliases[i]) == 0)
            return true;
    return false;
}

static void take_values(struct dns_chain *chain, const struct dns_message *message)
{
    for (size_t i = 0; i < message->count && chain->value_count < DNS_CHAIN_VALUES; i++) {
        const struct dns_record *record = &message->records[i];
        if (record->section != DNS_ANSWER || record->type != chain->type ||
            strcmp(record->name, chain->at) != 0)
            continue;
        size_t length = strnlen(record->value, DNS_CHAIN_VALUE_MAX);
        if (chain->alias_count + chain->value_count == 0)
            chain->ttl = (int)record->ttl;
        chain->values[chain->value_count++] = arena_copy(chain->arena, record->value, length);
    }
}

/* The authority says where its zone begins when it has nothing. */
static bool says_nothing(const struct dns_chain *chain, const struct dns_message *message)
{
    if (message->rcode == DNS_NXDOMAIN)
        return true;
    for (size_t i = 0; i < message->count; i++)
        if (message->records[i].section == DNS_AUTHORITY && message->records[i].type == DNS_SOA &&
            dns_name_is_within(chain->at, message->records[i].name))
            return true;
    return false;
}

enum dns_chain_state dns_chain_follow(struct dns_chain *chain, const struct dns_message *message)
{
    const char *asked = chain->at;
    const struct dns_record *alias;
    while ((alias = find_alias(message, chain->at)) != NULL) {
        if (chain->alias_count == DNS_CHAIN_MAX)
            return DNS_CHAIN_IS_TOO_LONG;
        bool is_loop = was_met(chain, alias->value);
        if (chain->alias_count == 0)
            chain->ttl = (int)alias->ttl;
        chain->at = arena_string(chain->arena, alias->value);
        chain->aliases[chain->alias_count++] = chain->at;
        if (is_loop)
            return DNS_CHAIN_IS_LOOP;
        if (chain->target != NULL && strcmp(chain->at, chain->target) == 0)
            return DNS_CHAIN_ENDED;
    }
    take_values(chain, message);
    bool is_over = chain->value_count > 0 || chain->at == asked || says_nothing(chain, message);
    return is_over ? DNS_CHAIN_ENDED : DNS_CHAIN_CONTINUES;
}

void dns_chain_answer(const struct dns_chain *chain, enum dns_outcome outcome, struct dns_answer *ret_answer)
{
    *ret_answer = (struct dns_answer){.outcome = outcome,
                                      .values = chain->values,
                                      .value_count = chain->value_count,
                                      .aliases = chain->aliases,
                                      .alias_count = chain->alias_count,
                                      .ttl = chain->ttl};
}
