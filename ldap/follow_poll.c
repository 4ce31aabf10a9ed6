/* Servers without news are asked again and again: an Active Directory whose DirSync we may not use by the numbers of its changes,
 * others by modifyTimestamp. What is deleted is found out by reading all. */
#include <stdlib.h>
#include <string.h>

#include "ldap/follow_method.h"

#define POLL_US     2000000
#define COMPARE_US  600000000 /* from one full load to the next */
#define SETTLED_US  3000000   /* nothing is written any more in a second so long ago */
#define TIME        "modifyTimestamp"
#define TIME_DIGITS "0123456789.Z"
#define COOKIE_MAX  4096

struct poll_state {
    bool has_numbers;
    long long number;      /* of the last change that was seen */
    long long next_number; /* what that will be once this poll is over */
    char time[32];         /* of the last change that was seen; "": none was */
    bool is_settled;
    int64_t time_seen_us;
    int64_t polled_us, loaded_us;
    bool has_news; /* a cookie that was not told yet */
};

static long long number_of(const char *text)
{
    return text == NULL ? -1 : strtoll(text, NULL, 10);
}

static void keep_time(struct poll_state *state, const char *text)
{
    if (text == NULL || strlen(text) >= sizeof(state->time) || strspn(text, TIME_DIGITS) != strlen(text) ||
        strcmp(text, state->time) <= 0)
        return;
    memcpy(state->time, text, strlen(text) + 1);
    state->time_seen_us = ldap_now_us();
    state->is_settled = false;
    state->has_news = true;
}

/* --- cookies: the server and its number, as numbers of another mean nothing; or the time --- */

static const char *cookie_text(struct ldap_follow *follow, struct arena *arena)
{
    const struct poll_state *state = follow->state;
    if (!state->has_numbers)
        return arena_printf(arena, "time.%s", state->time);
    struct berval server = {.bv_len = strlen(follow->root.server), .bv_val = (char *)follow->root.server};
    return arena_printf(arena, "usn.%lld.%s", state->number, ldap_cookie_text(arena, &server));
}

/* False: all has to be read. */
static bool read_cookie(struct ldap_follow *follow, const char *cookie)
{
    struct poll_state *state = follow->state;
    struct berval server;
    if (cookie == NULL || strlen(cookie) > COOKIE_MAX)
        return false;
    if (!state->has_numbers) {
        if (strncmp(cookie, "time.", 5) == 0)
            keep_time(state, cookie + 5);
        state->has_news = false;
        return state->time[0] != '\0';
    }
    const char *dot = strncmp(cookie, "usn.", 4) == 0 ? strchr(cookie + 4, '.') : NULL;
    if (dot == NULL || !ldap_cookie_bytes(follow->arena, dot + 1, strlen(dot + 1), &server) ||
        server.bv_len != strlen(follow->root.server) ||
        memcmp(server.bv_val, follow->root.server, server.bv_len) != 0)
        return false;
    state->number = number_of(cookie + 4);
    return true;
}

static void begin_load(struct ldap_follow *follow)
{
    struct poll_state *state = follow->state;
    state->loaded_us = ldap_now_us();
    ldap_load_begin(follow, NULL, state->has_numbers ? NULL : TIME);
}

static enum code begin(struct ldap_follow *follow, const char *cookie, struct problem *problem)
{
    struct poll_state *state = arena_alloc(follow->arena, sizeof(*state));
    (void)problem;
    follow->state = state;
    state->has_numbers = follow->root.highest_usn != NULL && follow->root.server != NULL;
    state->loaded_us = ldap_now_us();
    if (!read_cookie(follow, cookie)) {
        /* What changes from here on is asked for after the load. */
        state->number = number_of(follow->root.highest_usn);
        begin_load(follow);
    }
    state->next_number = state->number;
    return CODE_OK;
}

/* --- asking --- */

/* A second that is over is not asked for any more; one that may still go on is. */
static const char *since(struct poll_state *state, struct arena *arena)
{
    if (state->has_numbers)
        return arena_printf(arena, "(uSNChanged>=%lld)", state->number + 1);
    if (state->is_settled)
        return arena_printf(arena, "(" TIME ">=%s)(!(" TIME "<=%s))", state->time, state->time);
    return arena_printf(arena, "(" TIME ">=%s)", state->time);
}

static enum code begin_poll(struct ldap_follow *follow, struct follow_turn *turn)
{
    struct poll_state *state = follow->state;
    struct ldap_root_dse root;
    state->polled_us = ldap_now_us();
    ldap_follow_heard(follow);
    if (state->has_numbers) {
        enum code code = ldap_root_dse_read(&follow->session, turn->batch.arena, turn->problem, &root);
        if (code != CODE_OK || (state->next_number = number_of(root.highest_usn)) == state->number)
            return code;
    }
    const char *filter = since(state, turn->batch.arena);
    state->is_settled = state->polled_us - state->time_seen_us >= SETTLED_US;
    ldap_load_begin(follow, filter, state->has_numbers ? NULL : TIME);
    return CODE_OK;
}

static void end_load(struct ldap_follow *follow, const char *newest)
{
    struct poll_state *state = follow->state;
    keep_time(state, newest);
    state->has_news |= state->has_numbers;
    state->number = state->next_number;
}

static enum code wait_turn(struct ldap_follow *follow, struct follow_turn *turn)
{
    struct poll_state *state = follow->state;
    int64_t due_us = state->polled_us + POLL_US;
    LDAPMessage *message;
    /* Nothing is expected: it ends early only when the connection does. */
    int type = ldap_session_next(&follow->session, LDAP_RES_ANY,
                                 due_us < turn->until_us ? due_us : turn->until_us, &message);
    ldap_msgfree(message);
    return type >= 0
               ? CODE_OK
               : ldap_session_fault(&follow->session, LDAP_SERVER_DOWN, "its changes", "", turn->problem);
}

static enum code next(struct ldap_follow *follow, struct follow_turn *turn)
{
    struct poll_state *state = follow->state;
    enum code code = CODE_OK;
    if (!follow->load.is_going && ldap_now_us() - state->loaded_us >= COMPARE_US)
        begin_load(follow);
    if (!follow->load.is_going && ldap_now_us() < state->polled_us + POLL_US)
        code = wait_turn(follow, turn);
    if (code == CODE_OK && !follow->load.is_going && ldap_now_us() >= state->polled_us + POLL_US &&
        (state->has_numbers || state->time[0] != '\0'))
        code = begin_poll(follow, turn);
    if (code == CODE_OK && follow->load.is_going) {
        code = ldap_load_next(follow, turn);
        if (code == CODE_OK && !follow->load.is_going)
            end_load(follow, follow->load.newest);
    }
    if (code == CODE_OK && state->has_news && !follow->load.is_going) {
        turn->ret_batch->cookie = cookie_text(follow, turn->batch.arena);
        state->has_news = false;
    }
    return code;
}

static void end(struct ldap_follow *follow)
{
    (void)follow; /* all that it has is the handle's */
}

const struct ldap_follow_method ldap_follow_poll = {"POLL", begin, next, end};
