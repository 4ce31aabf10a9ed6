/* What it costs to find the email flow rule of a sender, by the number of patterns: prints a line of JSON for each. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/flow_match.h"

#define SENDERS 4096
#define REPEATS 10
#define ROUNDS  25

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A third of each kind, in the organization's usual shape: addresses, domains, wildcards. */
static const char *pattern_of(struct arena *arena, size_t i)
{
    switch (i % 3) {
    case 0:
        return arena_printf(arena, "user%05zu@company%05zu.example.com", i, i);
    case 1:
        return arena_printf(arena, "company%05zu.example.com", i);
    default:
        return arena_printf(arena, "*.company%05zu.example.org", i);
    }
}

static struct flow_matcher *make(struct arena *arena, size_t count)
{
    struct flow_source *rules = arena_alloc(arena, count * sizeof(*rules));
    for (size_t i = 0; i < count; i++) {
        const char **patterns = arena_alloc(arena, 2 * sizeof(*patterns));
        patterns[0] = pattern_of(arena, i);
        rules[i] = (struct flow_source){"3c1b2a90-7f6e-4d5c-8b4a-1e2f3a4b5c6d", "rule",
                                        (enum flow_action)(i % FLOW_ACTION_COUNT), patterns};
    }
    return flow_matcher_new(rules, count);
}

/* Half of the mail is of senders that no rule names; the others are spread over `patterns`. */
static const char **make_senders(struct arena *arena, size_t patterns)
{
    const char **senders = arena_alloc(arena, SENDERS * sizeof(*senders));
    for (size_t i = 0; i < SENDERS; i++) {
        size_t n = (i * 7919) % patterns;
        senders[i] = i % 2 == 0   ? arena_printf(arena, "user%05zu@mail.company%05zu.example.net", i, i)
                     : n % 3 == 2 ? arena_printf(arena, "user%05zu@mail.company%05zu.example.org", i, n)
                                  : arena_printf(arena, "user%05zu@company%05zu.example.com", n, n);
    }
    return senders;
}

struct sample {
    size_t patterns;
    struct flow_matcher *matcher;
    const char **senders;
    size_t matched;
    double seconds; /* for one sender, as text, in the best round */
};

static void measure(struct arena *arena, struct sample *sample)
{
    size_t matched = 0;
    double begun = now();
    for (size_t i = 0; i < (size_t)REPEATS * SENDERS; i++) {
        struct flow_sender sender;
        struct flow_match match;
        const char *detail;
        if (!flow_sender_parse(arena, sample->senders[i % SENDERS], &sender, &detail))
            abort();
        matched += flow_match(sample->matcher, &sender, &match);
    }
    double seconds = (now() - begun) / (REPEATS * SENDERS);
    sample->seconds = sample->seconds == 0 || seconds < sample->seconds ? seconds : sample->seconds;
    sample->matched = matched / REPEATS;
}

int main(void)
{
    struct sample samples[] = {{.patterns = 10}, {.patterns = 1000}, {.patterns = 10000}};
    enum { COUNT = sizeof(samples) / sizeof(samples[0]) };
    struct arena *arena = arena_new();
    for (int i = 0; i < COUNT; i++) {
        samples[i].matcher = make(arena, samples[i].patterns);
        samples[i].senders = make_senders(arena, samples[i].patterns);
    }
    for (int round = 0; round < ROUNDS;
         round++) /* in turn: what others do on the machine meets all of them */
        for (int i = 0; i < COUNT; i++)
            measure(arena, &samples[i]);
    for (int i = 0; i < COUNT; i++) {
        const struct sample *sample = &samples[i];
        printf("{\"patterns\": %zu, \"ns\": %.1f, \"per_second\": %.0f, \"matched\": %zu, \"bytes\": %zu}\n",
               sample->patterns, sample->seconds * 1e9, 1 / sample->seconds, sample->matched,
               flow_matcher_size(sample->matcher));
        flow_matcher_free(sample->matcher);
    }
    arena_free(arena);
    return 0;
}
