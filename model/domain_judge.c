#include "model/domain_judge.h"

#include <string.h>
#include <strings.h>

#define CUT_MIN     6  /* a beginning as short as that is a beginning by chance */
#define SPF_LOOKUPS 10 /* RFC 7208, 4.6.4 */

bool domain_answer_is_known(const struct dns_answer *answer)
{
    return answer->outcome == DNS_ANSWERED || answer->outcome == DNS_NO_SUCH_NAME ||
           answer->outcome == DNS_CHAIN_TOO_LONG || answer->outcome == DNS_CHAIN_LOOPS;
}

static void add_found(struct judgement *judgement, const char *name, const char *type, const char *value)
{
    if (judgement->found_count < JUDGED_FOUND_MAX)
        judgement->found[judgement->found_count++] = (struct judged_record){name, type, value};
}

static void add_all_found(struct judgement *judgement, const char *name, const char *type,
                          const struct dns_answer *answer)
{
    for (size_t i = 0; i < answer->value_count; i++)
        add_found(judgement, name, type, answer->values[i]);
}

static void judge_as(struct judgement *judgement, enum judged judged, enum domain_code code)
{
    judgement->judged = judged;
    judgement->code = code;
}

static bool has_value(const struct dns_answer *answer, const char *value)
{
    for (size_t i = 0; i < answer->value_count; i++)
        if (strcmp(answer->values[i], value) == 0)
            return true;
    return false;
}

static bool has_alias(const struct dns_answer *answer, const char *target)
{
    for (size_t i = 0; i < answer->alias_count; i++)
        if (strcmp(answer->aliases[i], target) == 0)
            return true;
    return false;
}

/* Aliases where none should be. */
static bool judge_aliases(const struct judge_input *input, const struct dns_answer *answer,
                          struct judgement *ret)
{
    if (answer->alias_count == 0)
        return false;
    judge_as(ret, JUDGED_WRONG,
             answer->outcome == DNS_CHAIN_LOOPS      ? DOMAIN_ALIASES_LOOP
             : answer->outcome == DNS_CHAIN_TOO_LONG ? DOMAIN_ALIASES_TOO_LONG
                                                     : DOMAIN_ALIAS_IN_THE_WAY);
    add_found(ret, input->record->name, "CNAME", answer->aliases[0]);
    return true;
}

/* --- ownership --- */

/* Without the quotes, blanks and backslashes that do not belong to it. */
static const char *squeeze(struct arena *arena, const char *value)
{
    static const char *const drop[] = {"\"", " ", "'", "\\092", "\\009", "\\010", "\\013"};
    struct buffer out = {.arena = arena};
    while (*value != '\0') {
        size_t length = 0;
        for (size_t i = 0; i < sizeof(drop) / sizeof(drop[0]) && length == 0; i++)
            if (strncmp(value, drop[i], strlen(drop[i])) == 0)
                length = strlen(drop[i]);
        if (length == 0)
            buffer_byte(&out, *value++);
        value += length;
    }
    return buffer_string(&out);
}

/* Whether two of them make the value together. */
static bool is_split(const struct dns_answer *answer, const char *value)
{
    size_t whole = strlen(value);
    for (size_t i = 0; i < answer->value_count; i++) {
        size_t length = strlen(answer->values[i]);
        if (length == 0 || length >= whole || strncmp(answer->values[i], value, length) != 0)
            continue;
        if (has_value(answer, value + length))
            return true;
    }
    return false;
}

static enum domain_code token_code(const struct judge_input *input, const struct dns_answer *answer)
{
    const char *value = input->record->value;
    if (is_split(answer, value))
        return DOMAIN_TEXT_SPLIT;
    for (size_t i = 0; i < answer->value_count; i++) {
        const char *found = answer->values[i];
        if (strlen(found) > 4 * strlen(value)) /* squeezing could not make it the same */
            continue;
        const char *squeezed = squeeze(input->arena, found);
        if (strcmp(squeezed, value) == 0)
            return DOMAIN_TEXT_QUOTED;
        if (strlen(squeezed) >= CUT_MIN && strncmp(squeezed, value, strlen(squeezed)) == 0)
            return DOMAIN_TEXT_TRUNCATED;
    }
    return DOMAIN_WRONG_VALUE;
}

static bool judge_doubled(const struct judge_input *input, struct judgement *ret)
{
    const struct domain_record *record = input->record;
    const struct dns_answer *doubled = input->at_doubled;
    if (!has_value(doubled, record->value) && !has_alias(doubled, record->value))
        return false;
    judge_as(ret, JUDGED_WRONG, DOMAIN_NAME_DOUBLED);
    ret->seen = doubled;
    add_found(ret, arena_printf(input->arena, "%s.%s", record->name, input->zone), record->type,
              record->value);
    return true;
}

