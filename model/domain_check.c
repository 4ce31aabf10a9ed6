#include "model/domain_check.h"

#include <string.h>

#include "model/domain_judge.h"

#define SERVERS_MAX 32
#define VALUES_MAX  16  /* shown of one server */
#define VALUE_MAX   500 /* bytes shown of one value */

/* --- questions --- */

static enum dns_type asked_type(const struct domain_record *record)
{
    switch (record->purpose) {
    case DOMAIN_MX:
        return DNS_MX;
    case DOMAIN_AUTODISCOVER:
        return DNS_A; /* shows the alias, or what is in its place */
    default:
        return DNS_TXT;
    }
}

static int find_question(const struct dns_question *questions, size_t count, const char *name,
                         enum dns_type type, bool is_doubled)
{
    for (size_t i = 0; i < count; i++)
        if (questions[i].type == type && (questions[i].doubles != 0) == is_doubled &&
            strcmp(questions[i].name, name) == 0)
            return (int)i;
    return -1;
}

size_t domain_check_questions(const struct domain_expectation *expected,
                              struct dns_question ret_questions[static DOMAIN_QUESTIONS_MAX])
{
    size_t count = 0;

    ret_questions[count++] = (struct dns_question){.name = expected->domain, .type = DNS_TXT};
    for (size_t i = 0; i < expected->count && i < DOMAIN_RECORDS_MAX; i++) {
        const struct domain_record *record = &expected->records[i];
        enum dns_type type = asked_type(record);
        if (find_question(ret_questions, count, record->name, type, false) >= 0)
            continue;
        bool is_alias = record->purpose == DOMAIN_AUTODISCOVER || record->purpose == DOMAIN_DKIM;
        ret_questions[count++] = (struct dns_question){
            .name = record->name, .type = type, .target = is_alias ? record->value : NULL};
    }
    size_t plain = count;
    for (size_t i = 1; i < plain; i++)
        if (strcmp(ret_questions[i].name, expected->domain) != 0) {
            ret_questions[count] = ret_questions[i];
            ret_questions[count++].doubles = (int)i + 1;
        }
    return count;
}

/* --- texts --- */

/* A record as in a zone file. */
static void put_line(struct buffer *out, const char *action, const char *name, int ttl, const char *type,
                     const char *value)
{
    buffer_printf(out, "\n%s: %s. ", action, name);
    if (ttl > 0)
        buffer_printf(out, "%d ", ttl);
    buffer_printf(out, "IN %s ", type);
    if (strcmp(type, "TXT") == 0) {
        size_t in_string = 0;
        buffer_byte(out, '"');
        for (size_t at = 0; value[at] != '\0'; in_string++) {
            if (in_string == 255) {
                buffer_text(out, "\" \"");
                in_string = 0;
            }
            size_t length = value[at] == '\\' ? strnlen(value + at, 4) : 1; /* \DDD, or what was cut of it */
            if (value[at] == '"')
                buffer_byte(out, '\\');
            buffer_append(out, value + at, length);
            at += length;
        }
        buffer_byte(out, '"');
    } else {
        buffer_text(out, value);
        if ((strcmp(type, "CNAME") == 0 || strcmp(type, "MX") == 0) && value[strlen(value) - 1] != '.')
            buffer_byte(out, '.');
    }
}

struct words {
    const struct domain_expectation *expected;
    const struct domain_record *record;
    const struct dns_survey *survey;
    const char *servers; /* those that it is about */
    const char *found;
};

static const char *word_of(const struct words *words, const char *name, size_t length)
{
    const struct {
        const char *name;
        const char *text;
    } known[] = {
        {"domain", words->expected->domain}, {"zone", words->survey->zone}, {"name", words->record->name},
        {"type", words->record->type},       {"servers", words->servers},   {"found", words->found},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strlen(known[i].name) == length && strncmp(known[i].name, name, length) == 0) {
            const char *text = known[i].text != NULL ? known[i].text : "";
            return strcmp(known[i].name, "zone") == 0 && text[0] == '\0' ? "the root" : text;
        }
    return "";
}

