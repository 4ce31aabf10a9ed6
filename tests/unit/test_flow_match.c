#include <stdlib.h>

#include "model/flow_match.h"
#include "tests/unit/unit.h"

/* --- rules as text: "name A pattern …; name A pattern …", in order of their names --- */

#define RULES_MAX 64
/* Variable return paths are longer than the 64 bytes of RFC 5321. */
#define LONG_LOCAL                                      \
    "bounces+1234567-0123456789abcdef0123456789abcdef-" \
    "0123456789abcdef0123456789abcdef-ann=example.com"

static enum flow_action action_of(char letter)
{
    static const char letters[] = "DBJNS";
    const char *at = strchr(letters, letter);
    assert_non_null(at);
    return (enum flow_action)(at - letters);
}

static size_t read_rules(struct arena *arena, const char *text, struct flow_source *rules)
{
    size_t count = 0;
    char *rest = arena_string(arena, text), *rule_rest = NULL;
    for (char *rule = strtok_r(rest, ";", &rule_rest); rule != NULL; rule = strtok_r(NULL, ";", &rule_rest)) {
        char *word_rest = NULL;
        const char **patterns = arena_alloc(arena, 64 * sizeof(*patterns));
        size_t pattern_count = 0;
        const char *name = strtok_r(rule, " ", &word_rest);
        const char *action = strtok_r(NULL, " ", &word_rest);
        for (char *word; (word = strtok_r(NULL, " ", &word_rest)) != NULL;) {
            const char *detail;
            assert_row(flow_pattern_parse(arena, word, &patterns[pattern_count++], &detail), "%s", word);
        }
        rules[count++] = (struct flow_source){name, name, action_of(*action), patterns};
    }
    return count;
}

static bool match_header(struct arena *arena, const struct flow_matcher *matcher, const char *address,
                         struct flow_match *ret_match)
{
    struct flow_sender sender;
    const char *detail;
    if (address == NULL)
        return false;
    assert_row(flow_sender_parse(arena, address, &sender, &detail), "%s", address);
    const struct flow_match *all;
    bool found = flow_match(matcher, &sender, ret_match);
    size_t count = flow_match_all(matcher, &sender, arena, &all);
    assert_int_equal(found, count > 0);
    if (found) {
        assert_int_equal(ret_match->rule, all[0].rule);
        assert_string_equal(ret_match->pattern, all[0].pattern);
    }
    return found;
}

