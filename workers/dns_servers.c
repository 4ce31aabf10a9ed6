#include "workers/dns_survey.h"

#include <stdlib.h>
#include <string.h>

static void ask_server(struct survey *survey, struct pending *pending, const char *name);

static void begin_question(struct survey *survey, size_t index, size_t question, bool is_probe)
{
    const struct dns_question *asked = &survey->questions[question];
    struct pending *pending = survey_expect(survey, index, question);
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
        survey_finish(survey, DNS_NO_OBSTACLE);
}

static void answer_question(struct pending *pending, enum dns_outcome outcome)
{
    struct survey *survey = pending->survey;
    struct server_survey *server = &survey->servers[pending->index];
    dns_chain_answer(pending->chain, outcome, &server->answers[pending->question]);
    server->open--;
    if (pending->is_probe &&
        (outcome == DNS_UNREACHABLE || outcome == DNS_LAME || outcome == DNS_MISMATCHED)) {
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
    if (survey_arrived(pending)) {
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
    survey_leave(pending);
}

static void look_up_rest(struct pending *pending)
{
    struct survey *survey = pending->survey;
    struct pending *next = survey_expect(survey, pending->index, pending->question);
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
            struct pending *next = survey_expect(survey, pending->index, pending->question);
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
    if (below != NULL && dns_name_is_within(survey->domain, below)) {
        if (!survey_enter_zone(survey, below, message))
            answer_question(pending, DNS_LAME);
    } else if (below != NULL) {
        look_up_rest(pending); /* the name is in a zone of its own */
    } else if (outcome == DNS_ANSWERED || outcome == DNS_NO_SUCH_NAME) {
        follow_chain(pending, message, outcome);
    } else {
        answer_question(pending, outcome);
    }
}

static enum dns_outcome outcome_without_answer(enum dns_match instead)
{
    return instead == DNS_IS_NOISE      ? DNS_MALFORMED
           : instead == DNS_IS_MISMATCH ? DNS_MISMATCHED
                                        : DNS_UNREACHABLE;
}

static void replied(void *argument, const struct dns_reply *reply)
{
    struct pending *pending = argument;
    struct survey *survey = pending->survey;
    if (survey_arrived(pending)) {
        struct arena *scratch = arena_new();
        struct dns_message message;
        const char *fault;
        if (reply->data == NULL)
            answer_question(pending, outcome_without_answer(reply->instead));
        else if (!dns_message_read(scratch, reply->data, reply->length, &message, &fault) ||
                 !message.is_response || message.is_truncated)
            answer_question(pending, DNS_MALFORMED);
        else
            read_reply(pending, &message);
        arena_free(scratch);
        conclude_if_done(survey);
    }
    survey_leave(pending);
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
void survey_ask_servers(struct survey *survey)
{
    if (survey->server_count == 0) {
        survey_finish(survey, DNS_NO_DELEGATION);
        return;
    }
    qsort(survey->servers, survey->server_count, sizeof(survey->servers[0]), compare_servers);
    for (size_t i = 0; i < survey->server_count; i++)
        begin_question(survey, i, 0, true);
}
