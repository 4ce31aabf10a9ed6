#include "api/guess.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/app.h"
#include "api/hash_gate.h"
#include "db/conn.h"
#include "model/digest.h"
#include "model/metrics.h"

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Of the name and the address. Spellings that lead to the same user count together: letters beyond ASCII, of which cases are
 * not known here, and K, which is the small letter of a sign among them as well (U+212A), are left out. */
static void make_key(const struct request *request, const char *login,
                     char ret_key[static RATE_LIMIT_KEY_SIZE])
{
    struct buffer text = {.arena = request->arena};
    char address[RATE_LIMIT_KEY_SIZE];
    unsigned char digest[DIGEST_SIZE];
    char hex[2 * DIGEST_SIZE + 1];

    rate_limit_address_key(request->source_address, address);
    buffer_printf(&text, "%s\n", address);
    for (const char *at = login; *at != '\0'; at++) {
        char letter = (char)tolower((unsigned char)*at);
        if ((unsigned char)letter < 0x80 && letter != 'k')
            buffer_append(&text, &letter, 1);
    }
    digest_sha256(text.data, text.length, digest);
    digest_to_hex(digest, sizeof(digest), hex);
    snprintf(ret_key, RATE_LIMIT_KEY_SIZE, "%.*s", RATE_LIMIT_KEY_SIZE - 1, hex);
}

static enum code refuse_address(struct request *request, const char *detail)
{
    metrics_add(request->app->environment.metrics, METRIC_LIMITED_ADDRESS, 1);
    return problem_set(&request->problem, CODE_RATE_LIMITED, "%s", detail);
}

enum code guess_begin(struct request *request, const char *login)
{
    const struct app *app = request->app;
    struct rate rate;
    if (request->in_hash_gate)
        return CODE_OK;
    make_key(request, login, request->guess_key);
    switch (hash_gate_enter(app->hash_gate, request->source_address, &request->hash_place)) {
    case HASH_GATE_OPEN:
        break;
    case HASH_GATE_ADDRESS_FULL:
        return refuse_address(request, "Too many passwords come from your address at once.");
    case HASH_GATE_FULL:
        return problem_set(&request->problem, CODE_OVERLOADED,
                           "Too many callers sign in at once; try again.");
    }
    request->in_hash_gate = true;
    if (rate_limiter_take(app->guess_limiter, request->guess_key, now_ns(), &rate))
        return request_move(request, LANE_HASH);
    guess_end(request);
    return refuse_address(
        request,
        "Too many wrong passwords for this name came from your address; they are not looked at for some minutes.");
}

void guess_was_right(struct request *request)
{
    rate_limiter_fill(request->app->guess_limiter, request->guess_key);
}

void guess_end(struct request *request)
{
    if (request->in_hash_gate)
        hash_gate_leave(request->app->hash_gate, request->hash_place);
    request->in_hash_gate = false;
}
