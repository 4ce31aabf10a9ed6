/* A survey in progress, for those that work on it: dns.c begins and ends it, dns_zone.c finds the zone and where its name
 * servers are, dns_servers.c asks these. */
#pragma once

#include "workers/dns.h"
#include "workers/dns_lookup.h"

#define DNS_HOSTS_MAX   8 /* name servers of a zone that are asked … */
#define DNS_SERVERS_MAX 8 /* … and addresses of these */

struct dns {
    struct dns_net *net;
    struct dns_lookups *lookups;
    struct survey *first; /* in progress, the oldest first */
    struct survey **end;
    struct survey *over; /* with something outstanding */
    size_t in_progress;
};

struct server_survey {
    const char *name;
    const char *address;
    struct dns_answer *answers;
    size_t open; /* questions that it was asked and has not answered */
};

struct survey {
    struct dns *dns;
    struct survey *next;
    struct survey **previous;
    struct arena *arena;
    const char *domain;
    const struct dns_question *questions;
    size_t question_count;
    bool is_urgent;
    dns_surveyed *surveyed;
    void *argument;
    int64_t begun_at;

    const char *candidate; /* a zone, perhaps */
    const char *zone;
    int descents;
    unsigned generation; /* of the zone: what came for an earlier one does not count */
    struct buffer host_names;
    const char *hosts[DNS_HOSTS_MAX];
    size_t host_count;
    struct server_survey servers[DNS_SERVERS_MAX];
    size_t server_count;
    bool is_doubled_asked;

    size_t outstanding; /* calls that will come; it is freed with the last */
    size_t open;        /* of them those that this generation waits for */
    bool is_over;
};

/* One thing that a survey waits for. */
struct pending {
    struct survey *survey;
    unsigned generation;
    size_t index; /* of the server, or of the host */
    size_t question;
    bool is_probe;
    struct dns_chain *chain;
};

/* --- dns.c --- */

struct pending *survey_expect(struct survey *survey, size_t index, size_t question);

/* Whether it still matters. Who was told of it calls survey_leave in the end: until then the survey is there. */
bool survey_arrived(const struct pending *pending);
void survey_leave(const struct pending *pending);

/* Tells of it, once. */
void survey_finish(struct survey *survey, enum dns_obstacle obstacle);

/* --- dns_zone.c --- */

/* Finds the zone of the domain, and goes on with it. */
void survey_find_zone(struct survey *survey);

/* Goes on with another zone, to which a server delegates the domain; unless that happened too often. */
bool survey_enter_zone(struct survey *survey, const char *zone, const struct dns_message *referral);

/* --- dns_servers.c --- */

/* The name servers of the zone are known: asks them. */
void survey_ask_servers(struct survey *survey);
