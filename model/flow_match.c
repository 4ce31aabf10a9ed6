#include "model/flow_match.h"

#include <stdlib.h>
#include <string.h>

#include "model/text.h"

#define LABELS_MAX 127
#define SLOT_MIN   8

/* A pattern, and the rules that have it, of which the first one applies. Pattern and numbers lie together, so that a look-up
 * that finds something touches little memory. */
struct key {
    uint32_t first, count; /* in `owners` */
    uint32_t winner;       /* the first of them */
    uint16_t length;
    uint8_t kind;
    char pattern[];
};

/* A rule that has a pattern. */
struct owner {
    uint32_t key; /* its number */
    uint32_t rule;
    enum flow_action action;
};

struct slot {
    uint32_t tag;    /* of the hash */
    uint32_t offset; /* of the key; 0: empty */
};

struct flow_matcher {
    struct arena *arena;
    struct flow_source *rules;
    struct owner *owners;
    char *keys;            /* one after the other; none at 0 */
    uint32_t *key_offsets; /* by their number */
    uint32_t key_count;
    uint32_t keys_end;
    struct slot *slots;
    uint64_t mask;
};

/* --- hashing --- */

/* From the right, so that one pass over a domain gives the hashes of all domains above it. */
static uint64_t step(uint64_t hash, char byte)
{
    return (hash ^ (unsigned char)byte) * UINT64_C(0x100000001b3);
}

#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_on(uint64_t hash, const char *text, size_t length)
{
    while (length > 0)
        hash = step(hash, text[--length]);
    return hash;
}

/* The same domain as a pattern of another kind is another key. */
static uint64_t finish(uint64_t hash, enum flow_pattern_kind kind)
{
    hash += (uint64_t)kind * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

static uint64_t hash_pattern(const char *pattern, size_t length, enum flow_pattern_kind kind)
{
    size_t skip = kind == FLOW_WILDCARD ? 2 : 0;
    return finish(hash_on(HASH_START, pattern + skip, length - skip), kind);
}

static struct key *key_at(const struct flow_matcher *matcher, uint32_t number)
{
    return (struct key *)(void *)(matcher->keys + matcher->key_offsets[number]);
}

static bool is_key(const struct key *key, enum flow_pattern_kind kind, const char *text, size_t length)
{
    size_t skip = kind == FLOW_WILDCARD ? 2 : 0;
    return key->kind == kind && key->length == length + skip &&
           memcmp(key->pattern + skip, text, length) == 0;
}

/* `text` is the pattern without the `*.` of a wildcard. */
static const struct key *find(const struct flow_matcher *matcher, uint64_t hash, enum flow_pattern_kind kind,
                              const char *text, size_t length)
{
    for (uint64_t at = hash & matcher->mask;; at = (at + 1) & matcher->mask) {
        const struct slot *slot = &matcher->slots[at];
        if (slot->offset == 0)
            return NULL;
        const struct key *key = (const struct key *)(const void *)(matcher->keys + slot->offset);
        if (slot->tag == (uint32_t)(hash >> 32) && is_key(key, kind, text, length))
            return key;
    }
}

/* --- making --- */

#define KEY_ALIGNMENT _Alignof(struct key)

static size_t size_of_key(size_t length)
{
    return (sizeof(struct key) + length + 1 + KEY_ALIGNMENT - 1) / KEY_ALIGNMENT * KEY_ALIGNMENT;
}

/* How many patterns there are, and the room that their keys need at most. */
static size_t count_patterns(const struct flow_source *rules, size_t count, size_t *ret_size)
{
    size_t patterns = 0;
    *ret_size = KEY_ALIGNMENT;
    for (size_t i = 0; i < count; i++)
        for (const char *const *pattern = rules[i].patterns; *pattern != NULL; pattern++) {
            *ret_size += size_of_key(strlen(*pattern));
            patterns++;
        }
    return patterns;
}

/* The number of the pattern's key, which is made when it is the first. */
static uint32_t need_key(struct flow_matcher *matcher, const char *pattern)
{
    size_t length = strlen(pattern);
    enum flow_pattern_kind kind = flow_pattern_kind(pattern);
    size_t skip = kind == FLOW_WILDCARD ? 2 : 0;
    uint64_t hash = hash_pattern(pattern, length, kind);
    const struct key *known = find(matcher, hash, kind, pattern + skip, length - skip);
    if (known != NULL)
        return known->first;
    uint32_t number = matcher->key_count++, offset = matcher->keys_end;
    matcher->key_offsets[number] = offset;
    matcher->keys_end += (uint32_t)size_of_key(length);
    struct key *key = key_at(matcher, number);
    key->first = number; /* until all are known */
    key->length = (uint16_t)length;
    key->kind = (uint8_t)kind;
    memcpy(key->pattern, pattern, length + 1);
    uint64_t at = hash & matcher->mask;
    while (matcher->slots[at].offset != 0)
        at = (at + 1) & matcher->mask;
    matcher->slots[at] = (struct slot){(uint32_t)(hash >> 32), offset};
    return number;
}

/* By key; within it the most restrictive action first, then by name. */
static int compare_owners(const void *left, const void *right)
{
    const struct owner *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->action != b->action)
        return a->action < b->action ? -1 : 1;
    return a->rule < b->rule ? -1 : a->rule > b->rule;
}