static void judge_ownership(const struct judge_input *input, struct judgement *ret)
{
    const struct domain_record *record = input->record;
    if (has_value(input->at_name, record->value)) {
        judge_as(ret, JUDGED_GOOD, DOMAIN_FINE);
    } else if (has_value(input->at_domain, record->value)) {
        judge_as(ret, JUDGED_GOOD, DOMAIN_BARE_NAME);
        ret->seen = input->at_domain;
    } else if (input->at_name->value_count > 0) {
        judge_as(ret, JUDGED_WRONG, token_code(input, input->at_name));
        if (input->at_name->alias_count == 0)
            add_all_found(ret, record->name, "TXT", input->at_name);
        else
            judge_aliases(input, input->at_name, ret);
    } else if (!judge_aliases(input, input->at_name, ret) && !judge_doubled(input, ret)) {
        judge_as(ret, JUDGED_ABSENT, DOMAIN_NOT_PUBLISHED);
    }
}

/* --- MX --- */

static const char *mx_host(const char *value)
{
    const char *blank = strchr(value, ' ');
    return blank != NULL ? blank + 1 : value;
}

static bool is_target_doubled(const struct judge_input *input, const char *found, const char *wanted)
{
    size_t length = strlen(wanted);
    return strncmp(found, wanted, length) == 0 && found[length] == '.' &&
           strcmp(found + length + 1, input->zone) == 0;
}

static void judge_mx(const struct judge_input *input, struct judgement *ret)
{
    const char *wanted = mx_host(input->record->value);
    const struct dns_answer *answer = input->at_name;
    bool is_exact = has_value(answer, input->record->value);
    bool is_doubled = false;
    size_t here = 0;
    if (judge_aliases(input, answer, ret))
        return;
    for (size_t i = 0; i < answer->value_count; i++) {
        const char *host = mx_host(answer->values[i]);
        bool is_here = strcmp(host, wanted) == 0;
        here += is_here;
        is_doubled = is_doubled || is_target_doubled(input, host, wanted);
        if (input->expected->is_interoperable ? is_here
                                              : strcmp(answer->values[i], input->record->value) != 0)
            add_found(ret, input->record->name, "MX", answer->values[i]);
    }
    if (input->expected->is_interoperable)
        judge_as(ret, JUDGED_GOOD, here > 0 ? DOMAIN_MX_POINTS_HERE : DOMAIN_FINE);
    else if (answer->value_count == 0)
        judge_as(ret, JUDGED_ABSENT, DOMAIN_MX_MISSING);
    else if (here == 0)
        judge_as(ret, JUDGED_WRONG, is_doubled ? DOMAIN_TARGET_DOUBLED : DOMAIN_MX_ELSEWHERE);
    else if (!is_exact && here == answer->value_count)
        judge_as(ret, JUDGED_GOOD, DOMAIN_MX_PREFERENCE);
    else if (here < answer->value_count)
        judge_as(ret, JUDGED_WRONG, is_exact ? DOMAIN_MX_ADDITIONAL : DOMAIN_MX_ELSEWHERE);
    else
        judge_as(ret, JUDGED_GOOD, DOMAIN_FINE);
}

/* --- CNAME --- */

static void judge_alias(const struct judge_input *input, struct judgement *ret)
{
    const struct domain_record *record = input->record;
    const struct dns_answer *answer = input->at_name;
    bool is_autodiscover = record->purpose == DOMAIN_AUTODISCOVER;
    bool is_unwanted = is_autodiscover && input->expected->is_interoperable;
    bool is_here = has_alias(answer, record->value);

    if (is_here || is_unwanted) {
        judge_as(ret, JUDGED_GOOD, is_here && is_unwanted ? DOMAIN_AUTODISCOVER_POINTS_HERE : DOMAIN_FINE);
        if (is_here && is_unwanted)
            add_found(ret, record->name, "CNAME", answer->aliases[0]);
    } else if (answer->alias_count > 0) {
        judge_as(ret, JUDGED_WRONG,
                 answer->outcome == DNS_CHAIN_LOOPS                            ? DOMAIN_ALIASES_LOOP
                 : answer->outcome == DNS_CHAIN_TOO_LONG                       ? DOMAIN_ALIASES_TOO_LONG
                 : is_target_doubled(input, answer->aliases[0], record->value) ? DOMAIN_TARGET_DOUBLED
                 : is_autodiscover                                             ? DOMAIN_AUTODISCOVER_ELSEWHERE
                                                                               : DOMAIN_DKIM_ELSEWHERE);
        add_found(ret, record->name, "CNAME", answer->aliases[0]);
    } else if (answer->value_count > 0) {
        judge_as(ret, JUDGED_WRONG, DOMAIN_NOT_AN_ALIAS);
        add_all_found(ret, record->name, is_autodiscover ? "A" : "TXT", answer);
    } else if (!judge_doubled(input, ret)) {
        judge_as(ret, JUDGED_ABSENT, is_autodiscover ? DOMAIN_AUTODISCOVER_MISSING : DOMAIN_DKIM_MISSING);
    }
}

