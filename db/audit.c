#include "db/audit.h"

#include <string.h>

#include "db/organization.h"
#include "db/row.h"
#include "model/json_out.h"

/* --- writing --- */

static const struct statement insert = {
    "INSERT INTO audit_unsealed (chain, organization_id, actor, access_key_id, source_address, request_id, action, target,"
    " outcome, reason, omitted, changes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    12};

static const char *chain_of(const char *account_id)
{
    return account_id != NULL ? account_id : AUDIT_INSTALLATION;
}

static void add_state(struct buffer *out, const char *name, const struct buffer *json)
{
    if (json->length == 0)
        return;
    out_name(out, name);
    out_raw(out, json->data, json->length);
}

/* {before, after}; NULL when neither is known. */
static const char *changes_of(const struct change *change)
{
    const struct buffer *before = &change->audit.before;
    const struct buffer *after = change->audit.after.length > 0 ? &change->audit.after : &change->answer.body;
    struct buffer out = {.arena = change->arena};
    if (before->length == 0 && after->length == 0)
        return NULL;
    buffer_reserve(&out, before->length + after->length + 32);
    out_begin_object(&out);
    add_state(&out, "before", before);
    add_state(&out, "after", after);
    out_end_object(&out);
    return buffer_string(&out);
}

/* What was made anew is told by its own path. */
static const char *target_of(const struct change *change)
{
    int status = change->answer.status != 0 ? change->answer.status : change->status;
    return status == 201 && change->answer.location != NULL ? change->answer.location : change->audit.target;
}

void audit_queue_event(struct db *db, const struct change *change)
{
    const struct audit_note *note = &change->audit;
    if (note->action == NULL || note->target == NULL)
        return;
    DB_QUEUE(db, &insert, chain_of(change->account_id), note->organization_id, change->actor,
             change->access_key_id, change->source_address, change->request_id, note->action,
             target_of(change), note->failure != NULL ? "FAILED" : "ALLOWED", note->failure, NULL,
             changes_of(change));
}

void audit_queue_several(struct db *db, const struct change *change, const char *rows)
{
    /* Of type json, not jsonb: what was written is what stays. */
    static const struct statement insert_several = {
        "INSERT INTO audit_unsealed (chain, organization_id, actor, access_key_id, source_address, request_id, action,"
        " target, outcome, changes) SELECT $1, $2, $3, $4, $5, $6, $7, r.target, 'ALLOWED', r.changes::text"
        " FROM json_to_recordset($8::json) AS r (target text, changes json)",
        8};
    DB_QUEUE(db, &insert_several, chain_of(change->account_id), change->audit.organization_id, change->actor,
             change->access_key_id, change->source_address, change->request_id, change->audit.action, rows);
}

void audit_queue_refusal(struct db *db, struct arena *arena, const struct audit_refusal *refusal)
{
    DB_QUEUE(db, &insert, chain_of(refusal->account_id), refusal->organization_id, refusal->actor,
             refusal->access_key_id, refusal->source_address, refusal->request_id, refusal->action,
             refusal->target, "DENIED", refusal->reason,
             refusal->omitted != 0 ? row_integer(arena, refusal->omitted) : NULL, NULL);
}

/* --- reading --- */

#define FILTER_ROWS                                                         \
    LIST_PAGE_ROWS(struct audit_query), LIST_ORDER_ROW(struct audit_query), \
        FIELD_STRING_ROW(struct audit_query, action, 0, 1, 128),            \
        FIELD_STRING_ROW(struct audit_query, actor, 0, 1, 64),              \
        FIELD_STRING_ROW(struct audit_query, access_key_id, 0, 1, 64),      \
        FIELD_STRING_ROW(struct audit_query, target, 0, 1, 1024),           \
        FIELD_ENUM_ROW(struct audit_query, outcome, 0, audit_outcomes),     \
        FIELD_STRING_ROW(struct audit_query, request_id, 0, 1, 64),         \
        FIELD_TIME_ROW(struct audit_query, since, 0), FIELD_TIME_ROW(struct audit_query, until, 0)

static const struct field query_fields[] = {
    FILTER_ROWS,
    FIELD_STRING_ROW(struct audit_query, organization_id, 0, 1, 64),
};
static const struct field organization_query_fields[] = {FILTER_ROWS};
const struct field_table audit_query_table = FIELD_TABLE("list_audit_events_query", query_fields);
const struct field_table organization_audit_query_table =
    FIELD_TABLE("list_audit_events_for_organization_query", organization_query_fields);

#define COLUMNS                                                                                           \
    "a.sequence, a.at, nullif(a.chain, '" AUDIT_INSTALLATION "') AS account_id, a.organization_id,"       \
    " CASE a.actor WHEN 'root' THEN 'ROOT' WHEN 'service' THEN 'SERVICE' WHEN 'operator' THEN 'OPERATOR'" \
    "  WHEN 'anonymous' THEN 'ANONYMOUS' ELSE 'IAM_USER' END AS \"actor.kind\", a.actor AS \"actor.id\"," \
    " a.access_key_id AS \"actor.access_key_id\", a.source_address, a.request_id, a.action, a.target,"    \
    " a.outcome, a.reason, a.omitted, a.changes, a.hash"

#define OF_ORGANIZATIONS " AND a.organization_id = ANY($?::text[])"
#define BUT_TARGETS      " AND NOT a.target LIKE ANY($?::text[])"
#define LIST(condition, parameters, shown)                                                                \
    {                                                                                                     \
        .table = &audit_event_table, .columns = COLUMNS, .from = "FROM audit_log a WHERE " condition,     \
        .fixed = (parameters), .filters = {" AND a.action = $?",           " AND a.actor = $?",           \
                                           " AND a.access_key_id = $?",    " AND a.target = $?",          \
                                           " AND a.outcome = $?",          " AND a.request_id = $?",      \
                                           " AND a.at >= $?::timestamptz", " AND a.at < $?::timestamptz", \
                                           " AND a.organization_id = $?"},                                \
        .visible = (shown), .orders = {{"at", "a.at", "timestamptz"}}, .default_order = "-at",            \
        .id = "a.event_id", .id_type = "bigint",                                                          \
    }

enum code audit_list(struct db *db, const char *account_id, const char *organization_id,
                     struct audit_query *query, struct problem *problem, struct buffer *out,
                     const char **ret_next_token)
{
    static const struct list_spec of_account = LIST("a.chain = $1", 1, OF_ORGANIZATIONS);
    static const struct list_spec but_targets = LIST("a.chain = $1", 1, BUT_TARGETS);
    static const struct list_spec of_organization =
        LIST("a.chain = $1 AND a.organization_id = $2", 2, OF_ORGANIZATIONS);
    const char *const filters[LIST_MAX_FILTERS] = {query->action, query->actor,   query->access_key_id,
                                                   query->target, query->outcome, query->request_id,
                                                   query->since,  query->until,   query->organization_id};
    const char *const fixed[] = {account_id, organization_id};
    bool all = organization_id == NULL;
    struct organization_row row;
    struct list_pending pending;

    memcpy(query->page.filters, filters, sizeof(filters));
    if (!all)
        organization_queue(db, account_id, organization_id, ORGANIZATION_READ);
    const struct list_spec *spec = !all                   ? &of_organization
                                   : query->hides_targets ? &but_targets
                                                          : &of_account;
    enum code code = list_queue(db, spec, &query->page, fixed, out->arena, problem, &pending);
    if (code == CODE_OK && !all)
        code = organization_collect(db, out->arena, problem, &row);
    if (code != CODE_OK)
        return code;
    return list_collect(db, &pending, problem, out, ret_next_token);
}
