/* What one decision costs, which each request makes: prints a line of JSON for each set of policies. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/authority.h"

#define POLICIES     20
#define DECISIONS    20000
#define ROUNDS       15
#define ORGANIZATION "arn:aws:workmail:us-east-1:123456789012:organization/m-1"

/* 20 policies of so many statements each, of which only the last one speaks of the organization. */
struct sample {
    const char *what;
    unsigned statements;
    const char *condition;
    const char *last; /* Effect; NULL: none speaks of it */
    enum policy_effect effect;
};

static const struct sample samples[] = {
    {"of 1 statement each, the last allows", 1, "", "Allow", POLICY_ALLOWED},
    {"of 3 each with a condition, the last allows", 3,
     ",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}", "Allow", POLICY_ALLOWED},
    {"of 3 each, the last denies", 3, "", "Deny", POLICY_DENIED},
    {"of 10 each, none allows", 10, "", NULL, POLICY_NOT_ALLOWED},
};

static const char *make_document(struct arena *arena, const struct sample *sample, unsigned policy)
{
    struct buffer out = {.arena = arena};
    buffer_text(&out, "{\"Statement\":[");
    for (unsigned i = 0; i < sample->statements; i++) {
        unsigned number = policy * sample->statements + i;
        bool speaks = sample->last != NULL && number == POLICIES * sample->statements - 1;
        buffer_printf(&out,
                      "%s{\"Effect\":\"%s\",\"Action\":[\"ses:*\",\"workmail:Get*\",\"workmail:List*\"],"
                      "\"Resource\":\"arn:aws:workmail:*:123456789012:organization/m-%u\"%s}",
                      i > 0 ? "," : "", speaks ? sample->last : "Allow", speaks ? 1 : number + 2,
                      sample->condition);
    }
    buffer_text(&out, "]}");
    return buffer_string(&out);
}

static struct authority *make_authority(struct arena *arena, const struct sample *sample)
{
    struct authority *authority = authority_new("ann", POLICIES);
    for (unsigned i = 0; i < POLICIES; i++) {
        const struct authority_policy source = {arena_printf(arena, "%td-%u", sample - samples, i), "policy",
                                                "1"};
        if (!authority_add(authority, &source, make_document(arena, sample, i)))
            exit(1);
    }
    return authority;
}

/* The best of some rounds: others use the machine too. */
static double measure(struct arena *arena, const struct sample *sample)
{
    struct principal principal = {.kind = PRINCIPAL_IAM_USER, .authority = make_authority(arena, sample)};
    const struct policy_question question = {
        "workmail:ListUsers",
        ORGANIZATION,
        {.source_address = "10.1.2.3", .user_name = "ann", .user_id = "1", .account_id = "123456789012"}};
    struct timespec begun, ended;
    double best = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        clock_gettime(CLOCK_MONOTONIC, &begun);
        for (unsigned i = 0; i < DECISIONS; i++)
            if (principal_decide(&principal, &question).effect != sample->effect)
                exit(1);
        clock_gettime(CLOCK_MONOTONIC, &ended);
        double ns = (double)(ended.tv_sec - begun.tv_sec) * 1e9 + (double)(ended.tv_nsec - begun.tv_nsec);
        if (round == 0 || ns < best)
            best = ns;
    }
    authority_release(principal.authority);
    return best / 1e3 / DECISIONS;
}

int main(void)
{
    struct arena *arena = arena_new();
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        printf("{\"what\": \"%s\", \"us\": %.3f}\n", samples[i].what, measure(arena, &samples[i]));
    arena_free(arena);
    return 0;
}
