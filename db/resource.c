#include "db/resource.h"

#include <stdlib.h>
#include <string.h>

#include "db/address.h"
#include "db/entity_sql.h"
#include "db/row.h"
#include "model/email.h"
#include "model/id.h"
#include "model/json_out.h"

#define HAS_DELEGATES                                                               \
    "EXISTS (SELECT FROM entity_edge m WHERE m.organization_id = e.organization_id" \
    " AND m.relation = 'DELEGATE' AND m.owner_id = e.entity_id)"
#define DELEGATES                                                                                             \
    "(SELECT coalesce(json_agg(json_build_object('entity_id', n.entity_id, 'kind', n.kind, 'name', n.name)"   \
    "  ORDER BY n.name_folded, n.entity_id), '[]') FROM entity_edge m JOIN entity n"                          \
    "  ON n.organization_id = m.organization_id AND n.entity_id = m.member_id"                                \
    "  WHERE m.organization_id = e.organization_id AND m.relation = 'DELEGATE' AND m.owner_id = e.entity_id)" \
    " AS delegates"
#define WARNINGS                                                                             \
    "CASE WHEN d.auto_accept_requests OR " HAS_DELEGATES " THEN ARRAY[]::text[] ELSE ARRAY[" \
    "'Requests are not accepted automatically and there is no delegate: nobody answers them.'] END AS warnings"

/* The rows of resource_table that answers have, in its order. */
#define COLUMNS                                                                                                        \
    "'r-' || replace(e.entity_id::text, '-', '') AS resource_id, e.name, d.type, e.state, d.description," ENTITY_EMAIL \
    "," ENTITY_ALIASES ", e.hidden_from_address_list,"                                                                 \
    " d.auto_accept_requests AS \"booking_options.auto_accept_requests\","                                             \
    " d.auto_decline_recurring_requests AS \"booking_options.auto_decline_recurring_requests\","                       \
    " d.auto_decline_conflicting_requests AS \"booking_options.auto_decline_conflicting_requests\","                   \
    " " DELEGATES ", " WARNINGS ", e.enabled_at, e.disabled_at, e.purge_at, e.created_at, e.updated_at"
#define JOINS ENTITY_JOIN("LEFT JOIN", "resource_detail", "d")

static const struct field query_fields[] = {ENTITY_QUERY_ROWS(resource_types, RESOURCE_NAME_MAX)};
const struct field_table resource_query_table = FIELD_TABLE("list_resources_query", query_fields);

static const struct list_spec list = {
    .table = &resource_table,
    .columns = COLUMNS,
    .orders = {ENTITY_ORDER_NAME, ENTITY_ORDER_CREATED_AT},
    .from = ENTITY_FROM("RESOURCE", JOINS),
    .filters = ENTITY_FILTERS(" AND d.type = $?"),
    ENTITY_LIST,
};
static const struct statement describe = ENTITY_DESCRIBE("RESOURCE", COLUMNS, JOINS);
static const struct statement see = ENTITY_SEE("RESOURCE", COLUMNS, JOINS);

const struct entity_kind resource_kind = {
    .kind = "RESOURCE",
    .noun = "resource",
    .segment = "resources",
    .is_deleted_directly = true,
    .not_found = CODE_RESOURCE_NOT_FOUND,
    .is_id = id_is_resource,
    .table = &resource_table,
    .list = &list,
    .describe = &describe,
    .see = &see,
};

/* What the bodies of the transactions below are given. */
struct work {
    struct entity_key key;
    const struct resource *resource;
    uint64_t set;
    const struct booking_options *options;
};

/* --- booking options --- */

static void queue_update_options(struct db *db, const struct entity_key *key,
                                 const struct booking_options *options)
{
    static const struct statement update = {
        "UPDATE resource_detail SET auto_accept_requests = $3, auto_decline_recurring_requests = $4,"
        " auto_decline_conflicting_requests = $5 WHERE organization_id = $1 AND entity_id = $2",
        5};
    DB_QUEUE(db, &update, key->organization_id, key->entity_id, row_boolean(options->auto_accept_requests),
             row_boolean(options->auto_decline_recurring_requests),
             row_boolean(options->auto_decline_conflicting_requests));
}

