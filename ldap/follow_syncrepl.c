/* RFC 4533, refreshAndPersist: one search for users and one for groups, on one connection. */
#include <string.h>

#include "ldap/follow_method.h"

#define LINGER_US     100000 /* so long a full load waits for a batch to fill up */
#define COOKIE_MAX    8192
#define DELETIONS_MAX 100000 /* in one message; with more all is read anew */

/* ber.h has no names for them. */
#define TAG_BOOLEAN ((ber_tag_t)0x01U)

struct sync_search {
    int message_id;
    bool is_group;
    bool is_refreshed;    /* what happened while nobody listened is known */
    struct berval cookie; /* in the handle's arena */
};

struct sync_state {
    struct sync_search searches[2];
    bool is_full;     /* all is being read */
    bool is_told;     /* that it began */
    bool must_reload; /* the server cannot say what was deleted meanwhile */
    bool has_news;    /* a cookie that was not told yet */
    bool is_resumed;  /* the refresh is not of all */
    bool is_refused;  /* the server knows of it, but not for this database */
    struct ldap_batch held;
};

/* --- asking --- */

static struct berval *control_value(const struct sync_search *search, bool is_new)
{
    struct berval *value = NULL;
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    int worked = ber_printf(ber, "{e", (ber_int_t)LDAP_SYNC_REFRESH_AND_PERSIST);
    if (worked >= 0 && !is_new)
        worked = ber_printf(ber, "o", search->cookie.bv_val, search->cookie.bv_len);
    if (worked < 0 || ber_printf(ber, "N}") < 0 || ber_flatten(ber, &value) < 0)
        value = NULL;
    ber_free(ber, 1);
    return value;
}

static enum code ask(struct ldap_follow *follow, struct sync_search *search, bool is_new,
                     struct problem *problem)
{
    const struct directory_connection *connection = follow->connection;
    struct berval *value = control_value(search, is_new);
    if (value == NULL)
        return ldap_session_fault(&follow->session, LDAP_ENCODING_ERROR, "its changes", "", problem);
    LDAPControl control = {
        .ldctl_oid = (char *)LDAP_CONTROL_SYNC, .ldctl_value = *value, .ldctl_iscritical = 1};
    LDAPControl *controls[] = {&control, NULL};
    int result = ldap_search_ext(
        follow->session.handle, search->is_group ? connection->group_base_dn : connection->user_base_dn,
        LDAP_SCOPE_SUBTREE, search->is_group ? connection->group_filter : connection->user_filter,
        ldap_entry_attributes(follow->arena, &connection->mapping, search->is_group, NULL), 0, controls, NULL,
        NULL, 0, &search->message_id);
    ber_bvfree(value);
    search->is_refreshed = false;
    return result == LDAP_SUCCESS ? CODE_OK
                                  : ldap_session_fault(&follow->session, result, "its changes", "", problem);
}

static enum code ask_both(struct ldap_follow *follow, bool is_new, struct problem *problem)
{
    struct sync_state *state = follow->state;
    enum code code = CODE_OK;
    state->is_full = is_new;
    state->is_resumed = !is_new;
    state->is_told = state->must_reload = false;
    for (size_t i = 0; i < 2 && code == CODE_OK; i++) {
        if (state->searches[i].message_id != 0)
            ldap_abandon_ext(follow->session.handle, state->searches[i].message_id, NULL, NULL);
        code = ask(follow, &state->searches[i], is_new, problem);
    }
    return code;
}

static enum code begin(struct ldap_follow *follow, const char *cookie, struct problem *problem)
{
    struct sync_state *state = arena_alloc(follow->arena, sizeof(*state));
    follow->state = state;
    state->searches[1].is_group = true;
    const char *middle = cookie == NULL ? NULL : strchr(cookie, '.');
    bool is_new =
        middle == NULL ||
        !ldap_cookie_bytes(follow->arena, cookie, (size_t)(middle - cookie), &state->searches[0].cookie) ||
        !ldap_cookie_bytes(follow->arena, middle + 1, strlen(middle + 1), &state->searches[1].cookie);
    return ask_both(follow, is_new, problem);
}

/* --- deletions while it catches up --- */

/* To each search OpenLDAP names all entries of its log that this search does not find, those of the other one, too. So it is known
 * only when both have caught up which of them are gone: those that neither sent as they are now. */
