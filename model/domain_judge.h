/* What one name server says of one expected record, for model/domain_check.c. */
#pragma once

#include "model/domain_check.h"
#include "model/domain_codes.h"

enum judged {
    JUDGED_UNKNOWN, /* it did not say */
    JUDGED_ABSENT,
    JUDGED_WRONG,
    JUDGED_GOOD,
};

#define JUDGED_FOUND_MAX 16

struct judged_record {
    const char *name;
    const char *type;
    const char *value;
};

struct judgement {
    enum judged judged;
    enum domain_code code;
    const char *publish;                          /* the value to publish, where it is not the expected one */
    const struct dns_answer *seen;                /* what is to be shown; NULL: nothing */
    struct judged_record found[JUDGED_FOUND_MAX]; /* what should not be there */
    size_t found_count;
};

/* The answers that matter, of one server. */
struct judge_input {
    struct arena *arena;
    const struct domain_expectation *expected;
    const struct domain_record *record;
    const char *zone;
    const struct dns_answer *at_name;
    const struct dns_answer *at_domain; /* TXT records of the domain */
    const struct dns_answer *at_doubled;
};

void domain_judge(const struct judge_input *input, struct judgement *ret);

/* Whether the answer says something of the name. */
bool domain_answer_is_known(const struct dns_answer *answer);