/* Guide, "Edit a Resource": who adds delegates clears automatic acceptance first. */
static enum code refuse_both(struct problem *problem)
{
    return problem_set(problem, CODE_BOOKING_OPTIONS,
                       "Requests are either accepted automatically or decided by delegates: set"
                       " booking_options.auto_accept_requests to false, or take the delegates away.");
}

/* After what was queued before: that the resource, with what it has now, is in order. */
static enum code check_options(struct db *db, struct change *change, const struct entity_key *key,
                               int pending)
{
    static const struct statement both = {"SELECT d.auto_accept_requests AND " HAS_DELEGATES
                                          " FROM entity e" JOINS
                                          " WHERE e.organization_id = $1 AND e.entity_id = $2",
                                          2};
    DB_RESULT result = NULL;
    enum code code = CODE_OK;
    DB_QUEUE(db, &both, key->organization_id, key->entity_id);
    for (int i = 0; i < pending && code == CODE_OK; i++)
        code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code == CODE_OK && PQgetvalue(result, 0, 0)[0] == 't')
        code = refuse_both(change->problem);
    return code;
}

#define OPTIONS                                                  \
    "d.auto_accept_requests, d.auto_decline_recurring_requests," \
    " d.auto_decline_conflicting_requests, " WARNINGS
static const struct statement get_options = {"SELECT " OPTIONS ", " DELEGATES
                                             ", e.state, e.version FROM entity e" JOINS
                                             " WHERE e.organization_id = $1 AND e.entity_id = $2",
                                             2};

/* For reads: the organization and the resource must be there. */
static enum code get(struct db *db, const char *account_id, const struct entity_key *key,
                     struct problem *problem, PGresult **ret_result)
{
    struct answer unused = {.body.arena = problem->arena};
    entity_queue_view(db, account_id, key);
    DB_QUEUE(db, &get_options, key->organization_id, key->entity_id);
    enum code code = entity_collect_view(db, key->kind, problem, &unused);
    if (code == CODE_OK)
        code = db_collect(db, problem, ret_result);
    if (code == CODE_OK && PQntuples(*ret_result) == 0) /* it went between the two */
        code = CODE_RESOURCE_NOT_FOUND;
    return code;
}

/* They have the version of their resource. */
static enum code write_options(struct arena *arena, const PGresult *result, struct answer *answer)
{
    answer->etag = tx_etag(arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, 0, &booking_options_table, &answer->body);
}

enum code resource_get_booking_options(struct db *db, const char *account_id, const struct entity_key *key,
                                       struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = get(db, account_id, key, problem, &result);
    return code == CODE_OK ? write_options(problem->arena, result, answer) : code;
}

static enum code put_options_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    const struct entity_key *key = &work->key;
    struct entity_locked locked = {0};
    DB_RESULT before = NULL;
    DB_RESULT result = NULL;

    enum code code = entity_lock(db, change, key, &locked, NULL);
    if (code == CODE_OK)
        code = entity_need_editable(change, key, &locked);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &before, &get_options, key->organization_id, key->entity_id);
    if (code == CODE_OK)
        code = tx_before(change, before, &booking_options_table);
    if (code != CODE_OK)
        return code;
    queue_update_options(db, key, work->options);
    entity_queue_touch(db, key->organization_id, key->entity_id);
    code = check_options(db, change, key, 2);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &result, &get_options, key->organization_id, key->entity_id);
    return code == CODE_OK ? write_options(change->arena, result, &change->answer) : code;
}

enum code resource_put_booking_options(struct db *db, struct change *change, const struct entity_key *key,
                                       const struct booking_options *options)
{
    struct work work = {.key = *key, .options = options};
    return tx_run(db, change, put_options_body, &work);
}

