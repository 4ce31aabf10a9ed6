/* What flow_pattern_parse and flow_sender_parse make of any text holds to their headers; and a pattern matches the senders
 * that it names. */
#include <stdlib.h>
#include <string.h>

#include "model/flow_match.h"
#include "model/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

static void check_match(struct arena *arena, const struct flow_matcher *matcher, const char *text,
                        const char *pattern)
{
    struct flow_sender sender;
    struct flow_match match;
    const char *detail;
    must(flow_sender_parse(arena, text, &sender, &detail));
    must(flow_match(matcher, &sender, &match) && strcmp(match.pattern, pattern) == 0);
}

static void check_pattern(struct arena *arena, const char *text)
{
    const char *pattern, *again, *detail = NULL;
    if (!flow_pattern_parse(arena, text, &pattern, &detail)) {
        must(detail != NULL);
        return;
    }
    must(strlen(pattern) <= EMAIL_MAX + 2 && flow_pattern_parse(arena, pattern, &again, &detail) &&
         strcmp(pattern, again) == 0);
    for (const char *at = pattern; *at != '\0'; at++)
        must(*at > ' ' && *at < 0x7f && (*at < 'A' || *at > 'Z'));
    const char *patterns[] = {pattern, NULL};
    const struct flow_source rule = {"id", "name", FLOW_DROP, patterns};
    struct flow_matcher *matcher = flow_matcher_new(&rule, 1);
    const struct flow_match *all;
    must(flow_match_pattern(matcher, pattern, arena, &all) == 1);
    if (flow_pattern_kind(pattern) == FLOW_ADDRESS)
        check_match(arena, matcher, pattern, pattern);
    else
        check_match(arena, matcher, arena_printf(arena, "x@%s", pattern + (pattern[0] == '*' ? 2 : 0)),
                    pattern);
    flow_matcher_free(matcher);
}

static void check_sender(struct arena *arena, const char *text)
{
    struct flow_sender sender;
    const struct flow_match *all;
    const char *detail = NULL, *domain;
    if (!flow_sender_parse(arena, text, &sender, &detail)) {
        must(detail != NULL);
        return;
    }
    must(sender.domain >= 1 && sender.domain <= FLOW_LOCAL_MAX + 1 && sender.text[sender.domain - 1] == '@');
    must(sender.length > sender.domain && sender.length - sender.domain <= FLOW_DOMAIN_MAX);
    struct flow_matcher *empty = flow_matcher_new(NULL, 0);
    must(flow_match_all(empty, &sender, arena, &all) == 0);
    flow_matcher_free(empty);
    /* The quick way for plain domains says what the whole one says. */
    if (email_domain_parse(arena, strrchr(text, '@') + 1, &domain, &detail))
        must(strlen(domain) == sender.length - sender.domain &&
             memcmp(domain, sender.text + sender.domain, strlen(domain)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!text_is_utf8((const char *)data, size)) /* bodies are checked before */
        return -1;
    struct arena *arena = arena_new();
    const char *text = arena_copy(arena, (const char *)data, size);
    check_pattern(arena, text);
    check_sender(arena, text);
    arena_free(arena);
    return 0;
}