static void put_words(struct buffer *out, const char *format, const struct words *words)
{
    while (*format != '\0') {
        size_t plain = strcspn(format, "{");
        buffer_append(out, format, plain);
        format += plain;
        if (*format == '\0')
            return;
        size_t length = strcspn(format, "}");
        buffer_text(out, word_of(words, format + 1, length - 1));
        format += length + (format[length] == '}');
    }
}

static void explain(struct arena *arena, const struct words *words, enum domain_code code,
                    const struct judgement *judgement, struct domain_finding *finding)
{
    const struct domain_code_row *row = &domain_codes[code];
    struct buffer out = {.arena = arena};
    if (code == DOMAIN_FINE)
        return;
    put_words(&out, row->help, words);
    if ((row->actions & DOMAIN_REMOVE) != 0 && judgement != NULL)
        for (size_t i = 0; i < judgement->found_count; i++) {
            const struct judged_record *found = &judgement->found[i];
            if (strlen(found->value) <= 4 * VALUE_MAX)
                put_line(&out, "Remove", found->name, 0, found->type, found->value);
            else
                buffer_printf(&out, "\nRemove: %s. IN %s", found->name, found->type);
        }
    if ((row->actions & DOMAIN_PUBLISH) != 0) {
        bool is_other = judgement != NULL && judgement->publish != NULL;
        put_line(&out, "Publish", words->record->name, words->record->ttl, words->record->type,
                 is_other ? judgement->publish : words->record->value);
    }
    finding->code = row->name;
    finding->help = buffer_string(&out);
}

/* --- what was seen --- */

static const char *const outcome_names[] = {
    [DNS_NOT_ASKED] = "NOT_ASKED",
    [DNS_ANSWERED] = "ANSWERED",
    [DNS_NO_SUCH_NAME] = "NO_SUCH_NAME",
    [DNS_UNREACHABLE] = "UNREACHABLE",
    [DNS_LAME] = "LAME",
    [DNS_SERVER_FAILED] = "SERVER_FAILED",
    [DNS_MALFORMED] = "MALFORMED",
    [DNS_MISMATCHED] = "MISMATCHED",
    [DNS_CHAIN_TOO_LONG] = "CHAIN_TOO_LONG",
    [DNS_CHAIN_LOOPS] = "CHAIN_LOOPS",
};

static const char *server_name(struct arena *arena, const struct dns_server *server)
{
    return arena_printf(arena, "%s (%s)", server->name, server->address);
}

static void put_value(struct buffer *out, const char *prefix, const char *value)
{
    bool is_cut = strlen(value) > VALUE_MAX;
    out_string(out, arena_printf(out->arena, "%s%.*s%s", prefix, VALUE_MAX, value, is_cut ? "…" : ""));
}

static void put_observed(struct buffer *out, const struct domain_record *record,
                         const struct dns_server *server, const struct dns_answer *seen)
{
    bool is_alias = strcmp(record->type, "CNAME") == 0;
    out_begin_object(out);
    out_member(out, "server", server_name(out->arena, server));
    out_member(out, "outcome", outcome_names[seen->outcome]);
    out_name(out, "values");
    out_begin_array(out);
    for (size_t i = 0; i < seen->alias_count && i < VALUES_MAX; i++)
        put_value(out, is_alias ? "" : "CNAME ", seen->aliases[i]);
    if (!is_alias || seen->alias_count == 0)
        for (size_t i = 0; i < seen->value_count && i < VALUES_MAX; i++)
            put_value(out, "", seen->values[i]);
    out_end_array(out);
    if (seen->alias_count + seen->value_count > 0)
        out_member_integer(out, "ttl", seen->ttl);
    out_end_object(out);
}

/* --- one record --- */