static void hold(struct sync_state *state, const char *external_id, bool is_there)
{
    struct directory_entry entry = {.external_id = external_id};
    if (state->held.arena == NULL)
        state->held.arena = arena_new();
    entry.external_id = arena_string(state->held.arena, external_id);
    if (is_there)
        ldap_batch_change(&state->held, &entry);
    else if (!ldap_batch_has(&state->held, external_id))
        ldap_batch_delete(&state->held, entry.external_id);
    state->must_reload |= arena_size(state->held.arena) >= LDAP_HELD_MAX;
}

static void let_go(struct sync_state *state)
{
    arena_free(state->held.arena);
    state->held = (struct ldap_batch){0};
}

static void tell_held(struct sync_state *state, struct ldap_batch *batch)
{
    struct directory_batch held;
    if (state->held.arena == NULL)
        return;
    ldap_batch_finish(&state->held, &held);
    for (size_t i = 0; i < held.deleted_count; i++)
        if (!ldap_batch_has(batch, held.deleted[i]))
            ldap_batch_delete(batch, arena_string(batch->arena, held.deleted[i]));
    let_go(state);
}

static void take_deletion(struct sync_state *state, const struct sync_search *search,
                          struct ldap_batch *batch, const char *external_id)
{
    if (state->is_resumed && !search->is_refreshed)
        hold(state, external_id, false);
    else
        ldap_batch_delete(batch, external_id);
}

/* --- what comes --- */

static const char *uuid_text(struct arena *arena, const struct berval *uuid)
{
    if (uuid->bv_len != 16)
        return NULL;
    const unsigned char *b = (const unsigned char *)uuid->bv_val;
    return arena_printf(arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                        b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                        b[14], b[15]);
}

static void keep_cookie(struct ldap_follow *follow, struct sync_search *search, const struct berval *cookie)
{
    struct sync_state *state = follow->state;
    if (cookie->bv_len == 0 || cookie->bv_len > COOKIE_MAX)
        return;
    /* The longest ones know of many servers. The arena would grow by each: one is written over the one before. */
    if (cookie->bv_len > search->cookie.bv_len || search->cookie.bv_val == NULL)
        search->cookie.bv_val = arena_alloc(follow->arena, cookie->bv_len);
    memcpy(search->cookie.bv_val, cookie->bv_val, cookie->bv_len);
    search->cookie.bv_len = cookie->bv_len;
    state->has_news = true;
}

/* Sync State Value, of an entry. False: there is none, or it is broken. */
static bool read_state(LDAP *handle, LDAPMessage *message, struct arena *arena, ber_int_t *ret_state,
                       const char **ret_id, struct berval *ret_cookie)
{
    LDAPControl **controls = NULL;
    struct berval uuid, cookie = {0};
    bool is_read = false;
    if (ldap_get_entry_controls(handle, message, &controls) != LDAP_SUCCESS)
        return false;
    LDAPControl *control = ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
    BerElement *ber = control != NULL ? ber_init(&control->ldctl_value) : NULL;
    if (ber != NULL && ber_scanf(ber, "{em", ret_state, &uuid) != LBER_ERROR &&
        (*ret_id = uuid_text(arena, &uuid)) != NULL) {
        ber_len_t length;
        if (ber_peek_tag(ber, &length) == LDAP_TAG_SYNC_COOKIE && ber_scanf(ber, "m", &cookie) == LBER_ERROR)
            cookie = (struct berval){0};
        ret_cookie->bv_len = cookie.bv_len;
        ret_cookie->bv_val = arena_copy(arena, cookie.bv_len > 0 ? cookie.bv_val : "", cookie.bv_len);
        is_read = true;
    }
    if (ber != NULL)
        ber_free(ber, 1);
    ldap_controls_free(controls);
    return is_read;
}

static enum code take_entry(struct ldap_follow *follow, struct follow_turn *turn, struct sync_search *search,
                            LDAPMessage *message)
{
    struct sync_state *state = follow->state;
    struct directory_entry entry;
    struct berval cookie;
    ber_int_t what;
    const char *id;
    if (!read_state(follow->session.handle, message, turn->batch.arena, &what, &id, &cookie))
        return ldap_session_fault(&follow->session, LDAP_DECODING_ERROR, "its changes",
                                  "an entry without its state", turn->problem);
    if (what == LDAP_SYNC_PRESENT)
        state->must_reload |= state->is_resumed;
    else if (what == LDAP_SYNC_DELETE)
        take_deletion(state, search, &turn->batch, id);
    else if (ldap_entry_read(&follow->session, message, &follow->connection->mapping, search->is_group,
                             turn->batch.arena, &entry)) {
        ldap_batch_change(&turn->batch, &entry);
        if (state->is_resumed)
            hold(state, entry.external_id, true);
    }
    keep_cookie(follow, search, &cookie);
    return CODE_OK;
}