static void add_rules(struct flow_matcher *matcher, const struct flow_source *rules, size_t count)
{
    size_t owner_count = 0;
    for (size_t i = 0; i < count; i++) {
        matcher->rules[i] =
            (struct flow_source){.flow_rule_id = arena_string(matcher->arena, rules[i].flow_rule_id),
                                 .name = arena_string(matcher->arena, rules[i].name),
                                 .action = rules[i].action};
        for (const char *const *pattern = rules[i].patterns; *pattern != NULL; pattern++)
            matcher->owners[owner_count++] =
                (struct owner){need_key(matcher, *pattern), (uint32_t)i, rules[i].action};
    }
    qsort(matcher->owners, owner_count, sizeof(struct owner), compare_owners);
    uint32_t kept = 0;
    for (size_t i = 0; i < owner_count; i++) {
        const struct owner owner = matcher->owners[i];
        struct key *key = key_at(matcher, owner.key);
        if (key->count > 0 && matcher->owners[kept - 1].rule == owner.rule)
            continue; /* the rule has the pattern twice */
        if (key->count++ == 0) {
            key->first = kept;
            key->winner = owner.rule;
        }
        matcher->owners[kept++] = owner;
    }
}

struct flow_matcher *flow_matcher_new(const struct flow_source *rules, size_t count)
{
    struct arena *arena = arena_new();
    struct flow_matcher *matcher = arena_alloc(arena, sizeof(*matcher));
    size_t keys_size;
    size_t patterns = count_patterns(rules, count, &keys_size);
    size_t slots = SLOT_MIN;
    while (slots < 2 * patterns)
        slots *= 2;
    *matcher = (struct flow_matcher){.arena = arena, .mask = slots - 1, .keys_end = KEY_ALIGNMENT};
    matcher->rules = arena_alloc(arena, (count + 1) * sizeof(*matcher->rules));
    matcher->owners = arena_alloc(arena, (patterns + 1) * sizeof(*matcher->owners));
    matcher->keys = arena_alloc(arena, keys_size);
    matcher->key_offsets = arena_alloc(arena, (patterns + 1) * sizeof(*matcher->key_offsets));
    matcher->slots = arena_alloc(arena, slots * sizeof(*matcher->slots));
    add_rules(matcher, rules, count);
    return matcher;
}

void flow_matcher_free(struct flow_matcher *matcher)
{
    if (matcher != NULL)
        arena_free(matcher->arena);
}

const char *flow_matcher_pattern(const struct flow_matcher *matcher, size_t number)
{
    return number < matcher->key_count ? key_at(matcher, (uint32_t)number)->pattern : NULL;
}

size_t flow_matcher_size(const struct flow_matcher *matcher)
{
    return arena_size(matcher->arena);
}

/* --- senders --- */

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* In lower case, and without quotes (RFC 5321, 4.1.2): who puts them around would escape a rule otherwise. False: it is too
 * long, or there is none. */
static bool copy_local(const char *text, size_t length, char *to, size_t *ret_size)
{
    bool is_quoted = length >= 2 && text[0] == '"' && text[length - 1] == '"';
    const char *end = is_quoted ? text + length - 1 : text + length;
    size_t size = 0;
    for (const char *at = is_quoted ? text + 1 : text; at < end; at++) {
        if (is_quoted && *at == '\\' && at + 1 < end)
            at++;
        if (size == FLOW_LOCAL_MAX)
            return false;
        to[size++] = lower(*at);
    }
    *ret_size = size;
    return length > 0;
}

