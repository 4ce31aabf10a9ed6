/* Active Directory: DirSync says which objects have changed; the change notification, and the number of the server's last change,
 * when to ask. What an object is now, and
 * whether it belongs to us at all, is then asked by the searches of a full load, for these objects alone. */
#include <stdlib.h>
#include <string.h>

#include "ldap/follow_method.h"

#define NOTIFICATION_OID "1.2.840.113556.1.4.528"
#define OBJECTS          "(|(objectClass=person)(objectClass=group))"
#define BESIDES          "isDeleted,name"
#define PAGE_BYTES       (1 << 20)
#define ASKED_AT_ONCE    50 /* objects in one filter */
#define LOOK_US \
    250000 /* so often it is asked for the number of its last change: Samba notifies seconds later */
#define COOKIE_MAX 65536

struct dirsync_state {
    struct arena *page; /* of the changes that are known and not told yet; NULL: none */
    const char **ids;
    size_t count, told, capacity;
    struct berval cookie; /* malloc; empty: from the beginning */
    char **attributes;
    int message_id;      /* of DirSync; 0: it is not asked */
    int notification_id; /* 0: there is none */
    bool is_primed;      /* what is older than the full load is behind the cookie */
    bool is_due;
    bool has_more; /* DirSync has another page */
    bool has_news; /* a cookie that was not told yet */
    bool is_refused;
    int look_id; /* 0: the number is not asked for */
    int64_t looked_us;
    long long number; /* of its last change */
};

/* --- asking --- */

static void keep_cookie(struct dirsync_state *state, const struct berval *cookie)
{
    char *copy = malloc(cookie->bv_len + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, cookie->bv_val, cookie->bv_len);
    free(state->cookie.bv_val);
    state->cookie = (struct berval){.bv_len = cookie->bv_len, .bv_val = copy};
}

/* ldap_create_dirsync_control cannot make one without a cookie. */
static struct berval *control_value(const struct dirsync_state *state)
{
    struct berval *value = NULL;
    BerElement *ber = ber_alloc_t(LBER_USE_DER);
    if (ber_printf(ber, "{iio}", (ber_int_t)0, (ber_int_t)PAGE_BYTES,
                   state->cookie.bv_val != NULL ? state->cookie.bv_val : "", state->cookie.bv_len) < 0 ||
        ber_flatten(ber, &value) < 0)
        value = NULL;
    ber_free(ber, 1);
    return value;
}

static enum code ask(struct ldap_follow *follow, struct problem *problem)
{
    struct dirsync_state *state = follow->state;
    struct berval *value = control_value(state);
    if (value == NULL)
        return ldap_session_fault(&follow->session, LDAP_ENCODING_ERROR, "its changes (DirSync)", "",
                                  problem);
    LDAPControl control = {
        .ldctl_oid = (char *)LDAP_CONTROL_X_DIRSYNC, .ldctl_value = *value, .ldctl_iscritical = 1};
    LDAPControl *controls[] = {&control, NULL};
    int result = ldap_search_ext(follow->session.handle, follow->root.naming_context, LDAP_SCOPE_SUBTREE,
                                 OBJECTS, state->attributes, 0, controls, NULL, NULL, 0, &state->message_id);
    ber_bvfree(value);
    ldap_follow_heard(follow); /* from now on it has a time to answer */
    state->is_due = false;
    return result == LDAP_SUCCESS
               ? CODE_OK
               : ldap_session_fault(&follow->session, result, "its changes (DirSync)", "", problem);
}

/* Lasts as long as the connection, and says of each change that there is one. */
static void ask_notification(struct ldap_follow *follow)
{
    struct dirsync_state *state = follow->state;
    char *attributes[] = {(char *)"objectGUID", NULL};
    LDAPControl control = {.ldctl_oid = (char *)NOTIFICATION_OID, .ldctl_iscritical = 1};
    LDAPControl *controls[] = {&control, NULL};
    if (ldap_search_ext(follow->session.handle, follow->root.naming_context, LDAP_SCOPE_SUBTREE,
                        "(objectClass=*)", attributes, 0, controls, NULL, NULL, 0,
                        &state->notification_id) != LDAP_SUCCESS)
        state->notification_id = 0;
}

