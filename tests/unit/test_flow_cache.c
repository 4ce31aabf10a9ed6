#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

#include "api/flow_cache.h"
#include "db/notifier.h"
#include "model/flow_match.h"
#include "tests/unit/unit.h"

/* In place of db/notifier.c: what it would have heard. */
static uint64_t generation;

uint64_t notifier_flow_rules_generation(const struct notifier *notifier, const char *organization_id)
{
    (void)notifier;
    (void)organization_id;
    return generation;
}

#define ACCOUNT "000000000001"

/* The organizations' ids, and each one's rule, tell which one it is. */
static const char *id_of(size_t organization, char id[35])
{
    snprintf(id, 35, "o-%032zx", organization);
    return id;
}

static struct flow_matcher *make(size_t organization, size_t patterns)
{
    struct arena *arena = arena_new();
    char id[35];
    const char **list = arena_alloc(arena, (patterns + 1) * sizeof(*list));
    for (size_t i = 0; i < patterns; i++)
        list[i] = arena_printf(arena, "user%zu@some.domain.test", i);
    struct flow_source rule = {id_of(organization, id), "A name", FLOW_DROP, list};
    struct flow_matcher *matcher = flow_matcher_new(&rule, 1);
    arena_free(arena);
    return matcher;
}

static struct flow_set *store(struct flow_cache *cache, size_t organization, size_t patterns)
{
    char id[35];
    return flow_cache_store(cache, ACCOUNT, id_of(organization, id), generation,
                            make(organization, patterns));
}

static struct flow_set *hold(struct flow_cache *cache, size_t organization)
{
    char id[35];
    uint64_t seen;
    return flow_cache_hold(cache, ACCOUNT, id_of(organization, id), &seen);
}

/* What it answers is of that organization. */
static void check_answer(struct arena *arena, const struct flow_set *set, size_t organization)
{
    char id[35];
    struct flow_sender sender;
    struct flow_match match;
    const char *detail;
    assert_non_null(set);
    assert_true(flow_sender_parse(arena, "user0@some.domain.test", &sender, &detail));
    assert_true(flow_match(flow_set_matcher(set), &sender, &match));
    assert_string_equal(match.source->flow_rule_id, id_of(organization, id));
}

/* 0 where a sanitizer has an allocator of its own. */
static size_t memory(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Small organizations are many: what each takes besides its rules must be counted, too. */
static void check_many(struct arena *arena, size_t organizations, size_t patterns)
{
    struct flow_cache *cache = flow_cache_new(NULL);
    size_t before = memory(), kept = 0;
    generation = 1;
    struct flow_set *first = store(cache, 0, patterns);
    for (size_t i = 1; i < organizations; i++)
        flow_set_release(store(cache, i, patterns));
    assert_row(memory() <= before + FLOW_CACHE_SIZE + FLOW_CACHE_SIZE / 20, "%zu patterns: %zu bytes more",
               patterns, memory() - before);
    assert_in_range(flow_cache_size(cache), FLOW_CACHE_SIZE / 10 * 9, FLOW_CACHE_SIZE);

    check_answer(arena, first, 0); /* who holds it has it, also when it is not kept any more */
    flow_set_release(first);
    assert_null(hold(cache, 0));
    first = store(cache, 0, patterns);
    check_answer(arena, first, 0);
    flow_set_release(first);
    for (size_t i = 0; i < organizations; i++) {
        struct flow_set *set = hold(cache, i);
        if (set != NULL)
            check_answer(arena, set, i);
        kept += set != NULL;
        flow_set_release(set);
    }
    assert_in_range(kept, 2, organizations - 1);
    flow_cache_free(cache);
    assert_row(memory() <= before + 100000, "%zu bytes are left", memory() - before);
}

static void test_memory_of_many_organizations_is_bounded(void **state)
{
    check_many(*state, 40000, 1);
    check_many(*state, 10000, 50);
    check_many(*state, 1000, 1000);
    check_many(*state, 100, 10000);
}

static void test_who_has_not_been_asked_for_longest_goes(void **state)
{
    struct flow_cache *cache = flow_cache_new(NULL);
    generation = 1;
    for (size_t i = 0; i < 100; i++) {
        flow_set_release(store(cache, i, 10000));
        struct flow_set *first = hold(cache, 0);
        check_answer(*state, first, 0);
        flow_set_release(first);
    }
    assert_null(hold(cache, 1));
    flow_cache_free(cache);
}

static void test_what_changed_is_not_answered(void **state)
{
    struct flow_cache *cache = flow_cache_new(NULL);
    generation = 1;
    flow_set_release(store(cache, 7, 1));
    generation = 2;
    assert_null(hold(cache, 7));
    flow_set_release(store(cache, 7, 1));
    struct flow_set *set = hold(cache, 7);
    check_answer(*state, set, 7);
    flow_set_release(set);

    uint64_t seen;
    char id[35];
    generation = 3;
    assert_null(flow_cache_hold(cache, ACCOUNT, id_of(7, id), &seen));
    generation = 4; /* while it is read */
    flow_set_release(flow_cache_store(cache, ACCOUNT, id, seen, make(7, 1)));
    assert_null(hold(cache, 7));

    generation = 0; /* nothing is heard */
    assert_null(flow_cache_hold(cache, ACCOUNT, id, &seen));
    set = flow_cache_store(cache, ACCOUNT, id, seen, make(7, 1));
    check_answer(*state, set, 7);
    flow_set_release(set);
    assert_null(hold(cache, 7));
    flow_cache_free(cache);
}

static void test_other_accounts_are_not_answered(void **state)
{
    (void)state;
    uint64_t seen;
    char id[35];
    struct flow_cache *cache = flow_cache_new(NULL);
    generation = 1;
    flow_set_release(store(cache, 7, 1));
    assert_null(flow_cache_hold(cache, "000000000002", id_of(7, id), &seen));
    assert_int_equal(seen, 1);
    flow_cache_free(cache);
}

/* --- many threads, with room for a few organizations only --- */

#define ORGANIZATIONS 128
static struct flow_cache *shared;

static void *ask_all(void *argument)
{
    size_t seed = *(const size_t *)argument;
    struct arena *arena = arena_new();
    for (size_t i = 0; i < 400; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        size_t organization = (seed >> 33) % ORGANIZATIONS;
        struct flow_set *set = hold(shared, organization);
        if (set == NULL)
            set = store(shared, organization, 10000);
        check_answer(arena, set, organization);
        flow_set_release(set);
    }
    arena_free(arena);
    return NULL;
}

static void test_threads_are_answered_while_others_take_the_room(void **state)
{
    (void)state;
    pthread_t threads[4];
    size_t seeds[COUNT(threads)];
    generation = 1;
    shared = flow_cache_new(NULL);
    for (size_t i = 0; i < COUNT(threads); i++) {
        seeds[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_all, &seeds[i]), 0);
    }
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_true(flow_cache_size(shared) <= FLOW_CACHE_SIZE);
    flow_cache_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_memory_of_many_organizations_is_bounded),
        UNIT_TEST(test_who_has_not_been_asked_for_longest_goes),
        UNIT_TEST(test_what_changed_is_not_answered),
        UNIT_TEST(test_other_accounts_are_not_answered),
        UNIT_TEST(test_threads_are_answered_while_others_take_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