static enum domain_code trouble_code(enum dns_outcome outcome)
{
    switch (outcome) {
    case DNS_LAME:
        return DOMAIN_SERVER_LAME;
    case DNS_SERVER_FAILED:
        return DOMAIN_SERVER_FAILED;
    case DNS_MALFORMED:
        return DOMAIN_ANSWER_MALFORMED;
    case DNS_MISMATCHED:
        return DOMAIN_ANSWER_MISMATCHED;
    default:
        return DOMAIN_SERVER_UNREACHABLE;
    }
}

struct record_case {
    struct arena *arena;
    const struct domain_expectation *expected;
    const struct domain_record *record;
    const struct dns_survey *survey;
    size_t count; /* servers looked at */
    struct judgement judgements[SERVERS_MAX];
    bool no_such_domain[SERVERS_MAX];
};

/* The servers of which the judgement is so, as a list in words. */
static const char *list_servers(const struct record_case *one, enum judged judged, enum dns_outcome outcome)
{
    struct buffer out = {.arena = one->arena};
    for (size_t i = 0; i < one->count; i++) {
        const struct judgement *judgement = &one->judgements[i];
        bool is_meant = judged == JUDGED_UNKNOWN
                            ? judgement->judged == JUDGED_UNKNOWN && judgement->seen->outcome == outcome
                            : judgement->judged != JUDGED_UNKNOWN && judgement->judged != judged;
        if (is_meant)
            buffer_printf(&out, "%s%s", out.length > 0 ? ", " : "",
                          server_name(one->arena, &one->survey->servers[i]));
    }
    return buffer_string(&out);
}

static enum domain_status status_of(const struct record_case *one, enum judged judged)
{
    bool is_ownership = one->record->purpose == DOMAIN_OWNERSHIP;
    bool is_unexpected = one->expected->is_interoperable &&
                         (one->record->purpose == DOMAIN_MX || one->record->purpose == DOMAIN_AUTODISCOVER);
    if (is_unexpected)
        return DOMAIN_NOT_EXPECTED;
    switch (judged) {
    case JUDGED_GOOD:
        return DOMAIN_VERIFIED;
    case JUDGED_ABSENT:
        return is_ownership ? DOMAIN_PENDING : DOMAIN_MISSING;
    case JUDGED_WRONG:
        return is_ownership ? DOMAIN_PENDING : DOMAIN_INCONSISTENT;
    case JUDGED_UNKNOWN:
        break;
    }
    return DOMAIN_PENDING;
}

/* Brings what the servers say to one finding. */
static void conclude(const struct record_case *one, struct domain_finding *finding)
{
    const struct judgement *of[JUDGED_GOOD + 1] = {0}; /* the first of each kind */
    const struct judgement *noted = NULL;              /* good, yet with something to say */
    bool no_such_domain = true;
    for (size_t i = 0; i < one->count; i++) {
        const struct judgement *judgement = &one->judgements[i];
        if (of[judgement->judged] == NULL)
            of[judgement->judged] = judgement;
        if (judgement->judged == JUDGED_GOOD && judgement->code != DOMAIN_FINE && noted == NULL)
            noted = judgement;
        if (judgement->judged == JUDGED_ABSENT)
            no_such_domain = no_such_domain && one->no_such_domain[i];
    }
    struct words words = {one->expected, one->record, one->survey, "", ""};
    const struct judgement *bad = of[JUDGED_WRONG] != NULL ? of[JUDGED_WRONG] : of[JUDGED_ABSENT];

    if (bad != NULL && of[JUDGED_GOOD] != NULL) {
        words.servers = list_servers(one, JUDGED_GOOD, DNS_NOT_ASKED);
        finding->status = status_of(one, JUDGED_WRONG);
        explain(one->arena, &words, DOMAIN_SERVERS_DIFFER, NULL, finding);
    } else if (bad != NULL) {
        finding->status = status_of(one, bad->judged);
        bool is_gone = bad->judged == JUDGED_ABSENT && no_such_domain;
        explain(one->arena, &words, is_gone ? DOMAIN_NOT_FOUND : bad->code, bad, finding);
    } else {
        finding->status = status_of(one, of[JUDGED_GOOD] != NULL ? JUDGED_GOOD : JUDGED_UNKNOWN);
        enum domain_code code = noted != NULL ? noted->code : DOMAIN_FINE;
        if (noted == NULL && of[JUDGED_UNKNOWN] != NULL) {
            enum dns_outcome outcome = of[JUDGED_UNKNOWN]->seen->outcome;
            words.servers = list_servers(one, JUDGED_UNKNOWN, outcome);
            code = trouble_code(outcome);
        }
        explain(one->arena, &words, code, noted, finding);
    }
}

