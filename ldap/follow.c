#include "ldap/follow.h"

#include <string.h>
#include <strings.h>

#include "ldap/follow_method.h"
#include "model/digest.h"
#include "model/text.h"

#define QUIET_US 15000000 /* then the server is asked whether it is still there */
#define PING_US  10000000 /* so long it may take to answer that */

/* Ids in the news of RFC 4533 are entryUUIDs: with other external ids they say nothing. */
static const struct ldap_follow_method *choose(const struct ldap_root_dse *root,
                                               const struct directory_connection *connection)
{
    if (root->has_dirsync && root->naming_context != NULL)
        return &ldap_follow_dirsync;
    if (root->has_sync && strcasecmp(connection->mapping.external_id, "entryUUID") == 0)
        return &ldap_follow_syncrepl;
    return &ldap_follow_poll;
}

const char *ldap_follow_method_name(const struct ldap_root_dse *root,
                                    const struct directory_connection *connection)
{
    return choose(root, connection)->name;
}

/* A cookie is the name of its method, a colon, and what the method says. */
static const char *own_cookie(const struct ldap_follow *follow)
{
    size_t length = strlen(follow->method->name);
    if (follow->cookie == NULL || strncmp(follow->cookie, follow->method->name, length) != 0 ||
        follow->cookie[length] != ':')
        return NULL;
    return follow->cookie + length + 1;
}

enum code ldap_follow_change_method(struct ldap_follow *follow, const struct ldap_follow_method *method,
                                    struct problem *problem)
{
    if (follow->state != NULL)
        follow->method->end(follow);
    follow->state = NULL;
    follow->method = method;
    return method->begin(follow, own_cookie(follow), problem);
}

enum code ldap_follow_open(const struct directory_connection *connection, const char *cookie,
                           int64_t deadline_us, struct problem *problem, struct ldap_follow **ret_follow)
{
    struct arena *arena = arena_new();
    struct ldap_follow *follow = arena_alloc(arena, sizeof(*follow));
    follow->arena = arena;
    follow->connection = connection;
    follow->cookie = cookie != NULL ? arena_string(arena, cookie) : NULL;
    enum code code = ldap_session_open(connection, deadline_us, problem, &follow->session);
    if (code == CODE_OK)
        code = ldap_root_dse_read(&follow->session, arena, problem, &follow->root);
    if (code == CODE_OK) {
        ldap_follow_heard(follow);
        code = ldap_follow_change_method(follow, choose(&follow->root, connection), problem);
    }
    if (code != CODE_OK) {
        ldap_follow_close(follow);
        return code;
    }
    *ret_follow = follow;
    return CODE_OK;
}

enum code ldap_follow_next(struct ldap_follow *follow, struct arena *arena, int timeout_ms,
                           struct directory_batch *ret_batch, struct problem *problem)
{
    struct directory_batch batch = {0};
    struct follow_turn turn = {.batch.arena = arena,
                               .ret_batch = &batch,
                               .until_us = ldap_now_us() + (int64_t)timeout_ms * 1000,
                               .problem = problem};
    enum code code = follow->method->next(follow, &turn);
    if (code != CODE_OK)
        return code;
    ldap_batch_finish(&turn.batch, &batch);
    if (batch.cookie != NULL)
        batch.cookie = arena_printf(arena, "%s:%s", follow->method->name, batch.cookie);
    *ret_batch = batch;
    return CODE_OK;
}

void ldap_follow_close(struct ldap_follow *follow)
{
    if (follow == NULL)
        return;
    ldap_load_end(&follow->load);
    if (follow->method != NULL && follow->state != NULL)
        follow->method->end(follow);
    ldap_session_close(&follow->session);
    arena_free(follow->arena);
}

const char *ldap_follow_method(const struct ldap_follow *follow)
{
    return follow->method->name;
}

void ldap_follow_heard(struct ldap_follow *follow)
{
    follow->heard_us = ldap_now_us();
    follow->session.deadline_us = follow->heard_us + SILENCE_US;
}

enum code ldap_follow_keep(struct ldap_follow *follow, struct problem *problem)
{
    int64_t silent_us = ldap_now_us() - follow->heard_us;
    if (silent_us >= QUIET_US + PING_US)
        return ldap_session_fault(&follow->session, LDAP_TIMEOUT, "whether it is still there", "", problem);
    if (silent_us >= QUIET_US && follow->ping_id == 0 &&
        (follow->ping_id = ldap_root_dse_ping(&follow->session)) == 0)
        return ldap_session_fault(&follow->session, LDAP_SERVER_DOWN, "whether it is still there", "",
                                  problem);
    if (silent_us < QUIET_US)
        follow->ping_id = 0;
    return CODE_OK;
}

const char *ldap_cookie_text(struct arena *arena, const struct berval *bytes)
{
    char *hex = arena_alloc(arena, 2 * bytes->bv_len + 1);
    digest_to_hex((const unsigned char *)bytes->bv_val, bytes->bv_len, hex);
    return hex;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

bool ldap_cookie_bytes(struct arena *arena, const char *text, size_t length, struct berval *ret_bytes)
{
    char *bytes = arena_alloc(arena, length / 2 + 1);
    if (length % 2 != 0)
        return false;
    for (size_t i = 0; i < length; i += 2) {
        int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (char)(high << 4 | low);
    }
    *ret_bytes = (struct berval){.bv_len = length / 2, .bv_val = bytes};
    return true;
}