/* A host name of plain labels, as nearly all are: what IDNA would make of it is itself in lower case. 0: it is not one. */
static size_t copy_plain_domain(const char *text, char *to)
{
    size_t size = 0, label = 0, dots = 0;
    for (;; text++) {
        char byte = lower(*text);
        bool is_end = byte == '\0' || byte == '.';
        if (!is_end && byte != '-' && (byte < 'a' || byte > 'z') && (byte < '0' || byte > '9'))
            return 0;
        if (byte == '-' && (size == label || size - label == 2 || size - label == 3))
            return 0; /* `xn--` is not plain */
        if (is_end && (size == label || size - label > 63 || to[size - 1] == '-'))
            return 0;
        if (byte == '\0')
            return dots > 0 ? size : 0;
        if (size == FLOW_DOMAIN_MAX)
            return 0;
        to[size++] = byte;
        if (byte == '.') {
            label = size;
            dots++;
        }
    }
}

/* Whoever has a domain names what is below it as he likes (`my_host`, `r3---sn`), and must not escape a wildcard by that. 0: a
 * label is empty, it is too long, or no address goes on like this. */
static size_t copy_any_domain(const char *text, char *to)
{
    size_t size = 0;
    for (; *text != '\0'; text++) {
        bool is_inner = size > 0 && to[size - 1] != '.';
        if (size == FLOW_DOMAIN_MAX || (*text == '.' && !is_inner) || strchr(" \"(),;<>\\", *text) != NULL ||
            (unsigned char)*text < ' ' || *text == 0x7f)
            return 0;
        to[size++] = lower(*text);
    }
    return size > 0 && to[size - 1] != '.' ? size : 0;
}

/* 0: it is none. A dot at its end is no part of it. */
static size_t copy_domain(struct arena *arena, const char *text, char *to)
{
    const char *domain, *detail;
    size_t length = copy_plain_domain(text, to);
    if (length > 0)
        return length;
    length = strlen(text);
    text = arena_copy(arena, text, length > 0 && text[length - 1] == '.' ? length - 1 : length);
    if (!email_domain_parse(arena, text, &domain, &detail))
        return copy_any_domain(text, to);
    length = strlen(domain);
    memcpy(to, domain, length);
    return length;
}

bool flow_sender_parse(struct arena *arena, const char *text, struct flow_sender *ret_sender,
                       const char **ret_detail)
{
    const char *at = strrchr(text, '@');
    size_t local, length = 0;
    if (at != NULL && copy_local(text, (size_t)(at - text), ret_sender->text, &local)) {
        ret_sender->text[local] = '@';
        ret_sender->domain = local + 1;
        length = copy_domain(arena, at + 1, ret_sender->text + ret_sender->domain);
        ret_sender->length = ret_sender->domain + length;
    }
    if (length == 0)
        *ret_detail =
            "An address is a local part, an @ and a domain, without a name before it or angle brackets around it.";
    return length > 0;
}

/* --- matching --- */

/* A domain and the domains above it, as far as patterns can name them. */
struct labels {
    size_t count;
    struct {
        const char *text;
        size_t length;
        uint64_t hash;
    } list[LABELS_MAX]; /* the shortest first */
    uint64_t hash;      /* of all of it */
};

static void read_labels(const char *domain, size_t length, struct labels *labels)
{
    uint64_t hash = HASH_START;
    labels->count = 0;
    bool is_top = true; /* a pattern has two labels */
    for (size_t i = length; i > 0; i--) {
        char byte = domain[i - 1];
        if (byte == '.' && !is_top) {
            labels->list[labels->count].text = domain + i;
            labels->list[labels->count].length = length - i;
            labels->list[labels->count++].hash = hash;
        }
        is_top = is_top && byte != '.';
        hash = step(hash, byte);
    }
    labels->list[labels->count].text = domain;
    labels->list[labels->count].length = length;
    labels->list[labels->count++].hash = hash;
    labels->hash = hash;
}

/* The key of the wildcard for one of the domains. */
static const struct key *find_wildcard(const struct flow_matcher *matcher, const struct labels *labels,
                                       size_t i)
{
    return find(matcher, finish(labels->list[i].hash, FLOW_WILDCARD), FLOW_WILDCARD, labels->list[i].text,
                labels->list[i].length);
}

static const struct key *find_domain(const struct flow_matcher *matcher, const struct labels *labels)
{
    size_t last = labels->count - 1;
    return find(matcher, finish(labels->hash, FLOW_DOMAIN), FLOW_DOMAIN, labels->list[last].text,
                labels->list[last].length);
}