static char **attributes(struct ldap_follow *follow)
{
    const struct directory_mapping *mapping = &follow->connection->mapping;
    struct buffer more = {.arena = follow->arena};
    char **of_groups = ldap_entry_attributes(follow->arena, mapping, true, BESIDES);
    for (char **name = of_groups; *name != NULL; name++)
        buffer_printf(&more, "%s%s", name == of_groups ? "" : ",", *name);
    return ldap_entry_attributes(follow->arena, mapping, false, buffer_string(&more));
}

static enum code begin(struct ldap_follow *follow, const char *cookie, struct problem *problem)
{
    struct dirsync_state *state = arena_alloc(follow->arena, sizeof(*state));
    struct berval known;
    follow->state = state;
    state->attributes = attributes(follow);
    if (cookie != NULL && strlen(cookie) <= 2 * COOKIE_MAX &&
        ldap_cookie_bytes(follow->arena, cookie, strlen(cookie), &known)) {
        keep_cookie(state, &known);
        state->is_primed = true;
    }
    if (follow->root.has_notification)
        ask_notification(follow);
    return ask(follow, problem);
}

/* --- what comes --- */

static void add_id(struct dirsync_state *state, const char *id)
{
    if (state->count == state->capacity) {
        size_t capacity = state->capacity == 0 ? 256 : 2 * state->capacity;
        const char **ids = arena_alloc(state->page, capacity * sizeof(*ids));
        if (state->count > 0)
            memcpy(ids, state->ids, state->count * sizeof(*ids));
        state->ids = ids;
        state->capacity = capacity;
    }
    state->ids[state->count++] = id;
}

static enum code take_object(struct ldap_follow *follow, struct follow_turn *turn, LDAPMessage *message)
{
    struct dirsync_state *state = follow->state;
    struct directory_value value;
    struct directory_attribute attribute = {.name = "objectGUID", .values = &value, .count = 1};
    struct directory_mapping mapping = {.external_id = "objectGUID"};
    struct directory_entry entry;
    if (!state->is_primed)
        return CODE_OK; /* the full load reads it */
    if (state->count >= LDAP_ENTRIES_MAX)
        return ldap_session_fault(&follow->session, LDAP_SIZELIMIT_EXCEEDED, "its changes (DirSync)", "",
                                  turn->problem);
    if (state->page == NULL)
        state->page = arena_new();
    struct berval **values = ldap_get_values_len(follow->session.handle, message, "objectGUID");
    if (values != NULL && values[0] != NULL) {
        value = (struct directory_value){.data = values[0]->bv_val, .length = values[0]->bv_len};
        if (directory_entry_map(state->page, &mapping, false, "", &attribute, 1, &entry))
            add_id(state, entry.external_id);
    }
    ldap_value_free_len(values);
    return CODE_OK;
}

/* Where DirSync goes on. False: it does not say. */
static bool take_cookie(struct dirsync_state *state, LDAPControl **controls)
{
    LDAPControl *control = ldap_control_find(LDAP_CONTROL_X_DIRSYNC, controls, NULL);
    BerElement *ber = control != NULL ? ber_init(&control->ldctl_value) : NULL;
    ber_int_t goes_on = 0, unused;
    struct berval cookie = {0};
    bool is_read = ber != NULL && ber_scanf(ber, "{iim}", &goes_on, &unused, &cookie) != LBER_ERROR &&
                   cookie.bv_len > 0 && cookie.bv_len <= COOKIE_MAX;
    if (is_read) {
        state->has_news |= state->cookie.bv_len != cookie.bv_len ||
                           memcmp(state->cookie.bv_val, cookie.bv_val, cookie.bv_len) != 0;
        keep_cookie(state, &cookie);
        state->has_more = goes_on != 0;
    }
    if (ber != NULL)
        ber_free(ber, 1);
    return is_read;
}

