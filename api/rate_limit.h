/* Token buckets: so many requests at once, refilled evenly. The memory is bounded: a bucket that is full again is as good
 * as none, and when there are too many others the one that is nearest to it is forgotten. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RATE_LIMIT_KEY_SIZE 24

struct rate_limiter;

/* What a caller may know of its bucket. */
struct rate {
    const char *policy; /* text of RateLimit-Policy; NULL: there is no limit */
    int64_t remaining;  /* requests that may follow at once */
    int64_t full_in_s;  /* when the whole quota is there again */
};

/* `count` requests in `seconds`, evenly, of which `quota` may come at once. NULL, which limits nothing, when count is 0. */
struct rate_limiter *rate_limiter_new(int64_t count, int64_t seconds, int64_t quota);
void rate_limiter_free(struct rate_limiter *limiter);

/* Takes a token out of the key's bucket (a shorter text than RATE_LIMIT_KEY_SIZE). False when there is none. now_ns is of
 * a clock that never goes back. */
bool rate_limiter_take(struct rate_limiter *limiter, const char *key, int64_t now_ns, struct rate *ret_rate);

/* Gives the key's bucket all of its quota. */
void rate_limiter_fill(struct rate_limiter *limiter, const char *key);

/* The key of an address: itself, or of IPv6 the network of which one client has all (/64). */
void rate_limit_address_key(const char *address, char ret_key[static RATE_LIMIT_KEY_SIZE]);