static const struct key *find_address(const struct flow_matcher *matcher, const struct labels *labels,
                                      const char *text, size_t domain, size_t length)
{
    uint64_t hash = finish(hash_on(labels->hash, text, domain), FLOW_ADDRESS);
    return find(matcher, hash, FLOW_ADDRESS, text, length);
}

static struct flow_match match_of(const struct flow_matcher *matcher, const struct key *key, uint32_t rule)
{
    return (struct flow_match){rule, &matcher->rules[rule], key->pattern, (enum flow_pattern_kind)key->kind};
}

/* What is looked up one after the other comes from memory at once. */
static void fetch(const struct flow_matcher *matcher, uint64_t hash, enum flow_pattern_kind kind)
{
    __builtin_prefetch(&matcher->slots[finish(hash, kind) & matcher->mask]);
}

bool flow_match(const struct flow_matcher *matcher, const struct flow_sender *sender,
                struct flow_match *ret_match)
{
    struct labels labels;
    read_labels(sender->text + sender->domain, sender->length - sender->domain, &labels);
    fetch(matcher, hash_on(labels.hash, sender->text, sender->domain), FLOW_ADDRESS);
    fetch(matcher, labels.hash, FLOW_DOMAIN);
    for (size_t i = 0; i < labels.count; i++)
        fetch(matcher, labels.list[i].hash, FLOW_WILDCARD);
    const struct key *key = find_address(matcher, &labels, sender->text, sender->domain, sender->length);
    if (key == NULL)
        key = find_domain(matcher, &labels);
    for (size_t i = labels.count; key == NULL && i > 0; i--)
        key = find_wildcard(matcher, &labels, i - 1);
    if (key == NULL)
        return false;
    *ret_match = match_of(matcher, key, key->winner);
    return true;
}

/* The keys of all patterns that match, the most specific first, from the kind on. */
struct found {
    const struct key *keys[LABELS_MAX + 2];
    size_t count;
};

static void find_all(const struct flow_matcher *matcher, const char *text, size_t domain, size_t length,
                     enum flow_pattern_kind kind, struct found *found)
{
    struct labels labels;
    read_labels(text + domain, length - domain, &labels);
    const struct key *address =
        kind == FLOW_ADDRESS ? find_address(matcher, &labels, text, domain, length) : NULL;
    const struct key *exact = kind != FLOW_WILDCARD ? find_domain(matcher, &labels) : NULL;
    found->count = 0;
    if (address != NULL)
        found->keys[found->count++] = address;
    if (exact != NULL)
        found->keys[found->count++] = exact;
    for (size_t i = labels.count; i > 0; i--) {
        const struct key *key = find_wildcard(matcher, &labels, i - 1);
        if (key != NULL)
            found->keys[found->count++] = key;
    }
}

static size_t list_matches(const struct flow_matcher *matcher, const struct found *found, struct arena *arena,
                           const struct flow_match **ret_matches)
{
    size_t count = 0, next = 0;
    for (size_t i = 0; i < found->count; i++)
        count += found->keys[i]->count;
    struct flow_match *matches = arena_alloc(arena, (count + 1) * sizeof(*matches));
    for (size_t i = 0; i < found->count; i++)
        for (size_t j = 0; j < found->keys[i]->count; j++)
            matches[next++] =
                match_of(matcher, found->keys[i], matcher->owners[found->keys[i]->first + j].rule);
    *ret_matches = matches;
    return count;
}

size_t flow_match_all(const struct flow_matcher *matcher, const struct flow_sender *sender,
                      struct arena *arena, const struct flow_match **ret_matches)
{
    struct found found;
    find_all(matcher, sender->text, sender->domain, sender->length, FLOW_ADDRESS, &found);
    return list_matches(matcher, &found, arena, ret_matches);
}

size_t flow_match_pattern(const struct flow_matcher *matcher, const char *pattern, struct arena *arena,
                          const struct flow_match **ret_matches)
{
    struct found found;
    enum flow_pattern_kind kind = flow_pattern_kind(pattern);
    const char *text = kind == FLOW_WILDCARD ? pattern + 2 : pattern;
    const char *at = strrchr(text, '@');
    find_all(matcher, text, at != NULL ? (size_t)(at + 1 - text) : 0, strlen(text), kind, &found);
    return list_matches(matcher, &found, arena, ret_matches);
}
