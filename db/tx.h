/* THE transaction runner: every change to the database is made by a body that tx_run calls. */
#pragma once

#include "db/conn.h"
#include "model/buffer.h"
#include "model/field.h"

struct idempotency;

/* What a change answers: made by its body, before the COMMIT, so that it can be stored with the change. */
struct answer {
    struct buffer body;   /* JSON; empty when there is nothing to say */
    const char *location; /* of what was made; NULL when nothing was */
    const char *etag;     /* of what the body shows; NULL when it has no version */
    int status;           /* 0: the usual one of the operation */
};

/* What the audit log says of a change. Who asks for it fills it in; a body may correct it. */
struct audit_note {
    const char *action;          /* workmail:CreateUser, …; NULL: the change writes no event */
    const char *organization_id; /* NULL: of none */
    const char *target;          /* path of what is changed; NULL: the change writes no event */
    struct buffer before;        /* JSON, without secrets; empty when nothing was, or is not known */
    struct buffer after;         /* the same; empty: the answer's body */
    const char *failure;         /* why background work failed; NULL: it did not */
};

/* What a change needs to know of the request or job that makes it, and what comes of it. */
struct change {
    struct arena *arena;
    struct problem *problem;
    const char *account_id;    /* NULL: of the installation */
    const char *actor;         /* "root", the id of an IAM user, "service" or "operator" */
    const char *access_key_id; /* NULL, like the next two, when it is not a request's */
    const char *source_address;
    const char *request_id;
    const char *operation; /* CreateUser, … */
    int status;            /* of a success, where the answer has none of its own */
    const char *location;  /* the same of what is made; NULL: the body says it */

    /* What the caller asked for besides. */
    bool validate_only;                    /* everything is done and checked, then rolled back */
    const char *if_match;                  /* NULL: no precondition */
    bool matched;                          /* tx_match was called in this attempt */
    const struct idempotency *idempotency; /* NULL: no key */

    struct answer answer;
    struct audit_note asked; /* as it is asked for */
    struct audit_note audit; /* of this attempt, which begins with the one above */
};

/* The entity tag of a version. */
const char *tx_etag(struct arena *arena, const char *version);
/* The same of what also shows things that are not decided but observed: it changes with them, while If-Match asks for the
 * version alone. */
const char *tx_etag_observed(struct arena *arena, const char *version, const struct buffer *body);

/* Whether an If-Match or If-None-Match names the tag, or that of the same in gzip: a list of tags, or `*`. Weak ones count
 * for the latter only (RFC 9110, 13.1). */
bool tx_names(const char *tags, const char *etag, bool takes_weak);

/* For bodies, once what the request is about is locked: CODE_PRECONDITION_FAILED unless its version is one that the
 * caller's If-Match names. A change that is asked for with If-Match and never calls this is refused. */
enum code tx_match(struct change *change, const char *version);

/* For bodies: the first row of a result, which has the columns of the table, is what the audit log shows as the state
 * before the change; without a row there was none. */
enum code tx_before(struct change *change, const PGresult *result, const struct field_table *table);

/* Reads and writes rows, makes the answer and says in `audit` what the event cannot know otherwise, nothing else: it may run
 * more than once, with answer and note as at first each time. CODE_OK commits (statements still queued go out with the
 * COMMIT); any other code rolls back. */
typedef enum code tx_body(struct db *db, struct change *change, void *argument);

/* Runs the body in a READ COMMITTED transaction; again, a few times with jitter, when it met another transaction
 * (40001, 40P01). CODE_OUTCOME_UNKNOWN when the connection was lost at COMMIT. Wakes the workers when a job was
 * enqueued, and who waits for an operation that ended. */
enum code tx_run(struct db *db, struct change *change, tx_body *body, void *argument);
