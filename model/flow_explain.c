#include "model/flow_explain.h"

#include <stdlib.h>
#include <string.h>

#include "model/json_out.h"

static const char *const kind_names[] = {
    [FLOW_ADDRESS] = "an address",
    [FLOW_DOMAIN] = "a domain",
    [FLOW_WILDCARD] = "a wildcard",
};

/* --- decisions --- */

static const char *const header_names[] = {"SENDER", "FROM"};

static void write_match(const struct flow_match *match, unsigned header, struct buffer *out)
{
    out_member(out, "flow_rule_id", match->source->flow_rule_id);
    out_member(out, "name", match->source->name);
    out_member(out, "pattern", match->pattern);
    out_member(out, "header", header_names[header]);
}

/* Both match the same header, and the winner comes first there. */
static const char *reason_of(struct arena *arena, const struct flow_match *winner,
                             const struct flow_match *loser)
{
    if (winner->rule == loser->rule)
        return arena_printf(arena, "It is the same rule, which matches by its more specific pattern %s.",
                            winner->pattern);
    if (winner->kind != loser->kind)
        return arena_printf(arena, "%s is %s, which is more specific than %s.", winner->pattern,
                            kind_names[winner->kind], kind_names[loser->kind]);
    if (strcmp(winner->pattern, loser->pattern) != 0)
        return arena_printf(arena, "%s is a wildcard for a longer domain, which is more specific.",
                            winner->pattern);
    if (winner->source->action != loser->source->action)
        return arena_printf(arena, "The patterns are the same, and %s is more restrictive than %s.",
                            flow_actions[winner->source->action], flow_actions[loser->source->action]);
    return arena_printf(arena, "Patterns and actions are the same, and the name \"%s\" comes first.",
                        winner->source->name);
}

static void write_loser(const struct flow_match *loser, unsigned header, const char *reason,
                        struct buffer *out)
{
    out_begin_object(out);
    write_match(loser, header, out);
    out_member(out, "action", flow_actions[loser->source->action]);
    out_member(out, "reason", reason);
    out_end_object(out);
}

/* What matches an address of each header: the best first. */
struct matches {
    const struct flow_match *list;
    size_t count;
};

static size_t write_losers(const struct matches *matches, unsigned header, const struct flow_match *winner,
                           size_t limit, struct buffer *out)
{
    size_t losing = 0;
    for (size_t i = 0; i < matches->count; i++) {
        const struct flow_match *match = &matches->list[i];
        if (match == winner || losing++ >= limit)
            continue;
        write_loser(match, header,
                    winner != NULL ? reason_of(out->arena, winner, match)
                                   : "A rule matches the Sender header: the From header is not looked at.",
                    out);
    }
    return losing;
}

void flow_write_decision(const struct flow_matcher *matcher, const struct flow_sender *sender,
                         const struct flow_sender *from, size_t limit, struct buffer *out)
{
    struct matches by_sender = {0}, by_from = {0};
    if (sender != NULL)
        by_sender.count = flow_match_all(matcher, sender, out->arena, &by_sender.list);
    if (from != NULL)
        by_from.count = flow_match_all(matcher, from, out->arena, &by_from.list);
    bool is_by_sender = by_sender.count > 0;
    const struct flow_match *winner = is_by_sender        ? &by_sender.list[0]
                                      : by_from.count > 0 ? &by_from.list[0]
                                                          : NULL;
    out_member(out, "action", flow_actions[winner != NULL ? winner->source->action : FLOW_NORMAL_DELIVERY]);
    if (winner != NULL) {
        out_name(out, "matched");
        out_begin_object(out);
        write_match(winner, is_by_sender ? 0 : 1, out);
        out_end_object(out);
    }
    out_name(out, "losing");
    out_begin_array(out);
    size_t losing = write_losers(&by_sender, 0, winner, limit, out);
    losing +=
        write_losers(&by_from, 1, is_by_sender ? NULL : winner, limit > losing ? limit - losing : 0, out);
    out_end_array(out);
    out_member_integer(out, "losing_count", (int64_t)losing);
}

/* --- warnings --- */

struct warner {
    struct arena *arena;
    struct arena *scratch; /* of one pattern: overlaps are more than what is said of them */
    const struct flow_matcher *matcher;
    const struct flow_source *rules;
    struct buffer *texts; /* of each rule */
    size_t *counts;
    size_t *seen; /* by rule: the last pattern that it was warned of, by its number */
};

__attribute__((format(printf, 3, 4))) static void warn(struct warner *warner, size_t rule, const char *format,
                                                       ...)
{
    va_list args;
    if (warner->counts[rule]++ >= FLOW_WARNINGS_MAX)
        return;
    va_start(args, format);
    const char *text = arena_vprintf(warner->arena, format, args);
    va_end(args);
    if (warner->counts[rule] > 1)
        buffer_byte(&warner->texts[rule], '\n');
    buffer_text(&warner->texts[rule], text);
}