static enum code take_end(struct ldap_follow *follow, struct follow_turn *turn, LDAPMessage *message)
{
    struct dirsync_state *state = follow->state;
    int result = LDAP_OTHER;
    char *words = NULL;
    LDAPControl **controls = NULL;
    if (ldap_parse_result(follow->session.handle, message, &result, NULL, &words, NULL, &controls, 0) !=
        LDAP_SUCCESS)
        result = LDAP_DECODING_ERROR;
    if (result == LDAP_SUCCESS && !take_cookie(state, controls))
        result = LDAP_DECODING_ERROR;
    /* It is for accounts with the right "Replicating Directory Changes". */
    state->is_refused = result == LDAP_INSUFFICIENT_ACCESS;
    enum code code = result == LDAP_SUCCESS || state->is_refused
                         ? CODE_OK
                         : ldap_session_fault(&follow->session, result, "its changes (DirSync)",
                                              words != NULL ? words : "", turn->problem);
    state->message_id = 0;
    ldap_memfree(words);
    ldap_controls_free(controls);
    return code;
}

static void take_number(struct ldap_follow *follow, int type, LDAPMessage *message)
{
    struct dirsync_state *state = follow->state;
    if (type == LDAP_RES_SEARCH_RESULT)
        state->look_id = 0;
    if (type != LDAP_RES_SEARCH_ENTRY)
        return;
    struct berval **values = ldap_get_values_len(follow->session.handle, message, "highestCommittedUSN");
    if (values != NULL && values[0] != NULL) {
        long long number = strtoll(values[0]->bv_val, NULL, 10);
        state->is_due |= number != state->number;
        state->number = number;
    }
    ldap_value_free_len(values);
}

static enum code take(struct ldap_follow *follow, struct follow_turn *turn, int type, LDAPMessage *message)
{
    struct dirsync_state *state = follow->state;
    int id = ldap_msgid(message);
    ldap_follow_heard(follow);
    if (id == state->notification_id) {
        state->is_due = true;
        if (type == LDAP_RES_SEARCH_RESULT)
            state->notification_id = 0; /* the server does not want it: it is asked again and again */
        return CODE_OK;
    }
    if (id == state->look_id) {
        take_number(follow, type, message);
        return CODE_OK;
    }
    if (id != state->message_id)
        return CODE_OK;
    if (type == LDAP_RES_SEARCH_ENTRY)
        return take_object(follow, turn, message);
    return type == LDAP_RES_SEARCH_RESULT ? take_end(follow, turn, message) : CODE_OK;
}

/* --- what is told --- */

static const char *filter_of(struct ldap_follow *follow, struct arena *arena, const char *filter,
                             const char **ids, size_t count)
{
    struct buffer out = {.arena = arena};
    buffer_printf(&out, "(&%s(|", filter);
    for (size_t i = 0; i < count; i++)
        buffer_text(&out, ldap_entry_id_filter(arena, &follow->connection->mapping, ids[i]));
    buffer_text(&out, "))");
    return buffer_string(&out);
}

/* Those that neither search finds are not ours, or not any more. */
static enum code tell_ids(struct ldap_follow *follow, struct follow_turn *turn, const char **ids,
                          size_t count)
{
    const struct directory_connection *connection = follow->connection;
    struct arena *arena = turn->batch.arena;
    for (size_t i = 0; i < count; i++)
        ldap_batch_delete(&turn->batch, arena_string(arena, ids[i]));
    enum code code = ldap_load_few(follow, turn, false,
                                   filter_of(follow, arena, connection->user_filter, ids, count), count);
    if (code == CODE_OK)
        code = ldap_load_few(follow, turn, true,
                             filter_of(follow, arena, connection->group_filter, ids, count), count);
    return code;
}

static void forget_page(struct dirsync_state *state)
{
    arena_free(state->page);
    state->page = NULL;
    state->ids = NULL;
    state->count = state->told = state->capacity = 0;
}

static enum code tell_changes(struct ldap_follow *follow, struct follow_turn *turn)
{
    struct dirsync_state *state = follow->state;
    while (state->told < state->count && !ldap_batch_is_full(&turn->batch)) {
        size_t count = state->count - state->told;
        if (count > ASKED_AT_ONCE)
            count = ASKED_AT_ONCE;
        enum code code = tell_ids(follow, turn, state->ids + state->told, count);
        if (code != CODE_OK)
            return code;
        state->told += count;
        if (ldap_now_us() >= turn->until_us)
            break; /* a slow server must not keep this from ending */
    }
    if (state->told == state->count)
        forget_page(state);
    return CODE_OK;
}

