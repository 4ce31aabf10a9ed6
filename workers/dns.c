#include "workers/dns.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "workers/dns_lookup.h"

#define HOSTS_MAX   8     /* name servers of a zone that are asked … */
#define SERVERS_MAX 8     /* … and addresses of these */
#define DESCENTS    8     /* from a zone to one below it */
#define SURVEY_MS   10000 /* then what has not come is not waited for */

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
    const char *hosts[HOSTS_MAX];
    size_t host_count;
    struct server_survey servers[SERVERS_MAX];
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

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- the end --- */

static void unlink_survey(struct survey *survey)
{
    *survey->previous = survey->next;
    if (survey->next != NULL)
        survey->next->previous = survey->previous;
    else if (!survey->is_over)
        survey->dns->end = survey->previous;
}

static void survey_free(struct survey *survey)
{
    arena_free(survey->arena);
    free(survey);
}

static void free_if_done(struct survey *survey)
{
    if (!survey->is_over || survey->outstanding > 0)
        return;
    unlink_survey(survey);
    survey_free(survey);
}

static void move_to_over(struct survey *survey)
{
    struct dns *dns = survey->dns;
    unlink_survey(survey);
    survey->is_over = true;
    survey->next = dns->over;
    survey->previous = &dns->over;
    if (survey->next != NULL)
        survey->next->previous = &survey->next;
    dns->over = survey;
    dns->in_progress--;
}

static void finish(struct survey *survey, enum dns_obstacle obstacle)
{
    struct dns_server servers[SERVERS_MAX];
    if (survey->is_over)
        return;
    for (size_t i = 0; i < survey->server_count; i++) {
        struct server_survey *server = &survey->servers[i];
        for (size_t j = 0; j < survey->question_count; j++)
            if (server->answers[j].outcome == DNS_NOT_ASKED && survey->questions[j].doubles == 0)
                server->answers[j].outcome = DNS_UNREACHABLE;
        servers[i] = (struct dns_server){server->name, server->address, server->answers};
    }
    struct dns_survey told = {
        .zone = survey->zone,
        .obstacle = obstacle,
        .name_servers = buffer_string(&survey->host_names),
        .servers = servers,
        .server_count = obstacle == DNS_NO_OBSTACLE ? survey->server_count : 0,
    };
    move_to_over(survey);
    survey->surveyed(survey->argument, &told);
}

static struct pending *expect(struct survey *survey, size_t index, size_t question)
{
    struct pending *pending = arena_alloc(survey->arena, sizeof(*pending));
    *pending = (struct pending){
        .survey = survey, .generation = survey->generation, .index = index, .question = question};
    survey->outstanding++;
    survey->open++;
    return pending;
}

/* Whether it still matters. Who was told of it calls leave in the end: until then the survey is there. */
static bool arrived(const struct pending *pending)
{
    struct survey *survey = pending->survey;
    bool counts = !survey->is_over && pending->generation == survey->generation;
    survey->open -= counts;
    return counts;
}

static void leave(const struct pending *pending)
{
    struct survey *survey = pending->survey;
    survey->outstanding--;
    free_if_done(survey);
}

/* --- the servers --- */

static void ask_server(struct survey *survey, struct pending *pending, const char *name);
static void use_zone(struct survey *survey, const char *zone, const struct dns_message *referral);

static void begin_question(struct survey *survey, size_t index, size_t question, bool is_probe)
{
    const struct dns_question *asked = &survey->questions[question];
    struct pending *pending = expect(survey, index, question);
    const char *name =
        asked->doubles == 0 ? asked->name : arena_printf(survey->arena, "%s.%s", asked->name, survey->zone);
    pending->is_probe = is_probe;
    pending->chain = arena_alloc(survey->arena, sizeof(*pending->chain));
    dns_chain_begin(pending->chain, survey->arena, name, asked->type, asked->target);
    survey->servers[index].open++;
    ask_server(survey, pending, name);
}

