/* External directories as they are followed: which are to be, by whom, and applying what comes of it. */
#pragma once

#include "db/tx.h"
#include "model/directory_entry.h"

/* A directory that this process follows, until its lease ends. */
struct directory_claim {
    const char *directory_id;
    const char *account_id;
    const char *organization_id;
    const char *type;
    const char *claims;       /* the fence */
    const char *connection;   /* JSON … */
    const char *generation;   /* … and its number, */
    const char *password;     /* without this: opened; NULL: there is none */
    const char *cookie;       /* NULL: with a full comparison */
    bool full_wanted;         /* the same, whatever the cookie says */
    bool is_comparing;        /* the cookie goes on with a full comparison */
    bool is_active_directory; /* its groups follow members that are moved, without telling of it */
    bool is_unreadable;       /* the password does not open */
    int64_t failures;         /* in a row */
};

/* Claims directories that are due, up to `limit`. One statement, in no transaction. */
enum code directory_claim_due(struct db *db, struct arena *arena, struct problem *problem, int64_t limit,
                              struct directory_claim **ret_claims, size_t *ret_count);

/* In another arena. */
struct directory_claim directory_claim_copy(struct arena *arena, const struct directory_claim *claim);

/* What became of those that are followed here: `ids` is an array literal. Leases that end soon begin anew. */
struct directory_watch {
    const char *directory_id;
    const char *claims;
    const char *generation;
    bool full_wanted;
};
enum code directory_watch(struct db *db, struct arena *arena, struct problem *problem, const char *ids,
                          struct directory_watch **ret_list, size_t *ret_count);

/* Under the fence; each is a transaction. CODE_DIRECTORY_STATE: another one follows it, or nobody is to any more. */
/* Its searches are answered, and what they found was believed: what was in the way is not any more. */
enum code directory_begin(struct db *db, struct change *change, const struct directory_claim *claim);
/* Applies the batch with its cookie; one that ends a full comparison is applied without, for directory_end_full. `read_us`:
 * when it was read. */
enum code directory_apply(struct db *db, struct change *change, const struct directory_claim *claim,
                          const struct directory_batch *batch, int64_t read_us);
/* Removes up to a thousand entities that the full comparison did not see. Without more of them (ret_more) it is over, and
 * the cookie holds. CODE_DIRECTORY_REFUSED: more than half of the users or groups are missing, and nothing was removed; that is
 * done once a comparison is asked for while DIRECTORY_TOO_MANY_MISSING is what is in the way. */
#define DIRECTORY_TOO_MANY_MISSING "too_many_missing"
enum code directory_end_full(struct db *db, struct change *change, const struct directory_claim *claim,
                             const char *cookie, bool *ret_more);
/* Nothing came for a while: what is here is as it is there. */
enum code directory_rest(struct db *db, struct change *change, const struct directory_claim *claim);
/* It could not be followed, and is tried again after a while. */
enum code directory_fail(struct db *db, struct change *change, const struct directory_claim *claim,
                         const char *error_code, const char *error, int64_t delay_ms);
/* Others may follow it now. */
enum code directory_release(struct db *db, struct change *change, const struct directory_claim *claim);
