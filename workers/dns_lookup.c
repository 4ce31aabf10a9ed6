#include "workers/dns_lookup.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEPT_SERVERS_S 30 /* NS, addresses: at most */
#define KEPT_OTHERS_S  1  /* what somebody may be changing, and failures */
#define ENTRIES_MAX    20000

struct waiter {
    struct waiter *next;
    dns_looked_up *looked_up;
    void *argument;
};

struct lookup {
    char *key; /* first: what it is found by */
    struct dns_lookups *lookups;
    struct lookup *next;
    struct arena *arena;
    struct dns_chain chain;
    struct dns_found found;
    bool is_done;
    time_t expires_at;
    struct waiter *waiters;
};

struct dns_lookups {
    struct dns_net *net;
    void *by_key; /* of tsearch */
    struct lookup *all;
    size_t count;
    time_t dropped_at; /* when those that had expired were */
};

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void ask(struct lookup *lookup, bool is_urgent);

/* --- what came --- */

static void conclude(struct lookup *lookup)
{
    struct dns_found *found = &lookup->found;
    bool is_of_servers =
        lookup->chain.type == DNS_NS || lookup->chain.type == DNS_A || lookup->chain.type == DNS_AAAA;
    time_t kept = found->result == DNS_LOOKUP_FOUND && is_of_servers ? KEPT_SERVERS_S : KEPT_OTHERS_S;
    if (found->result == DNS_LOOKUP_FOUND && lookup->chain.ttl < kept)
        kept = lookup->chain.ttl;
    dns_chain_answer(&lookup->chain, DNS_ANSWERED, &found->answer);
    lookup->expires_at = now_s() + kept;
    while (lookup->waiters != NULL) {
        struct waiter *waiter = lookup->waiters;
        lookup->waiters = waiter->next;
        waiter->looked_up(waiter->argument, found);
        free(waiter);
    }
    lookup->is_done =
        true; /* not before: those who are told look up others, which may drop what is expired */
}

static const char *zone_of(struct lookup *lookup, const struct dns_message *message)
{
    for (size_t i = 0; i < message->count; i++)
        if (message->records[i].section == DNS_AUTHORITY && message->records[i].type == DNS_SOA)
            return arena_string(lookup->arena, message->records[i].name);
    return NULL;
}

static void read_reply(struct lookup *lookup, const struct dns_message *message)
{
    struct dns_found *found = &lookup->found;
    if (message->rcode != DNS_NOERROR && message->rcode != DNS_NXDOMAIN) {
        found->result = DNS_LOOKUP_FAILED;
        return;
    }
    found->end = dns_chain_follow(&lookup->chain, message);
    if (found->end == DNS_CHAIN_CONTINUES)
        return;
    found->result =
        lookup->chain.value_count + lookup->chain.alias_count > 0 ? DNS_LOOKUP_FOUND : DNS_LOOKUP_NOTHING;
    found->zone = zone_of(lookup, message);
}

static void replied(void *argument, const struct dns_reply *reply)
{
    struct lookup *lookup = argument;
    struct arena *scratch = arena_new();
    struct dns_message message;
    const char *fault;

    lookup->found.end = DNS_CHAIN_ENDED;
    if (reply->data == NULL)
        lookup->found.result = DNS_LOOKUP_UNREACHABLE;
    else if (!dns_message_read(scratch, reply->data, reply->length, &message, &fault))
        lookup->found.result = DNS_LOOKUP_FAILED;
    else
        read_reply(lookup, &message);
    arena_free(scratch);
    if (lookup->found.end == DNS_CHAIN_CONTINUES)
        ask(lookup, true);
    else
        conclude(lookup);
}

/* --- all --- */

static void ask(struct lookup *lookup, bool is_urgent)
{
    const char *name = lookup->chain.at[0] != '\0' ? lookup->chain.at : ".";
    dns_net_ask(lookup->lookups->net, NULL, name, (int)lookup->chain.type, is_urgent, replied, lookup);
}

static void lookup_free(struct lookup *lookup)
{
    while (lookup->waiters != NULL) {
        struct waiter *waiter = lookup->waiters;
        lookup->waiters = waiter->next;
        free(waiter);
    }
    arena_free(lookup->arena);
    free(lookup);
}

static void drop_expired(struct dns_lookups *lookups)
{
    time_t now = now_s();
    if (lookups->dropped_at == now) /* all would be walked over for nothing */
        return;
    lookups->dropped_at = now;
    for (struct lookup **at = &lookups->all; *at != NULL;) {
        struct lookup *lookup = *at;
        if (!lookup->is_done || lookup->expires_at > now) {
            at = &lookup->next;
            continue;
        }
        *at = lookup->next;
        tdelete(lookup, &lookups->by_key, compare);
        lookups->count--;
        lookup_free(lookup);
    }
}

static struct lookup *lookup_new(struct dns_lookups *lookups, const char *key)
{
    struct arena *arena = arena_new();
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        abort();
    *lookup = (struct lookup){.key = arena_string(arena, key), .lookups = lookups, .arena = arena};
    return lookup;
}

static void begin(struct lookup *lookup, const char *name, enum dns_type type)
{
    /* A chain is large and kept by the lookup: what it points to is in the arena. */
    struct arena *old = lookup->arena;
    lookup->arena = arena_new();
    lookup->key = arena_string(lookup->arena, lookup->key);
    arena_free(old);
    dns_chain_begin(&lookup->chain, lookup->arena, name, type, NULL);
    lookup->found = (struct dns_found){0};
    lookup->is_done = false;
}

void dns_lookup(struct dns_lookups *lookups, const char *name, enum dns_type type, bool is_urgent,
                dns_looked_up *looked_up, void *argument)
{
    char key[DNS_NAME_MAX * 4 + 8];
    char *wanted = key;
    bool is_new = false;

    if (lookups->count >= ENTRIES_MAX)
        drop_expired(lookups);
    snprintf(key, sizeof(key), "%d %s", (int)type, name);
    struct lookup ***node = tfind(&wanted, &lookups->by_key, compare);
    struct lookup *lookup = node != NULL ? (struct lookup *)*node : NULL;
    if (lookup == NULL) {
        lookup = lookup_new(lookups, key);
        if (tsearch(lookup, &lookups->by_key, compare) == NULL)
            abort();
        lookup->next = lookups->all;
        lookups->all = lookup;
        lookups->count++;
        is_new = true;
    } else if (lookup->is_done && lookup->expires_at > now_s()) {
        looked_up(argument, &lookup->found);
        return;
    }
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    if (waiter == NULL)
        abort();
    *waiter = (struct waiter){lookup->waiters, looked_up, argument};
    lookup->waiters = waiter;
    if (is_new || lookup->is_done) {
        begin(lookup, name, type);
        ask(lookup, is_urgent);
    }
}

struct dns_lookups *dns_lookups_new(struct dns_net *net)
{
    struct dns_lookups *lookups = calloc(1, sizeof(*lookups));
    if (lookups == NULL)
        abort();
    lookups->net = net;
    return lookups;
}

static void forget(void *node)
{
    (void)node;
}

void dns_lookups_free(struct dns_lookups *lookups)
{
    if (lookups == NULL)
        return;
    tdestroy(lookups->by_key, forget);
    while (lookups->all != NULL) {
        struct lookup *lookup = lookups->all;
        lookups->all = lookup->next;
        lookup_free(lookup);
    }
    free(lookups);
}