/* The cookie is told once all before it has been. */
static void tell_cookie(struct dirsync_state *state, struct follow_turn *turn)
{
    if (!state->has_news || state->page != NULL || state->message_id != 0)
        return;
    turn->ret_batch->cookie = ldap_cookie_text(turn->batch.arena, &state->cookie);
    state->has_news = false;
}

/* --- the turns --- */

static bool wants_to_ask(const struct dirsync_state *state)
{
    return state->message_id == 0 && state->page == NULL && (state->is_due || state->has_more);
}

static void look(struct ldap_follow *follow)
{
    struct dirsync_state *state = follow->state;
    char *attributes_of_root[] = {(char *)"highestCommittedUSN", NULL};
    int64_t now_us = ldap_now_us();
    if (state->look_id != 0 || now_us < state->looked_us + LOOK_US)
        return;
    state->looked_us = now_us;
    if (ldap_search_ext(follow->session.handle, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes_of_root, 0,
                        NULL, NULL, NULL, 1, &state->look_id) != LDAP_SUCCESS)
        state->look_id = 0;
}

/* Listens until there is something to tell. */
static enum code listen(struct ldap_follow *follow, struct follow_turn *turn)
{
    struct dirsync_state *state = follow->state;
    do {
        LDAPMessage *message;
        look(follow);
        if (wants_to_ask(state)) {
            enum code code = ask(follow, turn->problem);
            if (code != CODE_OK)
                return code;
        }
        int64_t again_us = ldap_now_us() + LOOK_US;
        int type = ldap_session_next(&follow->session, LDAP_RES_ANY,
                                     again_us < turn->until_us ? again_us : turn->until_us, &message);
        if (type < 0)
            return ldap_session_fault(&follow->session, LDAP_SERVER_DOWN, "its changes (DirSync)", "",
                                      turn->problem);
        if (type == 0)
            continue;
        enum code code = take(follow, turn, type, message);
        ldap_msgfree(message);
        if (code != CODE_OK)
            return code;
        if (state->is_refused ||
            (state->message_id == 0 && (state->page != NULL || (!state->is_primed && !state->has_more))))
            return CODE_OK;
    } while (ldap_now_us() < turn->until_us);
    if (state->message_id != 0 && ldap_now_us() >= follow->session.deadline_us)
        return ldap_session_fault(&follow->session, LDAP_TIMEOUT, "its changes (DirSync)", "", turn->problem);
    return ldap_follow_keep(follow, turn->problem);
}

static enum code next(struct ldap_follow *follow, struct follow_turn *turn)
{
    struct dirsync_state *state = follow->state;
    enum code code = CODE_OK;
    if (follow->load.is_going) {
        code = ldap_load_next(follow, turn);
        if (turn->ret_batch->ends_full)
            tell_cookie(state, turn);
        return code;
    }
    if (state->page == NULL || state->message_id != 0)
        code = listen(follow, turn);
    if (code != CODE_OK)
        return code;
    if (state->is_refused) {
        if (state->notification_id != 0)
            ldap_abandon_ext(follow->session.handle, state->notification_id, NULL, NULL);
        turn->ret_batch->has_more = true;
        return ldap_follow_change_method(follow, &ldap_follow_poll, turn->problem);
    }
    if (!state->is_primed) {
        turn->ret_batch->has_more = true;
        if (state->message_id == 0 && !state->has_more) {
            state->is_primed = true;
            ldap_load_begin(follow, NULL, NULL);
        }
        return CODE_OK;
    }
    if (state->page != NULL && state->message_id == 0)
        code = tell_changes(follow, turn);
    tell_cookie(state, turn);
    turn->ret_batch->has_more = state->page != NULL || state->has_more || state->is_due;
    return code;
}

static void end(struct ldap_follow *follow)
{
    struct dirsync_state *state = follow->state;
    forget_page(state);
    free(state->cookie.bv_val);
}

const struct ldap_follow_method ldap_follow_dirsync = {"DIRSYNC", begin, next, end};