/* A list of ids that are gone, or that are still there: of these follows that all others are gone. */
static bool take_ids(struct ldap_follow *follow, struct follow_turn *turn, const struct sync_search *search,
                     BerElement *ber, struct berval *ret_cookie)
{
    struct sync_state *state = follow->state;
    ber_len_t length;
    ber_tag_t tag;
    ber_int_t are_deleted = 0;
    BerVarray ids = NULL;
    if (ber_scanf(ber, "t{", &tag) == LBER_ERROR)
        return false;
    if (ber_peek_tag(ber, &length) == LDAP_TAG_SYNC_COOKIE && ber_scanf(ber, "m", ret_cookie) == LBER_ERROR)
        return false;
    if (ber_peek_tag(ber, &length) == TAG_BOOLEAN && ber_scanf(ber, "b", &are_deleted) == LBER_ERROR)
        return false;
    if (ber_scanf(ber, "[W]", &ids) == LBER_ERROR)
        return false;
    size_t count = 0;
    while (ids != NULL && ids[count].bv_val != NULL)
        count++;
    if (!are_deleted || count > DELETIONS_MAX)
        state->must_reload |= state->is_resumed;
    for (size_t i = 0; are_deleted && i < count && !state->must_reload; i++) {
        const char *id = uuid_text(turn->batch.arena, &ids[i]);
        if (id != NULL)
            take_deletion(state, search, &turn->batch, id);
    }
    ber_bvarray_free(ids);
    return true;
}

static bool end_phase(struct sync_state *state, struct sync_search *search, BerElement *ber, ber_tag_t phase,
                      struct berval *ret_cookie)
{
    ber_len_t length;
    ber_tag_t tag;
    ber_int_t is_done = 1;
    if (ber_scanf(ber, "t{", &tag) == LBER_ERROR)
        return false;
    if (ber_peek_tag(ber, &length) == LDAP_TAG_SYNC_COOKIE && ber_scanf(ber, "m", ret_cookie) == LBER_ERROR)
        return false;
    if (ber_peek_tag(ber, &length) == TAG_BOOLEAN && ber_scanf(ber, "b", &is_done) == LBER_ERROR)
        return false;
    /* After a phase of those present, what was not named is gone. */
    if (phase == LDAP_TAG_SYNC_REFRESH_PRESENT)
        state->must_reload |= state->is_resumed && !search->is_refreshed;
    search->is_refreshed |= is_done != 0;
    return true;
}

static enum code take_news(struct ldap_follow *follow, struct follow_turn *turn, struct sync_search *search,
                           LDAPMessage *message)
{
    struct berval *data = NULL, cookie = {0};
    char *oid = NULL;
    ber_len_t length;
    bool is_read = false;
    if (ldap_parse_intermediate(follow->session.handle, message, &oid, &data, NULL, 0) != LDAP_SUCCESS)
        return ldap_session_fault(&follow->session, LDAP_DECODING_ERROR, "its changes", "", turn->problem);
    BerElement *ber = oid != NULL && strcmp(oid, LDAP_SYNC_INFO) == 0 && data != NULL ? ber_init(data) : NULL;
    if (ber != NULL) {
        ber_tag_t tag = ber_peek_tag(ber, &length);
        if (tag == LDAP_TAG_SYNC_NEW_COOKIE)
            is_read = ber_scanf(ber, "tm", &tag, &cookie) != LBER_ERROR;
        else if (tag == LDAP_TAG_SYNC_ID_SET)
            is_read = take_ids(follow, turn, search, ber, &cookie);
        else if (tag == LDAP_TAG_SYNC_REFRESH_DELETE || tag == LDAP_TAG_SYNC_REFRESH_PRESENT)
            is_read = end_phase(follow->state, search, ber, tag, &cookie);
        if (is_read)
            keep_cookie(follow, search, &cookie);
        ber_free(ber, 1);
    }
    ldap_memfree(oid);
    ber_bvfree(data);
    return is_read ? CODE_OK
                   : ldap_session_fault(&follow->session, LDAP_DECODING_ERROR, "its changes",
                                        "news that make no sense", turn->problem);
}