/* At the first server that has answered everything else. */
static void ask_doubled(struct survey *survey, size_t index)
{
    const struct dns_answer *answers = survey->servers[index].answers;
    if (survey->is_doubled_asked || survey->zone[0] == '\0')
        return;
    for (size_t i = 0; i < survey->question_count; i++)
        if (answers[i].outcome != DNS_ANSWERED && answers[i].outcome != DNS_NO_SUCH_NAME &&
            survey->questions[i].doubles == 0)
            return;
    survey->is_doubled_asked = true;
    for (size_t i = 0; i < survey->question_count; i++) {
        const struct dns_question *question = &survey->questions[i];
        if (question->doubles == 0)
            continue;
        const struct dns_answer *first = &answers[question->doubles - 1];
        if (first->value_count + first->alias_count == 0 &&
            strlen(question->name) + strlen(survey->zone) < DNS_NAME_MAX - 2)
            begin_question(survey, index, i, false);
    }
}

static void conclude_if_done(struct survey *survey)
{
    if (survey->open == 0)
        finish(survey, DNS_NO_OBSTACLE);
}

static void answer_question(struct pending *pending, enum dns_outcome outcome)
{
    struct survey *survey = pending->survey;
    struct server_survey *server = &survey->servers[pending->index];
    dns_chain_answer(pending->chain, outcome, &server->answers[pending->question]);
    server->open--;
    if (pending->is_probe && (outcome == DNS_UNREACHABLE || outcome == DNS_LAME)) {
        for (size_t i = 0; i < survey->question_count; i++) /* it is not asked the others */
            if (survey->questions[i].doubles == 0)
                server->answers[i].outcome = outcome;
        return;
    }
    if (pending->is_probe)
        for (size_t i = 1; i < survey->question_count; i++)
            if (survey->questions[i].doubles == 0)
                begin_question(survey, pending->index, i, false);
    if (server->open == 0)
        ask_doubled(survey, pending->index);
}

/* The chain goes on elsewhere: the resolvers followed it. */
static void followed(void *argument, const struct dns_found *found)
{
    struct pending *pending = argument;
    struct survey *survey = pending->survey;
    struct dns_chain *chain = pending->chain;
    enum dns_outcome outcome = DNS_ANSWERED;
    if (arrived(pending)) {
        for (size_t i = 0; i < found->answer.alias_count && outcome == DNS_ANSWERED; i++) {
            if (chain->alias_count == DNS_CHAIN_MAX)
                outcome = DNS_CHAIN_TOO_LONG;
            else
                chain->aliases[chain->alias_count++] = arena_string(survey->arena, found->answer.aliases[i]);
        }
        for (size_t i = 0; i < found->answer.value_count && chain->value_count < DNS_CHAIN_VALUES; i++)
            chain->values[chain->value_count++] = arena_string(survey->arena, found->answer.values[i]);
        if (chain->alias_count == 0 && chain->value_count > 0)
            chain->ttl = found->answer.ttl;
        if (found->end == DNS_CHAIN_IS_LOOP)
            outcome = DNS_CHAIN_LOOPS;
        else if (found->end == DNS_CHAIN_IS_TOO_LONG)
            outcome = DNS_CHAIN_TOO_LONG;
        answer_question(pending, outcome);
        conclude_if_done(survey);
    }
    leave(pending);
}

static void look_up_rest(struct pending *pending)
{
    struct survey *survey = pending->survey;
    struct pending *next = expect(survey, pending->index, pending->question);
    next->is_probe = pending->is_probe;
    next->chain = pending->chain;
    dns_lookup(survey->dns->lookups, pending->chain->at, pending->chain->type, survey->is_urgent, followed,
               next);
}

/* The zone that the message delegates `name` to, below `above`; NULL: none. */
static const char *referred_zone(const struct dns_message *message, const char *name, const char *above)
{
    if (message->is_authoritative || message->rcode != DNS_NOERROR)
        return NULL;
    for (size_t i = 0; i < message->count; i++) {
        const struct dns_record *record = &message->records[i];
        if (record->section == DNS_ANSWER)
            return NULL;
        if (record->type == DNS_NS && strcmp(record->name, above) != 0 &&
            dns_name_is_within(record->name, above) && dns_name_is_within(name, record->name))
            return record->name;
    }
    return NULL;
}

