/* The audit log in the database: events are written with what they tell of, read here, sealed by db/audit_seal.h and
 * verified by db/audit_verify.h. */
#pragma once

#include "db/list.h"
#include "db/tx.h"
#include "model/audit.h"

/* Within a transaction, last: the event of a change whose note has an action and a target. */
void audit_queue_event(struct db *db, const struct change *change);
/* Several at once, of one action: rows is JSON, [{target, changes}]. One result to collect. */
void audit_queue_several(struct db *db, const struct change *change, const char *rows);

/* A request that was refused. */
struct audit_refusal {
    const char *account_id; /* NULL: not known; the event is the installation's */
    const char *organization_id;
    const char *actor;
    const char *access_key_id; /* that was shown, for "anonymous" without a proof; may be NULL */
    const char *source_address;
    const char *request_id;
    const char *action;
    const char *target;
    const char *reason; /* code of the refusal */
    int64_t omitted;    /* not 0: this event stands for so many */
};
void audit_queue_refusal(struct db *db, struct arena *arena, const struct audit_refusal *refusal);

struct audit_query {
    struct list_query page;
    bool
        hides_targets; /* page.visible are patterns of targets that are not shown, not organizations that are */
    const char *organization_id; /* of the account's list alone */
    const char *action;
    const char *actor;
    const char *access_key_id;
    const char *target;
    const char *outcome;
    const char *request_id;
    const char *since;
    const char *until;
};
extern const struct field_table audit_query_table;
extern const struct field_table organization_audit_query_table;

/* The events of an account; or, when an organization is named, of that one. */
enum code audit_list(struct db *db, const char *account_id, const char *organization_id,
                     struct audit_query *query, struct problem *problem, struct buffer *out,
                     const char **ret_next_token);
