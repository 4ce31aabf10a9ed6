/* What the ways of following a directory have in common: for ldap/follow*.c alone. */
#pragma once

#include "ldap/batch.h"
#include "ldap/entry.h"
#include "ldap/follow.h"
#include "ldap/reader.h"
#include "ldap/root_dse.h"

#define SILENCE_US 30000000 /* so long a server that was asked may say nothing */

/* Reading users, then groups, over several turns: all, or those that changed. */
struct ldap_load {
    struct ldap_reader reader;
    struct arena *arena; /* while it is_going */
    const char *since;
    const char *more;
    bool is_going, is_groups, is_told; /* is_told: its beginning */
    char newest[32];                   /* modifyTimestamp that was seen, if it was asked for; or "" */
};

struct ldap_follow {
    const struct ldap_follow_method *method;
    const struct directory_connection *connection;
    struct arena *arena; /* lives as long as the handle */
    struct ldap_session session;
    struct ldap_root_dse root;
    struct ldap_load load;
    void *state;        /* the method's */
    const char *cookie; /* that it was opened with */
    int64_t heard_us;
    int ping_id;
};

/* What a call of ldap_follow_next works with. */
struct follow_turn {
    struct ldap_batch batch;
    struct directory_batch *ret_batch; /* starts_full, ends_full, cookie, has_more */
    int64_t until_us;
    struct problem *problem;
};

struct ldap_follow_method {
    const char *name;
    /* `cookie` as the method made it, or NULL. */
    enum code (*begin)(struct ldap_follow *follow, const char *cookie, struct problem *problem);
    enum code (*next)(struct ldap_follow *follow, struct follow_turn *turn);
    void (*end)(struct ldap_follow *follow);
};
extern const struct ldap_follow_method ldap_follow_syncrepl, ldap_follow_dirsync, ldap_follow_poll;

/* How changes of such a server are followed. */
const char *ldap_follow_method_name(const struct ldap_root_dse *root,
                                    const struct directory_connection *connection);

/* Begins to read anew: all, which makes it a full load, or what the filter `since` finds, too. `more` is an attribute to ask for
 * besides, or NULL. */
void ldap_load_begin(struct ldap_follow *follow, const char *since, const char *more);

/* Reads on, until the batch is full or the time is over. At its end it is not going any more. */
enum code ldap_load_next(struct ldap_follow *follow, struct follow_turn *turn);
void ldap_load_end(struct ldap_load *load);

/* Reads what a filter finds, which are `most` at most, into the batch. */
enum code ldap_load_few(struct ldap_follow *follow, struct follow_turn *turn, bool is_group,
                        const char *filter, size_t most);

/* The server does not let us follow it like this: another method goes on, with a cookie of its own if there is one. */
enum code ldap_follow_change_method(struct ldap_follow *follow, const struct ldap_follow_method *method,
                                    struct problem *problem);

/* Something came. */
void ldap_follow_heard(struct ldap_follow *follow);

/* While it listens only: asks from time to time whether the server still answers. A fault when it does not. */
enum code ldap_follow_keep(struct ldap_follow *follow, struct problem *problem);

/* Bytes as text for a cookie, and back. False: it is not such text. */
const char *ldap_cookie_text(struct arena *arena, const struct berval *bytes);
bool ldap_cookie_bytes(struct arena *arena, const char *text, size_t length, struct berval *ret_bytes);