static enum dns_outcome outcome_of(const struct dns_message *message)
{
    switch (message->rcode) {
    case DNS_NOERROR:
        return message->is_authoritative ? DNS_ANSWERED : DNS_LAME;
    case DNS_NXDOMAIN:
        return message->is_authoritative ? DNS_NO_SUCH_NAME : DNS_LAME;
    case DNS_REFUSED:
    case DNS_NOTAUTH:
        return DNS_LAME;
    default:
        return DNS_SERVER_FAILED;
    }
}

static void follow_chain(struct pending *pending, const struct dns_message *message, enum dns_outcome outcome)
{
    struct survey *survey = pending->survey;
    struct dns_chain *chain = pending->chain;
    switch (dns_chain_follow(chain, message)) {
    case DNS_CHAIN_ENDED:
        answer_question(pending, chain->alias_count > 0 ? DNS_ANSWERED : outcome);
        break;
    case DNS_CHAIN_IS_TOO_LONG:
        answer_question(pending, DNS_CHAIN_TOO_LONG);
        break;
    case DNS_CHAIN_IS_LOOP:
        answer_question(pending, DNS_CHAIN_LOOPS);
        break;
    case DNS_CHAIN_CONTINUES:
        if (dns_name_is_within(chain->at, survey->zone)) {
            struct pending *next = expect(survey, pending->index, pending->question);
            next->is_probe = pending->is_probe;
            next->chain = chain;
            ask_server(survey, next, chain->at);
        } else {
            look_up_rest(pending);
        }
        break;
    }
}

static void read_reply(struct pending *pending, const struct dns_message *message)
{
    struct survey *survey = pending->survey;
    const char *below = referred_zone(message, pending->chain->at, survey->zone);
    enum dns_outcome outcome = outcome_of(message);
    if (below != NULL && dns_name_is_within(survey->domain, below) && survey->descents < DESCENTS) {
        survey->descents++;
        use_zone(survey, arena_string(survey->arena, below), message);
    } else if (below != NULL && !dns_name_is_within(survey->domain, below)) {
        look_up_rest(pending); /* the name is in a zone of its own */
    } else if (outcome == DNS_ANSWERED || outcome == DNS_NO_SUCH_NAME) {
        follow_chain(pending, message, outcome);
    } else {
        answer_question(pending, outcome);
    }
}

static void replied(void *argument, const unsigned char *data, size_t length)
{
    struct pending *pending = argument;
    struct survey *survey = pending->survey;
    if (arrived(pending)) {
        struct arena *scratch = arena_new();
        struct dns_message message;
        const char *fault;
        if (data == NULL)
            answer_question(pending, DNS_UNREACHABLE);
        else if (!dns_message_read(scratch, data, length, &message, &fault) || !message.is_response ||
                 message.is_truncated)
            answer_question(pending, DNS_MALFORMED);
        else
            read_reply(pending, &message);
        arena_free(scratch);
        conclude_if_done(survey);
    }
    leave(pending);
}

static void ask_server(struct survey *survey, struct pending *pending, const char *name)
{
    dns_net_ask(survey->dns->net, survey->servers[pending->index].address, name,
                (int)survey->questions[pending->question].type, survey->is_urgent, replied, pending);
}

static int compare_servers(const void *a, const void *b)
{
    const struct server_survey *one = a;
    const struct server_survey *other = b;
    int by_name = strcmp(one->name, other->name);
    return by_name != 0 ? by_name : strcmp(one->address, other->address);
}

/* Each is asked one question; the others once it has answered. */
static void probe_servers(struct survey *survey)
{
    if (survey->server_count == 0) {
        finish(survey, DNS_NO_DELEGATION);
        return;
    }
    qsort(survey->servers, survey->server_count, sizeof(survey->servers[0]), compare_servers);
    for (size_t i = 0; i < survey->server_count; i++)
        begin_question(survey, i, 0, true);
}

/* --- their addresses --- */

