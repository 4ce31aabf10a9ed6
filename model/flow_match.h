/* Which email flow rule applies to a sender: the rules of an organization, built once into a hash of their patterns by labels
 * from the right, and then only read, by any number of threads. A look-up costs as much as the sender's domain has labels,
 * however many rules there are. */
#pragma once

#include "model/email.h"
#include "model/flow_rule.h"

/* A rule as it is kept. */
struct flow_source {
    const char *flow_rule_id;
    const char *name;
    enum flow_action action;
    const char *const *patterns; /* as flow_pattern_parse makes them; NULL after the last */
};

struct flow_matcher;

/* The rules come in the order of their names, which decides between rules that are alike otherwise. All is copied. */
struct flow_matcher *flow_matcher_new(const struct flow_source *rules, size_t count);
void flow_matcher_free(struct flow_matcher *matcher); /* accepts NULL */

/* Its patterns, each once, by number from 0; NULL after the last. */
const char *flow_matcher_pattern(const struct flow_matcher *matcher, size_t number);

/* Bytes that it takes. */
size_t flow_matcher_size(const struct flow_matcher *matcher);

/* More than RFC 5321 allows, as servers take it: a rule for a domain is not escaped by a long local part. */
#define FLOW_LOCAL_MAX  256
#define FLOW_DOMAIN_MAX 253

/* An address of a Sender or From header, ready to be matched. */
struct flow_sender {
    char
        text[FLOW_LOCAL_MAX + 1 + FLOW_DOMAIN_MAX]; /* in lower case, the domain as A-label; not terminated */
    size_t length;
    size_t domain; /* where it begins */
};

/* A quoted local part is the same without its quotes. A domain that is no domain name stays as it is: a wildcard may match it. On failure ret_detail says what is wrong; the arena is for that, and
 * for domains that are not plain ASCII. */
bool flow_sender_parse(struct arena *arena, const char *text, struct flow_sender *ret_sender,
                       const char **ret_detail);

/* A rule and which pattern of it matches. */
struct flow_match {
    size_t rule; /* the index among those that the matcher was made of */
    const struct flow_source *source;
    const char *pattern;
    enum flow_pattern_kind kind;
};

/* The one that applies; false when none does. */
bool flow_match(const struct flow_matcher *matcher, const struct flow_sender *sender,
                struct flow_match *ret_match);

/* All that match, the one that applies first, each one before those that it wins over. Returns how many. */
size_t flow_match_all(const struct flow_matcher *matcher, const struct flow_sender *sender,
                      struct arena *arena, const struct flow_match **ret_matches);

/* All patterns that match everything that this pattern matches: the same order; those with this very pattern come first. */
size_t flow_match_pattern(const struct flow_matcher *matcher, const char *pattern, struct arena *arena,
                          const struct flow_match **ret_matches);