static int compare_patterns(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void warn_of_rule_itself(struct warner *warner, size_t rule)
{
    const struct flow_source *source = &warner->rules[rule];
    size_t count = 0;
    if (source->action == FLOW_BYPASS_SPAM_CHECK)
        warn(
            warner, rule,
            "Mail of these senders reaches mailboxes even when it is spam: this could expose users to high-risk"
            " content.");
    while (source->patterns[count] != NULL)
        count++;
    const char **sorted = arena_alloc(warner->arena, (count + 1) * sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = source->patterns[i];
    qsort(sorted, count, sizeof(*sorted), compare_patterns);
    for (size_t i = 1; i < count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0 && (i == 1 || strcmp(sorted[i - 2], sorted[i]) != 0))
            warn(warner, rule, "The pattern %s is in this rule more than once.", sorted[i]);
}

static void warn_of_same_pattern(struct warner *warner, const struct flow_match *winner,
                                 const struct flow_match *loser)
{
    enum flow_action action = winner->source->action;
    const char *why =
        action == loser->source->action
            ? "the same action, and a name that comes first"
            : arena_printf(warner->scratch, "the more restrictive action %s", flow_actions[action]);
    warn(warner, loser->rule,
         "This rule never applies to %s, because the rule \"%s\" has the same pattern with %s.",
         loser->pattern, winner->source->name, why);
    warn(warner, winner->rule, "The rule \"%s\" has the pattern %s, too, and never applies to it.",
         loser->source->name, winner->pattern);
}

static bool loses_mail(const struct flow_match *match)
{
    return match->source->action == FLOW_DROP || match->source->action == FLOW_BOUNCE;
}

static void warn_of_overlap(struct warner *warner, const struct flow_match *winner,
                            const struct flow_match *loser)
{
    if (winner->source->action == loser->source->action || (!loses_mail(winner) && !loses_mail(loser)))
        return;
    warn(
        warner, loser->rule,
        "This rule never applies to %s, because the rule \"%s\" (%s) has this pattern, which is more specific"
        " than %s.",
        winner->pattern, winner->source->name, flow_actions[winner->source->action], loser->pattern);
    warn(warner, winner->rule,
         "This rule applies to %s in place of the rule \"%s\" (%s), whose pattern %s is less specific.",
         winner->pattern, loser->source->name, flow_actions[loser->source->action], loser->pattern);
}

/* Who wins a pattern beside all others that match all of it. `number` tells patterns apart. */
static void warn_of_pattern(struct warner *warner, const char *pattern, size_t number)
{
    const struct flow_match *matches;
    warner->scratch = arena_new();
    size_t count = flow_match_pattern(warner->matcher, pattern, warner->scratch, &matches);
    const struct flow_match *winner = &matches[0];
    warner->seen[winner->rule] = number;
    for (size_t i = 1; i < count; i++) {
        const struct flow_match *loser = &matches[i];
        if (warner->seen[loser->rule] == number)
            continue; /* of a pattern of it that is more specific */
        warner->seen[loser->rule] = number;
        if (strcmp(loser->pattern, winner->pattern) == 0)
            warn_of_same_pattern(warner, winner, loser);
        else
            warn_of_overlap(warner, winner, loser);
    }
    arena_free(warner->scratch);
}

const char *const *flow_warnings(struct arena *arena, const struct flow_matcher *matcher,
                                 const struct flow_source *rules, size_t count)
{
    struct warner warner = {.arena = arena, .matcher = matcher, .rules = rules};
    const char **texts = arena_alloc(arena, (count + 1) * sizeof(*texts));
    size_t number = 0;
    warner.texts = arena_alloc(arena, (count + 1) * sizeof(*warner.texts));
    warner.counts = arena_alloc(arena, (count + 1) * sizeof(*warner.counts));
    warner.seen = arena_alloc(arena, (count + 1) * sizeof(*warner.seen));
    for (size_t i = 0; i < count; i++) {
        warner.texts[i].arena = arena;
        warn_of_rule_itself(&warner, i);
    }
    const char *pattern;
    while ((pattern = flow_matcher_pattern(matcher, number)) != NULL)
        warn_of_pattern(&warner, pattern, ++number);
    for (size_t i = 0; i < count; i++) {
        if (warner.counts[i] > FLOW_WARNINGS_MAX)
            buffer_printf(&warner.texts[i], "\nThere are %zu more warnings like these.",
                          warner.counts[i] - FLOW_WARNINGS_MAX);
        texts[i] = buffer_string(&warner.texts[i]);
    }
    return texts;
}