enum code resource_test_booking(struct db *db, const char *account_id, const struct entity_key *key,
                                const struct booking_request *request, struct problem *problem,
                                struct buffer *out)
{
    DB_RESULT result = NULL;
    struct booking_options options = {0};
    const char *reason;

    enum code code = get(db, account_id, key, problem, &result);
    if (code != CODE_OK)
        return code;
    const char *state = row_text(problem->arena, result, 0, "state");
    if (strcmp(state, "ENABLED") != 0)
        return problem_set(problem, CODE_ENTITY_STATE,
                           "The resource is %s. Only one that is ENABLED takes requests.", state);
    const char *delegates = row_text(problem->arena, result, 0, "delegates");
    row_read(problem->arena, result, 0, &booking_options_table, &options);
    const char *decision = resource_decide(&options, request, strcmp(delegates, "[]") != 0, &reason);
    out_begin_object(out);
    out_member(out, "decision", decision);
    out_member(out, "reason", reason);
    out_name(out, "delegates");
    out_raw(out, delegates, strlen(delegates));
    out_end_object(out);
    return CODE_OK;
}

/* --- creating and changing --- */

/* The delegates, the address and the options fit together, and are there. */
static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert_detail = {
        "INSERT INTO resource_detail (organization_id, entity_id, type, description, auto_accept_requests,"
        " auto_decline_recurring_requests, auto_decline_conflicting_requests) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        7};
    const struct work *work = argument;
    const struct entity_key *key = &work->key;
    const struct resource *resource = work->resource;
    const struct booking_options *options = &resource->booking_options;
    struct organization_row organization;
    struct email email;
    int pending = 2;

    enum code code = entity_enter_to_create(db, change, key, &organization);
    if (code == CODE_OK)
        code = address_resolve(db, change, &organization, resource->email, resource->name, &email);
    if (code != CODE_OK)
        return code;
    change->answer.location = entity_path(change->arena, key);
    entity_queue_lock_several(db, change, key->organization_id, resource->delegate_ids);
    entity_queue_insert(db, key, resource->name, resource->name, resource->hidden_from_address_list);
    DB_QUEUE(db, &insert_detail, key->organization_id, key->entity_id, resource->type, resource->description,
             row_boolean(options->auto_accept_requests),
             row_boolean(options->auto_decline_recurring_requests),
             row_boolean(options->auto_decline_conflicting_requests));
    pending += entity_queue_enable(db, change, &organization, key, resource->name, email.address);
    if (resource->delegate_ids != NULL) {
        for (; pending > 0 && code == CODE_OK; pending--)
            code = db_collect(db, change->problem, NULL);
        if (code == CODE_OK)
            code = edge_replace(db, change, &edge_delegate, key, "delegate_ids", resource->delegate_ids);
        if (code == CODE_OK)
            code = check_options(db, change, key, 0);
    }
    return code == CODE_OK ? entity_touch_and_show(db, change, key, pending) : code;
}

enum code resource_create(struct db *db, struct change *change, const char *organization_id,
                          const struct resource *resource)
{
    struct work work = {
        .key = entity_key(&resource_kind, organization_id, id_new_resource(change->arena)),
        .resource = resource,
    };
    enum code code = entity_need_unreserved(db, change, resource->name);
    return code == CODE_OK ? tx_run(db, change, create_body, &work) : code;
}

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update_detail = {
        "UPDATE resource_detail SET type = $3, description = $4 WHERE organization_id = $1 AND entity_id = $2",
        4};
    const struct work *work = argument;
    const struct entity_key *key = &work->key;
    const struct resource *patch = work->resource;
    struct entity_locked locked = {0};
    struct resource resource = {0};
    int pending = 0;

    enum code code = edge_lock_with_members(db, change, key, patch->delegate_ids, &locked, &resource);
    if (code == CODE_OK)
        code = entity_need_editable(change, key, &locked);
    if (code == CODE_OK && patch->delegate_ids != NULL)
        code = edge_replace(db, change, &edge_delegate, key, "delegate_ids", patch->delegate_ids);
    if (code == CODE_OK && patch->email != NULL)
        code = entity_queue_primary_email(db, change, key, &locked, patch->email, &pending);
    if (code != CODE_OK)
        return code;
    field_merge(&resource_table, work->set, patch, &resource);
    entity_queue_update(db, key, resource.name, resource.name, resource.hidden_from_address_list);
    DB_QUEUE(db, &update_detail, key->organization_id, key->entity_id, resource.type, resource.description);
    queue_update_options(db, key, &resource.booking_options);
    code = check_options(db, change, key, pending + 3);
    return code == CODE_OK ? entity_touch_and_show(db, change, key, 0) : code;
}