static void add_server(struct survey *survey, const char *host, const char *address)
{
    if (survey->server_count == SERVERS_MAX ||
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
    if (arrived(pending)) {
        for (size_t i = 0; i < found->answer.value_count; i++)
            add_server(survey, survey->hosts[pending->index], found->answer.values[i]);
        if (survey->open == 0)
            probe_servers(survey);
    }
    leave(pending);
}

static void add_host(struct survey *survey, const char *host)
{
    if (survey->host_count == HOSTS_MAX)
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
                   expect(survey, i, 0));
        if (dns_net_has_ipv6(survey->dns->net))
            dns_lookup(survey->dns->lookups, survey->hosts[i], DNS_AAAA, survey->is_urgent, address_found,
                       expect(survey, i, 0));
    }
    if (--survey->open == 0)
        probe_servers(survey);
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

/* A server delegates the domain to another zone. */
static void use_zone(struct survey *survey, const char *zone, const struct dns_message *referral)
{
    begin_zone(survey, zone);
    for (size_t i = 0; i < referral->count; i++) {
        const struct dns_record *record = &referral->records[i];
        if (record->section == DNS_AUTHORITY && record->type == DNS_NS && strcmp(record->name, zone) == 0)
            add_host(survey, record->value);
    }
    find_addresses(survey, referral);
}

/* --- the zone --- */

static void zone_found(void *argument, const struct dns_found *found);

static void try_zone(struct survey *survey, const char *candidate)
{
    if (candidate == NULL) {
        finish(survey, DNS_NO_DELEGATION);
        return;
    }
    survey->candidate = candidate;
    dns_lookup(survey->dns->lookups, candidate, DNS_NS, survey->is_urgent, zone_found, expect(survey, 0, 0));
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
            finish(survey, DNS_RESOLVER_UNREACHABLE);
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
    if (arrived(pending))
        read_zone(survey, found);
    leave(pending);
}

/* --- all of them --- */

void dns_survey(struct dns *dns, const char *domain, const struct dns_question *questions, size_t count,
                bool is_urgent, dns_surveyed *surveyed, void *argument)
{
    struct survey *survey = calloc(1, sizeof(*survey));
    if (survey == NULL)
        abort();
    struct arena *arena = arena_new();
    *survey = (struct survey){
        .dns = dns,
        .previous = dns->end,
        .arena = arena,
        .domain = arena_string(arena, domain),
        .questions = questions,
        .question_count = count,
        .is_urgent = is_urgent,
        .surveyed = surveyed,
        .argument = argument,
        .begun_at = now_ms(),
        .host_names = {.arena = arena},
    };
    *dns->end = survey;
    dns->end = &survey->next;
    dns->in_progress++;
    survey->outstanding++; /* what is known at once must not end it in here */
    try_zone(survey, survey->domain);
    survey->outstanding--;
    free_if_done(survey);
}

void dns_run(struct dns *dns, int timeout_ms)
{
    dns_net_run(dns->net, timeout_ms);
    int64_t late = now_ms() - SURVEY_MS;
    struct survey *next;
    for (struct survey *survey = dns->first; survey != NULL && survey->begun_at < late; survey = next) {
        next = survey->next;
        finish(survey, survey->server_count > 0 ? DNS_NO_OBSTACLE : DNS_NO_DELEGATION);
        free_if_done(survey);
    }
}

void dns_wake(struct dns *dns)
{
    dns_net_wake(dns->net);
}

size_t dns_in_progress(const struct dns *dns)
{
    return dns->in_progress;
}

struct dns *dns_new(const struct dns_net_options *options)
{
    struct dns_net *net = dns_net_new(options);
    if (net == NULL)
        return NULL;
    struct dns *dns = calloc(1, sizeof(*dns));
    if (dns == NULL)
        abort();
    dns->net = net;
    dns->lookups = dns_lookups_new(net);
    dns->end = &dns->first;
    return dns;
}

static void free_all(struct survey *survey)
{
    while (survey != NULL) {
        struct survey *next = survey->next;
        survey_free(survey);
        survey = next;
    }
}

void dns_free(struct dns *dns)
{
    if (dns == NULL)
        return;
    dns_net_free(dns->net);
    dns_lookups_free(dns->lookups);
    free_all(dns->first);
    free_all(dns->over);
    free(dns);
}