/* The search ends only when something is wrong. */
static enum code take_end(struct ldap_follow *follow, struct follow_turn *turn, LDAPMessage *message)
{
    struct sync_state *state = follow->state;
    int result = LDAP_OTHER;
    char *words = NULL;
    if (ldap_parse_result(follow->session.handle, message, &result, NULL, &words, NULL, NULL, 0) !=
        LDAP_SUCCESS)
        result = LDAP_DECODING_ERROR;
    enum code code = CODE_OK;
    if (result == LDAP_SYNC_REFRESH_REQUIRED && state->is_resumed)
        state->must_reload = true;
    else if (result == LDAP_UNAVAILABLE_CRITICAL_EXTENSION)
        state->is_refused = true;
    else
        code = ldap_session_fault(&follow->session, result == LDAP_SUCCESS ? LDAP_SERVER_DOWN : result,
                                  "its changes", words != NULL ? words : "", turn->problem);
    ldap_memfree(words);
    return code;
}

static enum code take(struct ldap_follow *follow, struct follow_turn *turn, int type, LDAPMessage *message)
{
    struct sync_state *state = follow->state;
    int id = ldap_msgid(message);
    ldap_follow_heard(follow);
    for (size_t i = 0; i < 2; i++) {
        if (state->searches[i].message_id != id)
            continue;
        if (type == LDAP_RES_SEARCH_ENTRY)
            return take_entry(follow, turn, &state->searches[i], message);
        if (type == LDAP_RES_INTERMEDIATE)
            return take_news(follow, turn, &state->searches[i], message);
        if (type == LDAP_RES_SEARCH_RESULT)
            return take_end(follow, turn, message);
    }
    return CODE_OK;
}

static void tell(struct sync_state *state, struct follow_turn *turn)
{
    struct directory_batch *batch = turn->ret_batch;
    bool are_refreshed = state->searches[0].is_refreshed && state->searches[1].is_refreshed;
    if (are_refreshed)
        tell_held(state, &turn->batch);
    batch->starts_full = state->is_full && !state->is_told;
    batch->ends_full = state->is_full && are_refreshed;
    state->is_told = true;
    if (batch->ends_full)
        state->is_full = false;
    /* Until both searches have told all, a restart has to begin where this one did. */
    if (are_refreshed && state->has_news) {
        batch->cookie = arena_printf(turn->batch.arena, "%s.%s",
                                     ldap_cookie_text(turn->batch.arena, &state->searches[0].cookie),
                                     ldap_cookie_text(turn->batch.arena, &state->searches[1].cookie));
        state->has_news = false;
    }
    batch->has_more = !are_refreshed || ldap_batch_is_full(&turn->batch);
    state->is_resumed = state->is_resumed && !are_refreshed;
}

static enum code next(struct ldap_follow *follow, struct follow_turn *turn)
{
    struct sync_state *state = follow->state;
    int64_t until_us = turn->until_us;
    do {
        LDAPMessage *message;
        int type = ldap_session_next(&follow->session, LDAP_RES_ANY, until_us, &message);
        if (type < 0)
            return ldap_session_fault(&follow->session, LDAP_SERVER_DOWN, "its changes", "", turn->problem);
        if (type == 0)
            break;
        enum code code = take(follow, turn, type, message);
        ldap_msgfree(message);
        if (code != CODE_OK)
            return code;
        if (state->is_refused) {
            turn->ret_batch->has_more = true;
            return ldap_follow_change_method(follow, &ldap_follow_poll, turn->problem);
        }
        if (state->must_reload) {
            ldap_batch_clear(&turn->batch);
            let_go(state);
            code = ask_both(follow, true, turn->problem);
            if (code != CODE_OK)
                return code;
        }
        /* What came is told at once, with what came at the same time; while all is read, it may be a little more. */
        if (!state->is_full)
            until_us = 0;
        else if (until_us == turn->until_us && ldap_now_us() + LINGER_US < until_us)
            until_us = ldap_now_us() + LINGER_US;
        if (state->is_full && state->searches[0].is_refreshed && state->searches[1].is_refreshed)
            break;
        /* What comes without a pause must not keep this from ending. */
    } while (!ldap_batch_is_full(&turn->batch) && ldap_now_us() < turn->until_us);
    tell(state, turn);
    return ldap_follow_keep(follow, turn->problem);
}

static void end(struct ldap_follow *follow)
{
    let_go(follow->state);
}

const struct ldap_follow_method ldap_follow_syncrepl = {"SYNCREPL", begin, next, end};
