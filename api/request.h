/* A request on its way through the service, and its answer. */
#pragma once

#include "api/auth.h"
#include "api/rate_limit.h"
#include "api/response.h"
#include "api/route.h"
#include "db/conn.h"
#include "db/idempotency.h"
#include "db/list.h"
#include "db/tx.h"
#include "model/authority.h"
#include "model/field.h"

struct app;
struct flow_set;
struct wait;

#define REQUEST_MAX_BATCH 8

struct request {
    struct app *app;
    struct arena *arena; /* all of the request and its answer */
    struct problem problem;

    /* From the transport. */
    const char *method_name;
    const char *path;  /* raw, without the query */
    const char *query; /* raw, "" without one */
    const char *authorization;
    const char *content_type;
    const char *content_encoding;
    const char *idempotency_key;
    const char *if_match;
    const char *if_none_match;
    const char *host; /* NULL: HTTP/1.0 without one */
    const char *cookies;
    const char *csrf_token;
    const char *accept_encoding;
    const char *origin; /* of the page that a browser sends it for */
    const char *request_id;
    unsigned wait_s;            /* Prefer: wait */
    const char *trace_id;       /* of the caller; NULL: none */
    const char *source_address; /* who sent it, behind the proxies that are trusted */
    bool is_secure;             /* it came by TLS, as far as is known */
    int64_t now;                /* seconds since 1970, when it came */
    struct buffer body;
    bool body_ended;     /* of an upload: nothing comes after what is there */
    bool continues;      /* the handler wants more of the body, or has more of the answer */
    void *progress;      /* what the handler keeps from one piece to the next */
    struct arena *piece; /* of a download: has the piece that is being sent; the server frees it */

    const struct route *route;
    const char *arguments[ROUTE_MAX_ARGUMENTS]; /* decoded path segments, in order */
    enum lane lane;
    struct db *db; /* of the executor's thread; NULL in LANE_INLINE */
    struct principal principal;
    struct policy_question question; /* that it was let in for; of root without action and resource */
    const char *actor;
    bool admitted;    /* may be handled: it is not asked again when it is run once more */
    struct rate rate; /* of the access key */
    bool validate_only;
    struct idempotency idempotency; /* key is NULL without one */
    bool in_hash_gate;              /* it has this place there: */
    unsigned hash_place;
    char guess_key[RATE_LIMIT_KEY_SIZE]; /* of the password that it shows (api/guess.h) */
    struct list_pending list;            /* of a list whose statements are queued */
    struct flow_set *flow_rules; /* that it holds (api/flow_cache.h); NULL: none, then they are read: */
    uint64_t flow_generation;    /* what they are as of */

    struct response response;
    const char *operation_id; /* that the answer shows; NULL: none */
    bool operation_over;
    struct wait *wait; /* of a request that is held (api/waiting.h), or was */

    struct request *next; /* in the queue that it is in */
    void *transport;      /* the server's */
};

/* Finds the route for method and path. On false the answer is made. */
bool request_find_route(struct request *request);

/* Authenticates, authorizes and runs the handler; the answer is made, unless the request is to go on in another lane
 * (request.lane says which, and the response has no status). `db` is the calling thread's connection. */
void request_run(struct request *request, struct db *db);

/* The same for up to REQUEST_MAX_BATCH requests, linked by `next`, whose routes queue: in one round trip. */
void request_run_batch(struct request *first, struct db *db);

/* Gives back what it holds of others, once its answer is out. */
void request_end(struct request *request);

/* --- for handlers --- */

/* The body by the route's table, over the defaults in `target`. */
enum code request_body(struct request *request, void *target, uint64_t *ret_set);
/* The query string by the route's table, over the defaults in `target`. */
enum code request_query(struct request *request, void *target);
/* The same for a list, whose paging is the member `page` of `target`. CODE_MOVE_LANE when all of them are to be counted and
 * the request is not in the lane for that. */
enum code request_list_query(struct request *request, void *target, struct list_query *page);

/* Asks a list of the account for what the query string wants and the caller may see, and answers it. `page` is the paging in
 * `asked`. */
enum code request_answer_list(struct request *request, void *asked, struct list_query *page,
                              list_of_account *list);

/* What changes are made with. */
struct change request_change(struct request *request);

/* Of a credential that is not valid: the audit log tells of it, and it counts against the address that it came from.
 * CODE_UNAUTHENTICATED, or CODE_RATE_LIMITED once there were too many. */
enum code request_refuse_credential(struct request *request, const char *action, const char *target,
                                    const struct auth_claim *claim);

/* Asks to be run again in that lane; nothing may have been done yet. */
enum code request_move(struct request *request, enum lane lane);

/* Before servers elsewhere are waited for, of callers who may do that: CODE_OK where this holds up nothing quick, CODE_MOVE_LANE
 * until the request is there. */
enum code request_go_outside(struct request *request);

struct buffer request_buffer(struct request *request);
/* For uploads, once the body has ended: what tells it from others under the same Idempotency-Key, and the answer that was
 * stored under it, if there is one. */
enum code request_replay_upload(struct request *request, const char *digest, bool *ret_replayed);
struct answer request_answer(struct request *request);

/* Hashes a password in the lane for it: CODE_MOVE_LANE until the request is there. */
enum code request_hash_password(struct request *request, const char *password, const char **ret_hash);
