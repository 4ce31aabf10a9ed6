#include "workers/dns.h"

#include <stdlib.h>
#include <time.h>

#include "workers/dns_survey.h"

#define SURVEY_MS 10000 /* then what has not come is not waited for */

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

void survey_finish(struct survey *survey, enum dns_obstacle obstacle)
{
    struct dns_server servers[DNS_SERVERS_MAX];
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

struct pending *survey_expect(struct survey *survey, size_t index, size_t question)
{
    struct pending *pending = arena_alloc(survey->arena, sizeof(*pending));
    *pending = (struct pending){
        .survey = survey, .generation = survey->generation, .index = index, .question = question};
    survey->outstanding++;
    survey->open++;
    return pending;
}

bool survey_arrived(const struct pending *pending)
{
    struct survey *survey = pending->survey;
    bool counts = !survey->is_over && pending->generation == survey->generation;
    survey->open -= counts;
    return counts;
}

void survey_leave(const struct pending *pending)
{
    struct survey *survey = pending->survey;
    survey->outstanding--;
    free_if_done(survey);
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
    survey_find_zone(survey);
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
        survey_finish(survey, survey->server_count > 0 ? DNS_NO_OBSTACLE : DNS_NO_DELEGATION);
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