enum code resource_update(struct db *db, struct change *change, const struct entity_key *key,
                          const struct resource *patch, uint64_t set)
{
    struct work work = {.key = *key, .resource = patch, .set = set};
    enum code code = patch->name != NULL ? entity_need_unreserved(db, change, patch->name) : CODE_OK;
    return code == CODE_OK ? tx_run(db, change, update_body, &work) : code;
}

/* --- delegates --- */

#define DELEGATE_COLUMNS "e.entity_id, e.kind, e.name, e.display_name," ENTITY_EMAIL ", e.state"
#define FROM_DELEGATES                                                          \
    "FROM entity_edge m JOIN entity e ON e.organization_id = m.organization_id" \
    " AND e.entity_id = m.member_id WHERE m.organization_id = $1 AND m.relation = 'DELEGATE' AND m.owner_id = $2"

static const struct statement get_delegate = {
    "SELECT " DELEGATE_COLUMNS " " FROM_DELEGATES " AND m.member_id = $3", 3};

static enum code check_may_delegate(struct db *db, struct change *change, const struct entity_key *owner,
                                    const char *member_id, bool is_group)
{
    static const struct statement read = {
        "SELECT auto_accept_requests, (SELECT count(*) FROM entity_edge WHERE organization_id = $1 AND owner_id = $2"
        " AND relation = 'DELEGATE') FROM resource_detail WHERE organization_id = $1 AND entity_id = $2",
        2};
    DB_RESULT result = NULL;
    (void)member_id;
    (void)is_group;
    enum code code = DB_RUN(db, change->problem, &result, &read, owner->organization_id, owner->entity_id);
    if (code == CODE_OK && PQgetvalue(result, 0, 0)[0] == 't')
        code = refuse_both(change->problem);
    else if (code == CODE_OK && strtol(PQgetvalue(result, 0, 1), NULL, 10) >= RESOURCE_DELEGATES_MAX)
        code = problem_set(change->problem, CODE_LIMIT_EXCEEDED,
                           "A resource has at most %d delegates; a group of them is one.",
                           RESOURCE_DELEGATES_MAX);
    return code;
}

const struct edge_kind edge_delegate = {
    .relation = "DELEGATE",
    .table = &delegate_table,
    .get = &get_delegate,
    .check = check_may_delegate,
};

static const struct field delegate_query_fields[] = {
    LIST_PAGE_ROWS(struct delegate_query),
};
const struct field_table delegate_query_table =
    FIELD_TABLE("list_resource_delegates_query", delegate_query_fields);

enum code resource_list_delegates(struct db *db, const char *account_id, const struct entity_key *key,
                                  struct delegate_query *query, struct problem *problem, struct buffer *out,
                                  const char **ret_next_token)
{
    static const struct list_spec spec = {
        .table = &delegate_table,
        .columns = DELEGATE_COLUMNS,
        .from = FROM_DELEGATES,
        .fixed = 2,
        .orders = {ENTITY_ORDER_NAME},
        .default_order = "name",
        .id = "e.entity_id",
        .id_type = "uuid",
    };
    return entity_list_parts(db, account_id, key, &spec, &query->page, problem, out, ret_next_token);
}
