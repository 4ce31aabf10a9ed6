#include "workers/dns_survey.h"

#include <string.h>

#define DESCENTS 8 /* from a zone to one below it */

/* --- their addresses --- */

static void add_server(struct survey *survey, const char *host, const char *address)
{
    if (survey->server_count == DNS_SERVERS_MAX ||
        (strchr(address, ':') != NULL && !dns_net_has_ipv6(survey->dns->net)))
        return;
    for (size_t i = 0; i < survey->server_count; i++)
        if (strcmp(survey->servers[i].address, address) == 0)
            return;
    survey->servers[survey->server_count++] = (struct server_survey){
        .name = host,
        .address = arena_string(survey->arena, address),
        .answers = arena_alloc(survey->arena, survey->question_count * sizeof(struct dns_answer))};
}

static void address_found(void *argument, const struct dns_found *found)
{
    struct pending *pending = argument;
    struct survey *survey = pending->survey;
    if (survey_arrived(pending)) {
        for (size_t i = 0; i < found->answer.value_count; i++)
            add_server(survey, survey->hosts[pending->index], found->answer.values[i]);
        if (survey->open == 0)
            survey_ask_servers(survey);
    }
    survey_leave(pending);
}

static void add_host(struct survey *survey, const char *host)
{
    if (survey->host_count == DNS_HOSTS_MAX)
        return;
    survey->hosts[survey->host_count++] = arena_string(survey->arena, host);
    buffer_printf(&survey->host_names, "%s%s", survey->host_names.length > 0 ? ", " : "", host);
}

/* Whether the message that names the host has addresses of it. */
static bool add_glue(struct survey *survey, const char *host, const struct dns_message *referral)
{
    bool has_any = false;
    for (size_t i = 0; referral != NULL && i < referral->count; i++) {
        const struct dns_record *record = &referral->records[i];
        if (record->section != DNS_ADDITIONAL || (record->type != DNS_A && record->type != DNS_AAAA) ||
            strcmp(record->name, host) != 0)
            continue;
        add_server(survey, host, record->value);
        has_any = true;
    }
    return has_any;
}

/* The hosts are known: finds where they are, then asks them. */
static void find_addresses(struct survey *survey, const struct dns_message *referral)
{
    survey->open++; /* so that nothing that is known at once ends it before all are begun */
    for (size_t i = 0; i < survey->host_count; i++) {
        if (add_glue(survey, survey->hosts[i], referral))
            continue;
        dns_lookup(survey->dns->lookups, survey->hosts[i], DNS_A, survey->is_urgent, address_found,
                   survey_expect(survey, i, 0));
        if (dns_net_has_ipv6(survey->dns->net))
            dns_lookup(survey->dns->lookups, survey->hosts[i], DNS_AAAA, survey->is_urgent, address_found,
                       survey_expect(survey, i, 0));
    }
    if (--survey->open == 0)
        survey_ask_servers(survey);
}

static void begin_zone(struct survey *survey, const char *zone)
{
    survey->zone = zone;
    survey->generation++;
    survey->open = 0;
    survey->host_count = survey->server_count = 0;
    survey->host_names = (struct buffer){.arena = survey->arena};
    survey->is_doubled_asked = false;
}

bool survey_enter_zone(struct survey *survey, const char *zone, const struct dns_message *referral)
{
    if (survey->descents == DESCENTS)
        return false;
    survey->descents++;
    zone = arena_string(survey->arena, zone);
    begin_zone(survey, zone);
    for (size_t i = 0; i < referral->count; i++) {
        const struct dns_record *record = &referral->records[i];
        if (record->section == DNS_AUTHORITY && record->type == DNS_NS && strcmp(record->name, zone) == 0)
            add_host(survey, record->value);
    }
    find_addresses(survey, referral);
    return true;
}

/* --- the zone --- */

static void zone_found(void *argument, const struct dns_found *found);

static void try_zone(struct survey *survey, const char *candidate)
{
    if (candidate == NULL) {
        survey_finish(survey, DNS_NO_DELEGATION);
        return;
    }
    survey->candidate = candidate;
    dns_lookup(survey->dns->lookups, candidate, DNS_NS, survey->is_urgent, zone_found,
               survey_expect(survey, 0, 0));
}

static const char *last_label(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : name;
}

static void read_zone(struct survey *survey, const struct dns_found *found)
{
    const char *candidate = survey->candidate;
    bool is_alias = found->answer.alias_count > 0;
    if (found->result == DNS_LOOKUP_FOUND && !is_alias) {
        begin_zone(survey, candidate);
        for (size_t i = 0; i < found->answer.value_count; i++)
            add_host(survey, found->answer.values[i]);
        find_addresses(survey, NULL);
    } else if (found->result == DNS_LOOKUP_UNREACHABLE) {
        /* A resolver may wait longer for dead servers than this does for it: those of the top are known to it. */
        if (strchr(candidate, '.') == NULL)
            survey_finish(survey, DNS_RESOLVER_UNREACHABLE);
        else
            try_zone(survey, last_label(candidate));
    } else if (found->result == DNS_LOOKUP_NOTHING && found->zone != NULL && !is_alias &&
               strcmp(found->zone, candidate) != 0 && dns_name_is_within(candidate, found->zone)) {
        try_zone(survey, arena_string(survey->arena, found->zone));
    } else {
        try_zone(survey, dns_name_parent(candidate));
    }
}

static void zone_found(void *argument, const struct dns_found *found)
{
    struct pending *pending = argument;
    struct survey *survey = pending->survey;
    if (survey_arrived(pending))
        read_zone(survey, found);
    survey_leave(pending);
}

void survey_find_zone(struct survey *survey)
{
    try_zone(survey, survey->domain);
}
