/* For tests/api/test_dns.py: checks the domains that stdin names, as the worker does.
 *
 * dns_check RESOLVERS PORT IN-FLIGHT, where the resolvers may be the path of a resolv.conf: each line of stdin is {"domain", "interoperable"?, "urgent"?, "records": [{"purpose", "type", "name",
 * "value"}]}; each line of stdout {"domain", "proof", "ms", "records": [{"purpose", "name", "status", "code", "help", "observed"}]},
 * in the order in which they were done. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/text.h"
#include "workers/dns.h"

#define RECORDS_MAX 16

struct check {
    struct arena *arena;
    json_t *input;
    struct domain_expectation expected;
    struct domain_record records[RECORDS_MAX];
    struct dns_question questions[DOMAIN_QUESTIONS_MAX];
    size_t question_count;
    struct timespec begun;
};

static const char *const proofs[] = {
    [DOMAIN_PROVEN] = "PROVEN", [DOMAIN_NOT_PROVEN] = "NOT_PROVEN", [DOMAIN_PROOF_UNKNOWN] = "UNKNOWN"};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL) {
        fprintf(stderr, "%s is missing\n", name);
        exit(2);
    }
    return text;
}

static void tell(void *argument, const struct dns_survey *survey)
{
    struct check *check = argument;
    struct domain_finding findings[RECORDS_MAX];
    struct buffer out = {.arena = check->arena};
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    enum domain_proof proof = domain_check(check->arena, &check->expected, check->questions,
                                           check->question_count, survey, findings);
    out_begin_object(&out);
    out_member(&out, "domain", check->expected.domain);
    out_member(&out, "proof", proofs[proof]);
    out_member_integer(&out, "ms",
                       (now.tv_sec - check->begun.tv_sec) * 1000 +
                           (now.tv_nsec - check->begun.tv_nsec) / 1000000);
    out_name(&out, "records");
    out_begin_array(&out);
    for (size_t i = 0; i < check->expected.count; i++) {
        out_begin_object(&out);
        out_member(&out, "purpose", domain_purposes[check->records[i].purpose]);
        out_member(&out, "name", check->records[i].name);
        out_member(&out, "status", domain_statuses[findings[i].status]);
        out_member(&out, "code", findings[i].code);
        out_member(&out, "help", findings[i].help);
        out_name(&out, "observed");
        out_raw(&out, findings[i].observed.data, findings[i].observed.length);
        out_end_object(&out);
    }
    out_end_array(&out);
    out_end_object(&out);
    puts(buffer_string(&out));
    fflush(stdout);
    arena_free(check->arena);
    json_decref(check->input);
    free(check);
}

static enum domain_purpose purpose_of(const char *name)
{
    for (size_t i = 0; i < DOMAIN_PURPOSES; i++)
        if (strcmp(domain_purposes[i], name) == 0)
            return (enum domain_purpose)i;
    fprintf(stderr, "no purpose: %s\n", name);
    exit(2);
}

static void begin(struct dns *dns, json_t *input)
{
    struct check *check = calloc(1, sizeof(*check));
    const json_t *records = json_object_get(input, "records");
    const json_t *record;
    size_t i;
    if (check == NULL)
        abort();
    check->arena = arena_new();
    check->input = input;
    json_array_foreach ((json_t *)records, i, record) {
        if (i == RECORDS_MAX)
            exit(2);
        check->records[i] =
            (struct domain_record){purpose_of(text_of(record, "purpose")), text_of(record, "type"),
                                   text_of(record, "name"), text_of(record, "value"), 3600};
    }
    check->expected = (struct domain_expectation){
        .domain = text_of(input, "domain"),
        .records = check->records,
        .count = json_array_size(records),
        .is_interoperable = json_is_true(json_object_get(input, "interoperable")),
    };
    clock_gettime(CLOCK_MONOTONIC, &check->begun);
    check->question_count = domain_check_questions(&check->expected, check->questions);
    dns_survey(dns, check->expected.domain, check->questions, check->question_count,
               json_is_true(json_object_get(input, "urgent")), tell, check);
}

static json_t *next_input(FILE *file)
{
    char *line = NULL;
    size_t size = 0;
    json_error_t error;
    if (getline(&line, &size, file) <= 0) {
        free(line);
        return NULL;
    }
    json_t *input = json_loads(line, 0, &error);
    free(line);
    if (input == NULL) {
        fprintf(stderr, "%s\n", error.text);
        exit(2);
    }
    return input;
}

int main(int argc, char **argv)
{
    long long port;
    long long most;
    if (argc != 4 || !text_to_integer(argv[2], &port) || !text_to_integer(argv[3], &most) || most < 1) {
        fprintf(stderr, "dns_check RESOLVERS PORT IN-FLIGHT\n");
        return 2;
    }
    struct dns_net_options options = {.port = (int)port, .resolver_port = (int)port};
    *(argv[1][0] == '/' ? &options.resolv_conf : &options.resolvers) = argv[1];
    struct dns *dns = dns_new(&options);
    if (dns == NULL) {
        fprintf(stderr, "no DNS\n");
        return 1;
    }
    bool has_more = true;
    while (has_more || dns_in_progress(dns) > 0) {
        while (has_more && dns_in_progress(dns) < (size_t)most) {
            json_t *input = next_input(stdin);
            has_more = input != NULL;
            if (has_more)
                begin(dns, input);
        }
        dns_run(dns, 100);
    }
    dns_free(dns);
    return 0;
}
