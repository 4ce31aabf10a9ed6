/* What is said about email flow rules: why one applies to a sender and the others do not, and where rules overlap. */
#pragma once

#include "model/flow_match.h"

/* Members of an object: action, matched, losing (the first `limit`) and losing_count. Sender or from may be NULL. */
void flow_write_decision(const struct flow_matcher *matcher, const struct flow_sender *sender,
                         const struct flow_sender *from, size_t limit, struct buffer *out);

#define FLOW_WARNINGS_MAX 20

/* The warnings of each rule, in the order of the rules; one text each, or more joined by newlines. Of more than
 * FLOW_WARNINGS_MAX the last says how many there are. The matcher is made of the rules. */
const char *const *flow_warnings(struct arena *arena, const struct flow_matcher *matcher,
                                 const struct flow_source *rules, size_t count);
