/* The email flow rules of organizations, as what matches them: kept as long as nothing changes them, here or in another
 * process, so that asking for a message costs no statement. Who has not been asked for longest goes when they take too much
 * memory; nothing is kept while changes cannot be heard. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct flow_cache;
struct flow_matcher;
struct flow_set; /* one organization's; shared, and never changed */
struct notifier;

#define FLOW_CACHE_SIZE (64UL << 20)

struct flow_cache *flow_cache_new(const struct notifier *notifier);
void flow_cache_free(struct flow_cache *cache); /* accepts NULL */

/* What is kept, held for the caller; NULL: nothing that is true now. ret_generation is to be given back to
 * flow_cache_store, with what was read after this. */
struct flow_set *flow_cache_hold(struct flow_cache *cache, const char *account_id,
                                 const char *organization_id, uint64_t *ret_generation);

/* Takes the matcher, keeps it as of that generation, and holds it for the caller. */
struct flow_set *flow_cache_store(struct flow_cache *cache, const char *account_id,
                                  const char *organization_id, uint64_t generation,
                                  struct flow_matcher *matcher);

const struct flow_matcher *flow_set_matcher(const struct flow_set *set);
void flow_set_release(struct flow_set *set); /* accepts NULL */

/* What is kept. */
size_t flow_cache_size(struct flow_cache *cache);