static const struct dns_answer *answer_to(const struct dns_server *server,
                                          const struct dns_question *questions, size_t count,
                                          const char *name, enum dns_type type, bool is_doubled)
{
    static const struct dns_answer unasked;
    int found = find_question(questions, count, name, type, is_doubled);
    return found >= 0 ? &server->answers[found] : &unasked;
}

static void check_record(struct record_case *one, const struct dns_question *questions, size_t question_count,
                         struct domain_finding *finding)
{
    const struct domain_record *record = one->record;
    out_begin_array(&finding->observed);
    for (size_t i = 0; i < one->survey->server_count && i < SERVERS_MAX; i++) {
        const struct dns_server *server = &one->survey->servers[i];
        struct judge_input input = {
            .arena = one->arena,
            .expected = one->expected,
            .record = record,
            .zone = one->survey->zone,
            .at_name = answer_to(server, questions, question_count, record->name, asked_type(record), false),
            .at_domain = answer_to(server, questions, question_count, one->expected->domain, DNS_TXT, false),
            .at_doubled =
                answer_to(server, questions, question_count, record->name, asked_type(record), true),
        };
        domain_judge(&input, &one->judgements[i]);
        one->no_such_domain[i] =
            input.at_domain->outcome == DNS_NO_SUCH_NAME && input.at_domain->alias_count == 0;
        one->count = i + 1;
        put_observed(&finding->observed, record, server, one->judgements[i].seen);
    }
    out_end_array(&finding->observed);
    conclude(one, finding);
}

/* Nobody could be asked. */
static void explain_obstacle(struct record_case *one, struct domain_finding *finding)
{
    bool is_ours = one->survey->obstacle == DNS_RESOLVER_UNREACHABLE;
    const char *names = one->survey->name_servers;
    struct words words = {one->expected, one->record, one->survey, "", ""};
    if (names != NULL && names[0] != '\0')
        words.found = arena_printf(one->arena, ": its name servers (%s) have no address", names);
    out_begin_array(&finding->observed);
    out_end_array(&finding->observed);
    finding->status = status_of(one, JUDGED_UNKNOWN);
    explain(one->arena, &words, is_ours ? DOMAIN_RESOLVER_UNREACHABLE : DOMAIN_NO_DELEGATION, NULL, finding);
}

enum domain_proof domain_check(struct arena *arena, const struct domain_expectation *expected,
                               const struct dns_question *questions, size_t question_count,
                               const struct dns_survey *survey, struct domain_finding *ret_findings)
{
    enum domain_proof proof = DOMAIN_NOT_PROVEN;
    struct record_case *one = arena_alloc(arena, sizeof(*one));
    for (size_t i = 0; i < expected->count; i++) {
        struct domain_finding *finding = &ret_findings[i];
        *finding = (struct domain_finding){.observed = {.arena = arena}};
        *one = (struct record_case){
            .arena = arena, .expected = expected, .record = &expected->records[i], .survey = survey};
        if (survey->obstacle != DNS_NO_OBSTACLE)
            explain_obstacle(one, finding);
        else
            check_record(one, questions, question_count, finding);
        if (one->record->purpose == DOMAIN_OWNERSHIP && finding->status == DOMAIN_VERIFIED)
            proof = DOMAIN_PROVEN;
    }
    return survey->obstacle == DNS_RESOLVER_UNREACHABLE ? DOMAIN_PROOF_UNKNOWN : proof;
}

const char *domain_check_code(size_t index)
{
    return index + 1 < DOMAIN_CODES ? domain_codes[index + 1].name : NULL;
}