/* --- SPF --- */

/* The next term of an SPF record, and moves behind it; its length is 0 at the end. */
static const char *next_term(const char **at, size_t *ret_length)
{
    const char *term = *at + strspn(*at, " ");
    *ret_length = strcspn(term, " ");
    *at = term + *ret_length;
    return term;
}

static bool begins(const char *text, size_t length, const char *with)
{
    return length >= strlen(with) && strncasecmp(text, with, strlen(with)) == 0;
}

static bool is_spf(const char *value)
{
    return strncasecmp(value, "v=spf1", 6) == 0 && (value[6] == ' ' || value[6] == '\0');
}

static bool needs_lookup(const char *term, size_t length)
{
    static const char *const prefixes[] = {
        "include:", "redirect=", "exists:", "a:", "a/", "mx:", "mx/", "ptr:"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (begins(term, length, prefixes[i]))
            return true;
    return (length == 1 && begins(term, length, "a")) || (length == 2 && begins(term, length, "mx")) ||
           (length == 3 && begins(term, length, "ptr"));
}

/* Our term of the expected record: "include:…". */
static const char *own_include(const struct judge_input *input, size_t *ret_length)
{
    const char *at = input->record->value;
    for (;;) {
        const char *term = next_term(&at, ret_length);
        if (*ret_length == 0 || begins(term, *ret_length, "include:"))
            return term;
    }
}

struct spf_terms {
    unsigned lookups;
    bool has_own;
};

static struct spf_terms read_spf(const struct judge_input *input, const char *value)
{
    struct spf_terms terms = {0};
    size_t own_length;
    const char *own = own_include(input, &own_length);
    const char *at = value;
    for (;;) {
        size_t length;
        const char *term = next_term(&at, &length);
        if (length == 0)
            return terms;
        size_t sign = strchr("+-~?", *term) != NULL;
        terms.lookups += needs_lookup(term + sign, length - sign);
        terms.has_own |= (sign == 0 || *term == '+') && length - sign == own_length &&
                         strncasecmp(term + sign, own, own_length) == 0;
    }
}

static bool same_term(const char *a, size_t a_length, const char *b, size_t b_length)
{
    return a_length == b_length && strncasecmp(a, b, a_length) == 0;
}

static bool has_term(const struct buffer *terms, const char *term, size_t length)
{
    size_t at = 0;
    while (at < terms->length) {
        size_t size = 0;
        while (at + size < terms->length && terms->data[at + size] != ' ')
            size++;
        if (same_term(terms->data + at, size, term, length))
            return true;
        at += size + 1;
    }
    return false;
}

/* One SPF record with our include and the terms that these have (of those that need a lookup none, where that is too much).
 * The first term that ends one ("~all") stays at its end; a record that leads to another one (RFC 7208, 6.1) has none. */
static const char *merged_spf(const struct judge_input *input, const struct dns_answer *answer,
                              bool with_lookups)
{
    struct buffer out = {.arena = input->arena};
    const char *all = "~all";
    size_t all_length = strlen(all);
    bool has_all = false;
    bool is_redirected = false;
    size_t own_length;
    const char *own = own_include(input, &own_length);
    buffer_printf(&out, "v=spf1 %.*s", (int)own_length, own);
    for (size_t i = 0; i < answer->value_count; i++) {
        if (!is_spf(answer->values[i]))
            continue;
        const char *at = answer->values[i] + 6;
        for (;;) {
            size_t length;
            const char *term = next_term(&at, &length);
            if (length == 0)
                break;
            size_t sign = strchr("+-~?", *term) != NULL;
            if (length - sign == 3 && begins(term + sign, length - sign, "all")) {
                all_length = has_all ? all_length : length;
                all = has_all ? all : term;
                has_all = true;
            } else if ((with_lookups || !needs_lookup(term + sign, length - sign)) &&
                       !has_term(&out, term, length)) {
                buffer_printf(&out, " %.*s", (int)length, term);
                is_redirected = is_redirected || begins(term, length, "redirect=");
            }
        }
    }
    if (has_all || !is_redirected)
        buffer_printf(&out, " %.*s", (int)all_length, all);
    return buffer_string(&out);
}

static void judge_spf(const struct judge_input *input, struct judgement *ret)
{
    const struct dns_answer *answer = input->at_name;
    struct spf_terms terms = {0};
    size_t count = 0;
    if (judge_aliases(input, answer, ret))
        return;
    for (size_t i = 0; i < answer->value_count; i++) {
        if (!is_spf(answer->values[i]))
            continue;
        count++;
        terms = read_spf(input, answer->values[i]);
        add_found(ret, input->record->name, "TXT", answer->values[i]);
    }
    if (count == 0) {
        judge_as(ret, JUDGED_ABSENT, DOMAIN_SPF_MISSING);
    } else if (count > 1) {
        judge_as(ret, JUDGED_WRONG, DOMAIN_SPF_SEVERAL);
        ret->publish = merged_spf(input, answer, true);
    } else if (terms.lookups > SPF_LOOKUPS || (!terms.has_own && terms.lookups == SPF_LOOKUPS)) {
        judge_as(ret, JUDGED_WRONG, DOMAIN_SPF_TOO_MANY_LOOKUPS);
        ret->publish = merged_spf(input, answer, false);
    } else if (!terms.has_own) {
        judge_as(ret, JUDGED_WRONG, DOMAIN_SPF_WITHOUT_INCLUDE);
        ret->publish = merged_spf(input, answer, true);
    } else {
        judge_as(ret, JUDGED_GOOD, DOMAIN_FINE);
    }
}

/* --- DMARC --- */

static bool has_policy(const char *value)
{
    for (const char *at = strchr(value, ';'); at != NULL; at = strchr(at, ';')) {
        at += 1 + strspn(at + 1, " ");
        if (strncasecmp(at, "p", 1) != 0)
            continue;
        const char *equals = at + 1 + strspn(at + 1, " ");
        if (*equals != '=')
            continue;
        const char *policy = equals + 1 + strspn(equals + 1, " ");
        size_t length = strcspn(policy, "; ");
        return same_term(policy, length, "none", 4) || same_term(policy, length, "quarantine", 10) ||
               same_term(policy, length, "reject", 6);
    }
    return false;
}

/* Only what begins with it is a policy (RFC 7489, 6.6.3). */
static bool is_dmarc(const char *value)
{
    return strncmp(value, "v=DMARC1", 8) == 0 && strchr("; ", value[8]) != NULL;
}

static void judge_dmarc(const struct judge_input *input, struct judgement *ret)
{
    const struct dns_answer *answer = input->at_name;
    size_t count = 0;
    bool is_valid = false;
    for (size_t i = 0; i < answer->value_count; i++)
        if (is_dmarc(answer->values[i])) {
            count++;
            is_valid = has_policy(answer->values[i]);
        }
    if (count == 1 && is_valid) {
        judge_as(ret, JUDGED_GOOD, DOMAIN_FINE);
    } else if (answer->value_count > 0 && answer->alias_count == 0) {
        judge_as(ret, JUDGED_WRONG, count > 1 ? DOMAIN_DMARC_SEVERAL : DOMAIN_DMARC_INVALID);
        add_all_found(ret, input->record->name, "TXT", answer);
    } else if (!judge_aliases(input, answer, ret) && !judge_doubled(input, ret)) {
        judge_as(ret, JUDGED_ABSENT, DOMAIN_DMARC_MISSING);
    }
}

void domain_judge(const struct judge_input *input, struct judgement *ret)
{
    *ret = (struct judgement){.seen = input->at_name};
    /* The proof at the domain itself counts whatever is with the name below it. */
    bool is_bare =
        input->record->purpose == DOMAIN_OWNERSHIP && has_value(input->at_domain, input->record->value);
    if (!is_bare && !domain_answer_is_known(input->at_name))
        return;
    switch (input->record->purpose) {
    case DOMAIN_OWNERSHIP:
        judge_ownership(input, ret);
        break;
    case DOMAIN_MX:
        judge_mx(input, ret);
        break;
    case DOMAIN_AUTODISCOVER:
    case DOMAIN_DKIM:
        judge_alias(input, ret);
        break;
    case DOMAIN_SPF:
        judge_spf(input, ret);
        break;
    case DOMAIN_DMARC:
        judge_dmarc(input, ret);
        break;
    case DOMAIN_PURPOSES:
        break;
    }
}