static void test_cases(void **state)
{
    static const struct {
        const char *rules;
        const char *sender;
        const char *from;
        const char *expected; /* rule and pattern; NULL: none */
    } rows[] = {
        /* specificity before action: each pair of patterns with each pair of actions, the more specific one wins */
        {"p D ann@a.b.test; q D a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q B a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q J a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q N a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q S a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q D a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q B a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q J a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q N a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q S a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q D a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q B a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q J a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q N a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q S a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q D a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q B a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q J a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q N a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q S a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q D a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q B a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q J a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q N a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q S a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D ann@a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p B ann@a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p J ann@a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p N ann@a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p S ann@a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p ann@a.b.test"},
        {"p D a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q D *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q B *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q J *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q N *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q S *.a.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p B a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p J a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p N a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p S a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p a.b.test"},
        {"p D *.a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p D *.a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p D *.a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p D *.a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p D *.a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p B *.a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p B *.a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p B *.a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p B *.a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p B *.a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p J *.a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p J *.a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p J *.a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p J *.a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p J *.a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p N *.a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p N *.a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p N *.a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p N *.a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p N *.a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p S *.a.b.test; q D *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p S *.a.b.test; q B *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p S *.a.b.test; q J *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p S *.a.b.test; q N *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        {"p S *.a.b.test; q S *.b.test", "ann@a.b.test", NULL, "p *.a.b.test"},
        /* the same pattern: the more restrictive action wins, whatever the names */
        {"a B ann@a.b.test; z D ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a J ann@a.b.test; z D ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a N ann@a.b.test; z D ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a S ann@a.b.test; z D ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a J ann@a.b.test; z B ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a N ann@a.b.test; z B ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a S ann@a.b.test; z B ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a N ann@a.b.test; z J ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a S ann@a.b.test; z J ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a S ann@a.b.test; z N ann@a.b.test", "ann@a.b.test", NULL, "z ann@a.b.test"},
        {"a B a.b.test; z D a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a J a.b.test; z D a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a N a.b.test; z D a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a S a.b.test; z D a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a J a.b.test; z B a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a N a.b.test; z B a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a S a.b.test; z B a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a N a.b.test; z J a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a S a.b.test; z J a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a S a.b.test; z N a.b.test", "ann@a.b.test", NULL, "z a.b.test"},
        {"a B *.a.b.test; z D *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a J *.a.b.test; z D *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a N *.a.b.test; z D *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a S *.a.b.test; z D *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a J *.a.b.test; z B *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a N *.a.b.test; z B *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a S *.a.b.test; z B *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a N *.a.b.test; z J *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a S *.a.b.test; z J *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a S *.a.b.test; z N *.a.b.test", "ann@a.b.test", NULL, "z *.a.b.test"},
        {"a B *.b.test; z D *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        {"a J *.b.test; z D *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        {"a N *.b.test; z D *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        {"a S *.b.test; z D *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        {"a J *.b.test; z B *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        {"a N *.b.test; z B *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        {"a S *.b.test; z B *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        {"a N *.b.test; z J *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        {"a S *.b.test; z J *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        {"a S *.b.test; z N *.b.test", "ann@a.b.test", NULL, "z *.b.test"},
        /* the same pattern and action: the first name wins */
        {"a D ann@a.b.test; b D ann@a.b.test; c D ann@a.b.test", "ann@a.b.test", NULL, "a ann@a.b.test"},
        {"a B ann@a.b.test; b B ann@a.b.test; c B ann@a.b.test", "ann@a.b.test", NULL, "a ann@a.b.test"},
        {"a J ann@a.b.test; b J ann@a.b.test; c J ann@a.b.test", "ann@a.b.test", NULL, "a ann@a.b.test"},
        {"a N ann@a.b.test; b N ann@a.b.test; c N ann@a.b.test", "ann@a.b.test", NULL, "a ann@a.b.test"},
        {"a S ann@a.b.test; b S ann@a.b.test; c S ann@a.b.test", "ann@a.b.test", NULL, "a ann@a.b.test"},
        {"a D a.b.test; b D a.b.test; c D a.b.test", "ann@a.b.test", NULL, "a a.b.test"},
        {"a B a.b.test; b B a.b.test; c B a.b.test", "ann@a.b.test", NULL, "a a.b.test"},
        {"a J a.b.test; b J a.b.test; c J a.b.test", "ann@a.b.test", NULL, "a a.b.test"},
        {"a N a.b.test; b N a.b.test; c N a.b.test", "ann@a.b.test", NULL, "a a.b.test"},
        {"a S a.b.test; b S a.b.test; c S a.b.test", "ann@a.b.test", NULL, "a a.b.test"},
        {"a D *.a.b.test; b D *.a.b.test; c D *.a.b.test", "ann@a.b.test", NULL, "a *.a.b.test"},
        {"a B *.a.b.test; b B *.a.b.test; c B *.a.b.test", "ann@a.b.test", NULL, "a *.a.b.test"},
        {"a J *.a.b.test; b J *.a.b.test; c J *.a.b.test", "ann@a.b.test", NULL, "a *.a.b.test"},
        {"a N *.a.b.test; b N *.a.b.test; c N *.a.b.test", "ann@a.b.test", NULL, "a *.a.b.test"},
        {"a S *.a.b.test; b S *.a.b.test; c S *.a.b.test", "ann@a.b.test", NULL, "a *.a.b.test"},
        {"a D *.b.test; b D *.b.test; c D *.b.test", "ann@a.b.test", NULL, "a *.b.test"},
        {"a B *.b.test; b B *.b.test; c B *.b.test", "ann@a.b.test", NULL, "a *.b.test"},
        {"a J *.b.test; b J *.b.test; c J *.b.test", "ann@a.b.test", NULL, "a *.b.test"},
        {"a N *.b.test; b N *.b.test; c N *.b.test", "ann@a.b.test", NULL, "a *.b.test"},
        {"a S *.b.test; b S *.b.test; c S *.b.test", "ann@a.b.test", NULL, "a *.b.test"},
        /* Sender before From: a weak match on Sender beats an exact one on From */
        {"p D ann@a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p ann@a.b.test"},
        {"p B ann@a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p ann@a.b.test"},
        {"p J ann@a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p ann@a.b.test"},
        {"p N ann@a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p ann@a.b.test"},
        {"p S ann@a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p ann@a.b.test"},
        {"p D a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p a.b.test"},
        {"p B a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p a.b.test"},
        {"p J a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p a.b.test"},
        {"p N a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p a.b.test"},
        {"p S a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p a.b.test"},
        {"p D *.a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.a.b.test"},
        {"p B *.a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.a.b.test"},
        {"p J *.a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.a.b.test"},
        {"p N *.a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.a.b.test"},
        {"p S *.a.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.a.b.test"},
        {"p D *.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.b.test"},
        {"p B *.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.b.test"},
        {"p J *.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.b.test"},
        {"p N *.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.b.test"},
        {"p S *.b.test; q D boss@c.test", "ann@a.b.test", "boss@c.test", "p *.b.test"},
        /* From when Sender matches nothing, or there is none */
        {"p D ann@a.b.test", NULL, "ann@a.b.test", "p ann@a.b.test FROM"},
        {"p D ann@a.b.test", "other@nowhere.test", "ann@a.b.test", "p ann@a.b.test FROM"},
        {"p D a.b.test", NULL, "ann@a.b.test", "p a.b.test FROM"},
        {"p D a.b.test", "other@nowhere.test", "ann@a.b.test", "p a.b.test FROM"},
        {"p D *.a.b.test", NULL, "ann@a.b.test", "p *.a.b.test FROM"},
        {"p D *.a.b.test", "other@nowhere.test", "ann@a.b.test", "p *.a.b.test FROM"},
        {"p D *.b.test", NULL, "ann@a.b.test", "p *.b.test FROM"},
        {"p D *.b.test", "other@nowhere.test", "ann@a.b.test", "p *.b.test FROM"},
        /* what matches what */
        {"p D ann@b.test", "ann@b.test", NULL, "p ann@b.test"},
        {"p D ann@b.test", "Ann@b.test", NULL, "p ann@b.test"},
        {"p D ann@b.test", "ANN@B.TEST", NULL, "p ann@b.test"},
        {"p D ann@b.test", "bob@b.test", NULL, NULL},
        {"p D ann@b.test", "ann@a.b.test", NULL, NULL},
        {"p D ann@b.test", "ann@test.b", NULL, NULL},
        {"p D ann@b.test", "joann@b.test", NULL, NULL},
        {"p D ann@b.test", "ann+x@b.test", NULL, NULL},
        {"p D ann+x@b.test", "ann@b.test", NULL, NULL},
        {"p D a.nn@b.test", "ann@b.test", NULL, NULL},
        {"p D b.test", "x@b.test", NULL, "p b.test"},
        {"p D b.test", "x@B.Test", NULL, "p b.test"},
        {"p D b.test", "x@a.b.test", NULL, NULL},
        {"p D b.test", "x@ab.test", NULL, NULL},
        {"p D b.test", "x@test.test", NULL, NULL},
        {"p D a.b.test", "x@b.test", NULL, NULL},
        {"p D b.test", "b.test@c.test", NULL, NULL},
        {"p D *.b.test", "x@b.test", NULL, "p *.b.test"},
        {"p D *.b.test", "x@a.b.test", NULL, "p *.b.test"},
        {"p D *.b.test", "x@z.y.a.b.test", NULL, "p *.b.test"},
        {"p D *.b.test", "x@ab.test", NULL, NULL},
        {"p D *.b.test", "x@b.test.a", NULL, NULL},
        {"p D *.b.test", "x@b.tests", NULL, NULL},
        {"p D *.b.test", "x@a.B.TEST", NULL, "p *.b.test"},
        {"p D *.a.b.test", "x@b.test", NULL, NULL},
        {"p D *.a.b.test", "x@c.a.b.test", NULL, "p *.a.b.test"},
        {"p D *.a.b.test", "x@aa.b.test", NULL, NULL},
        {"p D *.b.test; q D *.a.b.test; r D *.z.a.b.test", "x@z.a.b.test", NULL, "r *.z.a.b.test"},
        {"p D *.b.test; q D *.a.b.test; r D *.z.a.b.test", "x@y.z.a.b.test", NULL, "r *.z.a.b.test"},
        {"p D *.b.test; q D *.a.b.test; r D *.z.a.b.test", "x@y.a.b.test", NULL, "q *.a.b.test"},
        {"p D *.b.test; q D *.a.b.test; r D *.z.a.b.test", "x@c.b.test", NULL, "p *.b.test"},
        {"p D *.b.test; q N b.test", "x@b.test", NULL, "q b.test"},
        {"p D *.b.test; q N b.test", "x@a.b.test", NULL, "p *.b.test"},
        {"p D b.test *.b.test ann@b.test", "ann@b.test", NULL, "p ann@b.test"},
        {"p D b.test *.b.test ann@b.test", "bob@b.test", NULL, "p b.test"},
        {"p D b.test *.b.test ann@b.test", "ann@a.b.test", NULL, "p *.b.test"},
        {"p D b.test b.test", "x@b.test", NULL, "p b.test"},
        {"p D b.test; q N b.test ann@b.test", "ann@b.test", NULL, "q ann@b.test"},
        {"p D b.test; q N b.test ann@b.test", "bob@b.test", NULL, "p b.test"},
        {"", "x@b.test", NULL, NULL},
        {"p D c.test", "x@b.test", NULL, NULL},
        /* internationalized domains: both spellings are the same */
        {"p D bücher.example", "x@bücher.example", NULL, "p xn--bcher-kva.example"},
        {"p D bücher.example", "x@xn--bcher-kva.example", NULL, "p xn--bcher-kva.example"},
        {"p D xn--bcher-kva.example", "x@BÜCHER.example", NULL, "p xn--bcher-kva.example"},
        {"p D XN--BCHER-KVA.EXAMPLE", "x@bücher.example", NULL, "p xn--bcher-kva.example"},
        {"p D *.bücher.example", "x@laden.bücher.example", NULL, "p *.xn--bcher-kva.example"},
        {"p D *.bücher.example", "x@bücher.example", NULL, "p *.xn--bcher-kva.example"},
        {"p D *.bücher.example", "x@bucher.example", NULL, NULL},
        {"p D ann@bücher.example", "ann@xn--bcher-kva.example", NULL, "p ann@xn--bcher-kva.example"},
        {"p D bucher.example", "x@bücher.example", NULL, NULL},
        {"p D straße.example", "x@strasse.example", NULL, NULL},
        {"p D straße.example", "x@straße.example", NULL, "p xn--strae-oqa.example"},
        {"p D 例え.テスト", "x@例え.テスト", NULL, "p xn--r8jz45g.xn--zckzah"},
        {"p D *.例え.テスト", "x@a.xn--r8jz45g.xn--zckzah", NULL, "p *.xn--r8jz45g.xn--zckzah"},
        {"p D a.test", "x@а.test", NULL, NULL},
        {"p D example.com", "x@ｅｘａｍｐｌｅ.com", NULL, "p example.com"},
        /* local parts: quotes are no part of them, and escape no rule */
        {"p D ann@b.test", "\"ann\"@b.test", NULL, "p ann@b.test"},
        {"p D ann@b.test", "\"a\\nn\"@b.test", NULL, "p ann@b.test"},
        {"p D ann@b.test", "\"Ann\"@b.test", NULL, "p ann@b.test"},
        {"p D ann@b.test", "\"ann \"@b.test", NULL, NULL},
        {"p D b.test", "\"a b\"@b.test", NULL, "p b.test"},
        {"p D b.test", "\"a@c.test\"@b.test", NULL, "p b.test"},
        {"p D c.test", "\"a@c.test\"@b.test", NULL, NULL},
        {"p D b.test", "zoë@b.test", NULL, "p b.test"},
        {"p D ann@c.test", "\"ann@c.test\"@b.test", NULL, NULL},
        {"p D b.test", "a..b@b.test", NULL, "p b.test"},
        {"p D b.test", "\"@b.test", NULL, "p b.test"},
        /* a name that no pattern could have, below a wildcard: whoever the domain belongs to chooses such names freely */
        {"p D *.b.test", "x@my_host.b.test", NULL, "p *.b.test"},
        {"p D *.b.test", "x@-a-.b.test", NULL, "p *.b.test"},
        {"p D *.b.test", "x@r3---sn-a.b.test", NULL, "p *.b.test"},
        {"p D *.b.test", "x@xn--.b.test", NULL, "p *.b.test"},
        {"p D *.b.test", "x@XN--A_.B.Test", NULL, "p *.b.test"},
        {"p D *.b.test", "x@\xE2\x98\x83.b.test", NULL, "p *.b.test"},
        {"p D *.b.test", "x@[a].b.test", NULL, "p *.b.test"},
        {"p D *.b.test; q N b.test", "x@a_.b.test.", NULL, "p *.b.test"},
        {"p D b.test", "x@b.test.", NULL, "p b.test"},
        {"p D bücher.example", "x@bücher.example.", NULL, "p xn--bcher-kva.example"},
        {"p D b.test", "x@_.b.test", NULL, NULL},
        {"p D b.test", "\"\"@b.test", NULL, "p b.test"},
        {"p D b.test; q D a@b.test", LONG_LOCAL "@b.test", NULL, "p b.test"},
        /* one that no pattern matches at all does not keep From from being looked at */
        {"p D b.test", "root@localhost", "x@b.test", "p b.test FROM"},
        {"p D b.test", "x@[192.0.2.1]", "x@b.test", "p b.test FROM"},
        {"p D b.test", "x@[IPv6:2001:db8::1]", "x@b.test", "p b.test FROM"},
        /* ties between several rules */
        {"b B b.test; c D b.test; d D b.test; e N b.test", "x@b.test", NULL, "c b.test"},
        {"a S *.b.test; b N *.b.test; c J *.b.test", "x@q.b.test", NULL, "c *.b.test"},
        {"a D *.b.test; z S x@b.test", "x@b.test", NULL, "z x@b.test"},
        {"a D *.b.test; b D b.test; c D x@b.test", "x@b.test", NULL, "c x@b.test"},
        {"a N b.test; b D b.test", "x@c.test", "y@b.test", "b b.test FROM"},
        {"a N c.test; b D b.test", "x@c.test", "y@b.test", "a c.test"},
        {"a S *.c.test; b D y@b.test", "x@q.c.test", "y@b.test", "a *.c.test"},
        {"a S *.c.test; b D y@b.test", "x@d.test", "y@b.test", "b y@b.test FROM"},
        {"a D b.test", "x@c.test", "y@d.test", NULL},
        {"a D b.test", NULL, "y@d.test", NULL},
        {"a D b.test", "x@b.test", "x@b.test", "a b.test"},
        {"a N x@b.test; b D x@b.test", "x@b.test", "x@b.test", "b x@b.test"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct flow_source rules[RULES_MAX];
        size_t count = read_rules(*state, rows[i].rules, rules);
        struct flow_matcher *matcher = flow_matcher_new(rules, count);
        struct flow_match match;
        const char *seen = NULL;
        if (match_header(*state, matcher, rows[i].sender, &match))
            seen = arena_printf(*state, "%s %s", match.source->name, match.pattern);
        else if (match_header(*state, matcher, rows[i].from, &match))
            seen = arena_printf(*state, "%s %s FROM", match.source->name, match.pattern);
        assert_row((seen == NULL) == (rows[i].expected == NULL) &&
                       (seen == NULL || strcmp(seen, rows[i].expected) == 0),
                   "%s, Sender %s, From %s: %s", rows[i].rules, rows[i].sender != NULL ? rows[i].sender : "-",
                   rows[i].from != NULL ? rows[i].from : "-", seen != NULL ? seen : "none");
        flow_matcher_free(matcher);
    }
    assert_true(COUNT(rows) >= 200);
}

static void test_senders_that_are_none(void **state)
{
    const char *const texts[] = {"",
                                 "ann",
                                 "@b.test",
                                 "ann@",
                                 "ann@.",
                                 "ann@.b.test",
                                 "ann@b..test",
                                 "ann@b.test..",
                                 "ann@b test",
                                 "ann@b\ttest",
                                 "ann@b.test\x7f",
                                 "<ann@b.test>",
                                 "ann@b.test>",
                                 arena_printf(*state, "%s@b.test", unit_repeat(*state, "l", 257)),
                                 arena_printf(*state, "a@%s.test", unit_repeat(*state, "d", 249)),
                                 arena_printf(*state, "a@%s_", unit_repeat(*state, ".", 200)),
                                 arena_printf(*state, "a@%s_", unit_repeat(*state, "d.", 127)),
                                 arena_printf(*state, "a@%stest", unit_repeat(*state, "d.", 125))};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct flow_sender sender;
        const char *detail = NULL;
        assert_row(!flow_sender_parse(*state, texts[i], &sender, &detail), "%s", texts[i]);
        assert_non_null(detail);
    }
}

static void test_longest_sender(void **state)
{
    struct flow_sender sender;
    struct flow_match match;
    struct flow_source rule;
    const char *detail;
    const char *domain = arena_printf(*state, "%sd", unit_repeat(*state, "d.", 126)); /* 127 labels */
    const char *text = arena_printf(*state, "%s@%s", unit_repeat(*state, "l", 256), domain);
    assert_true(flow_sender_parse(*state, text, &sender, &detail));
    assert_int_equal(sender.length, 510);
    assert_int_equal(read_rules(*state, "p D *.d.d", &rule), 1);
    struct flow_matcher *matcher = flow_matcher_new(&rule, 1);
    assert_true(flow_match(matcher, &sender, &match));
    assert_string_equal(match.pattern, "*.d.d");
    flow_matcher_free(matcher);
}

/* --- the same, slow and obviously right --- */

/* The sender's domain is that domain or below it. */
static bool is_below(const char *domain, const char *above)
{
    size_t length = strlen(domain), end = strlen(above);
    if (length < end || strcmp(domain + length - end, above) != 0)
        return false;
    return length == end || domain[length - end - 1] == '.';
}

/* The higher the more specific; -1: it does not match. */
static int specificity(const char *pattern, const char *sender)
{
    const char *domain = strchr(sender, '@') + 1;
    if (strchr(pattern, '@') != NULL)
        return strcmp(pattern, sender) == 0 ? 100000 : -1;
    if (strncmp(pattern, "*.", 2) != 0)
        return strcmp(pattern, domain) == 0 ? 10000 : -1;
    return is_below(domain, pattern + 2) ? (int)strlen(pattern) : -1;
}

/* Rules are in the order of their names: of those that are alike the first stays. */
static const struct flow_source *slow_match(const struct flow_source *rules, size_t count, const char *sender,
                                            const char **ret_pattern)
{
    const struct flow_source *best = NULL;
    int best_specificity = -1;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; rules[i].patterns[j] != NULL; j++) {
            int this = specificity(rules[i].patterns[j], sender);
            if (this < 0 || this < best_specificity)
                continue;
            if (this > best_specificity || rules[i].action < best->action) {
                best = &rules[i];
                best_specificity = this;
                *ret_pattern = rules[i].patterns[j];
            }
        }
    return best;
}

static uint64_t seed;

static size_t any(size_t count)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(seed >> 33) % count;
}

/* Few labels, so that much matches: the length of a domain's text tells how many it has. */
static const char *any_domain(struct arena *arena)
{
    static const char *const labels[] = {"a", "b", "xn"};
    struct buffer out = {.arena = arena};
    for (size_t i = 1 + any(4); i > 0; i--)
        buffer_printf(&out, "%s.", labels[any(COUNT(labels))]);
    buffer_text(&out, any(4) == 0 ? "org" : "test");
    return buffer_string(&out);
}

static const char *any_address(struct arena *arena)
{
    static const char *const locals[] = {"a", "b", "ann"};
    return arena_printf(arena, "%s@%s", locals[any(COUNT(locals))], any_domain(arena));
}

static const char *any_pattern(struct arena *arena)
{
    switch (any(3)) {
    case 0:
        return any_address(arena);
    case 1:
        return any_domain(arena);
    default:
        return arena_printf(arena, "*.%s", any_domain(arena));
    }
}

static void check_some(size_t *matched)
{
    enum { SENDERS = 20 };
    struct arena *arena = arena_new();
    struct flow_source rules[12];
    size_t count = any(COUNT(rules) + 1);
    for (size_t i = 0; i < count; i++) {
        const char **patterns = arena_alloc(arena, 8 * sizeof(*patterns));
        for (size_t j = 1 + any(6); j > 0; j--)
            patterns[j - 1] = any_pattern(arena);
        rules[i] = (struct flow_source){"", arena_printf(arena, "%02zu", i),
                                        (enum flow_action)any(FLOW_ACTION_COUNT), patterns};
    }
    struct flow_matcher *matcher = flow_matcher_new(rules, count);
    for (size_t i = 0; i < SENDERS; i++) {
        const char *text = any_address(arena), *pattern = NULL, *detail;
        struct flow_sender sender;
        struct flow_match match;
        assert_true(flow_sender_parse(arena, text, &sender, &detail));
        const struct flow_source *expected = slow_match(rules, count, text, &pattern);
        bool found = flow_match(matcher, &sender, &match);
        assert_row(found == (expected != NULL), "%s", text);
        if (found && expected != NULL)
            assert_row(strcmp(match.source->name, expected->name) == 0 && strcmp(match.pattern, pattern) == 0,
                       "%s: %s by %s, not %s by %s", text, match.source->name, match.pattern, expected->name,
                       pattern);
        *matched += found;
    }
    flow_matcher_free(matcher);
    arena_free(arena);
}

/* A million pairs of rules and sender. FLOW_SEED: others. */
static void test_agrees_with_the_reference_at_random(void **state)
{
    (void)state;
    size_t matched = 0;
    const char *wanted = getenv("FLOW_SEED");
    seed = wanted != NULL ? strtoull(wanted, NULL, 10) : 20170705;
    for (int i = 0; i < 50000; i++)
        check_some(&matched);
    assert_row(matched > 300000 && matched < 990000, "%zu matched: that tries too little", matched);
}

/* --- all that match --- */

static void test_all_matches_in_order(void **state)
{
    struct flow_source rules[RULES_MAX];
    size_t count = read_rules(
        *state, "a S *.b.test x@a.b.test; b D *.b.test *.a.b.test; c N a.b.test a.b.test; d D c.test", rules);
    struct flow_matcher *matcher = flow_matcher_new(rules, count);
    struct flow_sender sender;
    const char *detail;
    const struct flow_match *all;
    struct buffer seen = {.arena = *state};
    assert_true(flow_sender_parse(*state, "x@a.b.test", &sender, &detail));
    size_t matches = flow_match_all(matcher, &sender, *state, &all);
    for (size_t i = 0; i < matches; i++)
        buffer_printf(&seen, "%s %s; ", all[i].source->name, all[i].pattern);
    assert_string_equal(buffer_string(&seen),
                        "a x@a.b.test; c a.b.test; b *.a.b.test; b *.b.test; a *.b.test; ");
    flow_matcher_free(matcher);
}

static void test_memory_is_counted(void **state)
{
    struct flow_source rules[1000];
    for (size_t i = 0; i < COUNT(rules); i++) {
        const char **patterns = arena_alloc(*state, 2 * sizeof(*patterns));
        patterns[0] = arena_printf(*state, "user%zu@some.domain.test", i);
        rules[i] =
            (struct flow_source){"3c1b2a90-7f6e-4d5c-8b4a-1e2f3a4b5c6d", "A name", FLOW_DROP, patterns};
    }
    struct flow_matcher *few = flow_matcher_new(rules, 1), *many = flow_matcher_new(rules, COUNT(rules));
    assert_in_range(flow_matcher_size(few), 4000, 5000);
    assert_in_range(flow_matcher_size(many), 150 * COUNT(rules), 300 * COUNT(rules));
    flow_matcher_free(few);
    flow_matcher_free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_cases),
        UNIT_TEST(test_senders_that_are_none),
        UNIT_TEST(test_longest_sender),
        UNIT_TEST(test_agrees_with_the_reference_at_random),
        UNIT_TEST(test_all_matches_in_order),
        UNIT_TEST(test_memory_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
