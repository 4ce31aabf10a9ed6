#include "db/mobile_device.h"

#include <string.h>

#include "db/entity_change.h"
#include "db/limit.h"
#include "db/mobile_policy.h"
#include "db/row.h"
#include "model/json_out.h"

/* Of the tables d (mobile_device) and p (mobile_policy). */
#define STATUS                                                                                      \
    "CASE WHEN d.status = 'PROVISIONING_SUCCEEDED' AND d.policy_version IS DISTINCT FROM p.version" \
    " THEN 'PROVISIONING_REQUIRED' ELSE d.status END"
#define WARNINGS                                                                                          \
    "CASE WHEN d.status = 'WIPE_REQUIRED' THEN ARRAY['Most devices are reset to what they were when new:" \
    " everything on it goes, personal data too.'] ELSE ARRAY[]::text[] END AS warnings"
/* The rows of mobile_device_table, in its order. */
#define COLUMNS                                                                                             \
    "d.device_id, d.entity_id AS user_id, " STATUS " AS status, d.type, d.model, d.os, d.os_language,"      \
    " d.user_agent, d.imei, d.phone_number, d.friendly_name, d.protocol_version,"                           \
    " d.created_at AS first_sync_at, d.last_sync_at, d.wipe_requested_at, d.wiped_at, d.policy_applied_at," \
    " d.policy_version, d.policy_key, " WARNINGS ", d.created_at, d.updated_at"
/* The view changes with the policy, too. */
#define VERSION "d.version || '.' || coalesce(p.version, 0)"
/* What an acknowledgement of the present policy, asked for now, comes with: 32 bits, as the protocol has it, but not 0,
 * which is that of a device without a policy. No secret: the gateway is trusted, only what is late is to be told. */
#define POLICY_KEY                                                                                               \
    "greatest(1, ('x' || substr(encode(sha256(convert_to(concat_ws('/', d.organization_id, d.entity_id,"         \
    " d.device_id, extract(epoch FROM d.created_at), d.provisioning_round, p.version), 'UTF8')), 'hex'), 1, 8))" \
    "::bit(32)::bigint)::text"
#define JOIN_POLICY " LEFT JOIN mobile_policy p ON p.organization_id = "
#define JOIN_DEVICE                                                                       \
    " LEFT JOIN mobile_device d ON d.organization_id = e.organization_id AND d.entity_id" \
    " = e.entity_id AND d.device_id = "

#define DETAILS 9

static void list_details(const struct mobile_device *device, const char *ret_details[static DETAILS])
{
    const char *const details[DETAILS] = {
        device->type,         device->model,         device->os,
        device->os_language,  device->user_agent,    device->imei,
        device->phone_number, device->friendly_name, device->protocol_version,
    };
    memcpy(ret_details, details, sizeof(details));
}

static enum code not_found(struct problem *problem)
{
    return problem_set(problem, CODE_MOBILE_DEVICE_NOT_FOUND, "No device of this user has this id.");
}

static enum code user_not_found(struct problem *problem)
{
    return problem_set(problem, CODE_USER_NOT_FOUND, "No user of this organization has this id.");
}

/* --- reading --- */

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct mobile_device_query),
    LIST_ORDER_ROW(struct mobile_device_query),
    FIELD_ENUM_ROW(struct mobile_device_query, status, 0, mobile_device_statuses),
    FIELD_STRING_ROW(struct mobile_device_query, type, 0, 1, MOBILE_DEVICE_TEXT_MAX),
    FIELD_STRING_ROW(struct mobile_device_query, q, 0, 1, MOBILE_DEVICE_TEXT_MAX),
};
const struct field_table mobile_device_query_table = FIELD_TABLE("list_mobile_devices_query", query_fields);

enum code mobile_device_list(struct db *db, const char *account_id, const struct entity_key *user,
                             struct mobile_device_query *query, struct problem *problem, struct buffer *out,
                             const char **ret_next_token)
{
    static const struct list_spec spec = {
        .table = &mobile_device_table,
        .columns = COLUMNS,
        .from = "FROM mobile_device d" JOIN_POLICY
                "d.organization_id WHERE d.organization_id = $1 AND d.entity_id = $2",
        .fixed = 2,
        .filters =
            {" AND " STATUS " = $?",
             " AND lower(d.type COLLATE \"und-x-icu\") = lower($? COLLATE \"und-x-icu\")",
             " AND strpos(lower(concat_ws(E'\\n', d.device_id, d.type, d.model, d.os, d.imei, d.phone_number,"
             " d.friendly_name) COLLATE \"und-x-icu\"), lower($? COLLATE \"und-x-icu\")) > 0"},
        .orders = {{"first_sync_at", "d.created_at", "timestamptz"},
                   {"last_sync_at", "d.last_sync_at", "timestamptz"}},
        .default_order = "first_sync_at",
        .id = "d.device_id",
        .id_type = "text",
    };
    const char *const filters[LIST_MAX_FILTERS] = {query->status, query->type, query->q};
    memcpy(query->page.filters, filters, sizeof(filters));
    return entity_list_parts(db, account_id, user, &spec, &query->page, problem, out, ret_next_token);
}

enum { COLUMN_USER = ORGANIZATION_SEEN_COLUMNS, COLUMN_VERSION, COLUMN_VIEW };

void mobile_device_queue_view(struct db *db, const char *account_id, const struct mobile_device_key *key)
{
    static const struct statement describe = {
        "SELECT " ORGANIZATION_SEEN "e.entity_id AS owner_id, " VERSION " AS view_version, " COLUMNS
        " FROM organization o LEFT JOIN entity e ON e.organization_id = o.organization_id AND e.entity_id = $3"
        " AND e.kind = 'USER'" JOIN_POLICY "o.organization_id" JOIN_DEVICE "$4"
        " WHERE o.organization_id = $2 AND o.account_id = $1",
        4};
    DB_QUEUE(db, &describe, account_id, key->user.organization_id, key->user.entity_id, key->device_id);
}

enum code mobile_device_collect_view(struct db *db, struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = organization_collect_seen(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQgetisnull(result, 0, COLUMN_USER))
        return user_not_found(problem);
    if (PQgetisnull(result, 0, COLUMN_VIEW))
        return not_found(problem);
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, COLUMN_VERSION));
    return row_write(result, 0, COLUMN_VIEW, &mobile_device_table, &answer->body);
}

/* --- what changes have in common --- */

struct work {
    struct mobile_device_key key;
    enum mobile_device_event event;
    const struct mobile_device *device;
    const struct mobile_device_acknowledgement *acknowledgement;
};

/* A device, its user and the policy as they are seen within a change. */
struct seen {
    PGresult *result;
    const char *status; /* NULL: there is no such device */
    const char *user_state;
    const char *version;
    const char *policy_key;
    const char *policy_version;
};

static const struct statement see = {
    "SELECT " COLUMNS ", " MOBILE_POLICY_COLUMNS ", e.state AS user_state, " VERSION
    " AS view_version, " POLICY_KEY
    " AS present_policy_key, p.version AS present_policy_version FROM entity e" JOIN_POLICY
    "e.organization_id" JOIN_DEVICE
    "$3 WHERE e.organization_id = $1 AND e.entity_id = $2 AND e.kind = 'USER'",
    3};

static void queue_see(struct db *db, const struct mobile_device_key *key)
{
    DB_QUEUE(db, &see, key->user.organization_id, key->user.entity_id, key->device_id);
}

/* The caller clears the result. */
static enum code collect_seen(struct db *db, struct change *change, struct seen *ret_seen)
{
    struct arena *arena = change->arena;
    DB_RESULT result = NULL;
    enum code code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return user_not_found(change->problem);
    db_clear_result(&ret_seen->result);
    *ret_seen = (struct seen){
        .result = result,
        .status = row_text(arena, result, 0, "status"),
        .user_state = row_text(arena, result, 0, "user_state"),
        .version = row_text(arena, result, 0, "view_version"),
        .policy_key = row_text(arena, result, 0, "present_policy_key"),
        .policy_version = row_text(arena, result, 0, "present_policy_version"),
    };
    result = NULL;
    return CODE_OK;
}

static void clear_seen(struct seen *seen)
{
    db_clear_result(&seen->result);
}
#define SEEN __attribute__((cleanup(clear_seen))) struct seen

/* Locks the device, when there is one, and sees it. */
static enum code lock_device(struct db *db, struct change *change, const struct mobile_device_key *key,
                             struct seen *ret_seen)
{
    static const struct statement lock = {
        "SELECT FROM mobile_device d WHERE organization_id = $1 AND entity_id = $2 AND device_id = $3 AND EXISTS"
        " (SELECT FROM organization o WHERE o.organization_id = $1 AND o.account_id = $4) FOR NO KEY UPDATE OF d",
        4};
    const char *const parameters[] = {key->user.organization_id, key->user.entity_id, key->device_id,
                                      change->account_id};
    struct organization_row organization;

    organization_queue(db, change->account_id, key->user.organization_id, ORGANIZATION_SHARE);
    db_queue_silently(db, &lock, parameters, 4);
    queue_see(db, key);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, change->problem);
    if (code == CODE_OK)
        code = collect_seen(db, change, ret_seen);
    if (code != CODE_OK || ret_seen->status == NULL)
        return code;
    code = tx_before(change, ret_seen->result, &mobile_device_table);
    return code == CODE_OK ? tx_match(change, ret_seen->version) : code;
}

static enum code lock_known_device(struct db *db, struct change *change, const struct mobile_device_key *key,
                                   struct seen *ret_seen)
{
    enum code code = lock_device(db, change, key, ret_seen);
    return code == CODE_OK && ret_seen->status == NULL ? not_found(change->problem) : code;
}

/* A status that an event leads to, with what is noted of it. One result to collect. */
static void queue_status(struct db *db, const struct mobile_device_key *key, const char *status,
                         const struct seen *seen)
{
    static const struct statement update = {
        "UPDATE mobile_device SET status = $4::text, version = version + 1, updated_at = now(),"
        " wipe_requested_at = CASE $4::text WHEN 'WIPE_REQUIRED' THEN now() WHEN 'PROVISIONING_REQUIRED' THEN NULL"
        "  ELSE wipe_requested_at END,"
        " wiped_at = CASE $4::text WHEN 'WIPE_SUCCEEDED' THEN now() ELSE wiped_at END,"
        " provisioning_round = provisioning_round + ($4::text = 'PROVISIONING_REQUIRED')::integer,"
        " policy_applied_at = CASE $4::text WHEN 'PROVISIONING_SUCCEEDED' THEN now() ELSE policy_applied_at END,"
        " policy_key = CASE $4::text WHEN 'PROVISIONING_SUCCEEDED' THEN $5::text ELSE policy_key END,"
        " policy_version = CASE $4::text WHEN 'PROVISIONING_SUCCEEDED' THEN $6::bigint ELSE policy_version END"
        " WHERE organization_id = $1 AND entity_id = $2 AND device_id = $3",
        6};
    DB_QUEUE(db, &update, key->user.organization_id, key->user.entity_id, key->device_id, status,
             seen->policy_key, seen->policy_version);
}

/* Answers the device in the status that the event led to. */
static enum code enter_and_show(struct db *db, struct change *change, const struct mobile_device_key *key,
                                const struct seen *seen, const char *status)
{
    enum code code = CODE_OK;
    bool changes = strcmp(status, seen->status) != 0;
    if (changes)
        queue_status(db, key, status, seen);
    mobile_device_queue_view(db, change->account_id, key);
    if (changes)
        code = db_collect(db, change->problem, NULL);
    return code == CODE_OK ? mobile_device_collect_view(db, change->problem, &change->answer) : code;
}

/* --- the administrator's side --- */

static enum code ask_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    const char *status = NULL;
    SEEN seen = {0};

    enum code code = lock_known_device(db, change, &work->key, &seen);
    if (code == CODE_OK)
        code = mobile_device_next(seen.status, work->event, change->problem, &status);
    return code == CODE_OK ? enter_and_show(db, change, &work->key, &seen, status) : code;
}

enum code mobile_device_ask(struct db *db, struct change *change, const struct mobile_device_key *key,
                            enum mobile_device_event event)
{
    struct work work = {.key = *key, .event = event};
    return tx_run(db, change, ask_body, &work);
}

static enum code remove_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement remove_device = {
        "DELETE FROM mobile_device WHERE organization_id = $1 AND entity_id = $2 AND device_id = $3", 3};
    const struct work *work = argument;
    const struct mobile_device_key *key = &work->key;
    SEEN seen = {0};

    enum code code = lock_known_device(db, change, key, &seen);
    if (code == CODE_OK)
        DB_QUEUE(db, &remove_device, key->user.organization_id, key->user.entity_id, key->device_id);
    return code;
}

enum code mobile_device_remove(struct db *db, struct change *change, const struct mobile_device_key *key)
{
    struct work work = {.key = *key};
    return tx_run(db, change, remove_body, &work);
}

/* --- the gateway's side --- */

static enum code need_enabled(struct change *change, const struct seen *seen)
{
    if (strcmp(seen->user_state, "ENABLED") == 0)
        return CODE_OK;
    return problem_set(
        change->problem, CODE_ENTITY_STATE,
        "The user is %s. Only devices of a user who is ENABLED synchronize; all that is left for"
        " others is a wipe that was asked for.",
        seen->user_state);
}

/* A new device: the user is locked, so that of two that would pass the limit one waits for the other. */
static enum code register_device(struct db *db, struct change *change, const struct mobile_device_key *key,
                                 struct seen *seen)
{
    static const struct statement lock_user = {
        "SELECT FROM entity WHERE organization_id = $1 AND entity_id = $2 FOR NO KEY UPDATE", 2};
    static const struct statement insert = {
        "INSERT INTO mobile_device (organization_id, entity_id, device_id) VALUES ($1, $2, $3)", 3};
    const char *const parameters[] = {key->user.organization_id, key->user.entity_id};

    db_queue_silently(db, &lock_user, parameters, 2);
    queue_see(db, key);
    enum code code = collect_seen(db, change, seen);
    if (code == CODE_OK && seen->status != NULL) /* another request was quicker */
        return CODE_RETRY;
    if (code == CODE_OK)
        code = need_enabled(change, seen);
    if (code != CODE_OK)
        return code;
    limit_queue_devices(db, change->account_id, key->user.organization_id, key->user.entity_id);
    code = limit_collect(db, LIMIT_DEVICES_PER_USER, change->problem);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &insert, key->user.organization_id, key->user.entity_id, key->device_id);
    change->answer.location =
        arena_printf(change->arena, "%s/devices/%s", entity_path(change->arena, &key->user), key->device_id);
    return db_collect(db, change->problem, NULL);
}

/* Whether it says something of itself that is not known. */
static bool tells_news(const struct mobile_device *device, struct arena *arena, const struct seen *seen)
{
    struct mobile_device known = {0};
    const char *details[DETAILS];
    const char *before[DETAILS];
    row_read(arena, seen->result, 0, &mobile_device_table, &known);
    list_details(device, details);
    list_details(&known, before);
    for (unsigned i = 0; i < DETAILS; i++)
        if (details[i] != NULL && (before[i] == NULL || strcmp(details[i], before[i]) != 0))
            return true;
    return false;
}

static void queue_details(struct db *db, const struct mobile_device_key *key,
                          const struct mobile_device *device)
{
    static const struct statement update = {
        "UPDATE mobile_device SET version = version + 1, updated_at = now(), last_sync_at = now(),"
        " type = coalesce($4, type), model = coalesce($5, model), os = coalesce($6, os),"
        " os_language = coalesce($7, os_language), user_agent = coalesce($8, user_agent), imei = coalesce($9, imei),"
        " phone_number = coalesce($10, phone_number), friendly_name = coalesce($11, friendly_name),"
        " protocol_version = coalesce($12, protocol_version)"
        " WHERE organization_id = $1 AND entity_id = $2 AND device_id = $3",
        12};
    const char *parameters[3 + DETAILS] = {key->user.organization_id, key->user.entity_id, key->device_id};
    list_details(device, parameters + 3);
    db_queue_parameters(db, &update, parameters, 3 + DETAILS);
}

static enum code write_required(struct change *change, const struct seen *seen)
{
    struct buffer *out = &change->answer.body;
    const char *required = mobile_device_required(seen->status);
    bool provision = strcmp(required, "PROVISION") == 0;
    enum code code = CODE_OK;

    if (seen->policy_version == NULL)
        return mobile_policy_missing(change->problem);
    change->answer.etag = tx_etag(change->arena, seen->version);
    out_begin_object(out);
    out_member(out, "required", required);
    out_member(out, "policy_key", seen->policy_key);
    if (provision) {
        out_name(out, "policy");
        code = row_write(seen->result, 0, row_columns(&mobile_device_table), &mobile_policy_table, out);
    }
    out_end_object(out);
    return code;
}

static enum code sync_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    const struct mobile_device_key *key = &work->key;
    const char *status = NULL;
    bool is_news = true;
    bool enters = false;
    SEEN seen = {0};

    enum code code = lock_device(db, change, key, &seen);
    if (code == CODE_OK && seen.status == NULL) {
        code = register_device(db, change, key, &seen);
    } else if (code == CODE_OK) {
        code = mobile_device_next(seen.status, DEVICE_SYNCS, change->problem, &status);
        if (code == CODE_OK && strcmp(status, "WIPE_REQUIRED") != 0)
            code = need_enabled(change, &seen);
        if (code != CODE_OK)
            return code;
        change->answer.status = 200; /* it is not new */
        enters = strcmp(status, seen.status) != 0;
        is_news = enters || tells_news(work->device, change->arena, &seen);
    }
    if (code != CODE_OK)
        return code;
    if (enters)
        queue_status(db, key, status, &seen);
    queue_details(db, key, work->device);
    queue_see(db, key);
    for (int i = enters ? 2 : 1; i > 0 && code == CODE_OK; i--)
        code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = collect_seen(db, change, &seen);
    if (code != CODE_OK)
        return code;
    if (!is_news)
        change->audit.action = NULL;
    change->audit.after = (struct buffer){.arena = change->arena};
    code = row_write(seen.result, 0, 0, &mobile_device_table, &change->audit.after);
    return code == CODE_OK ? write_required(change, &seen) : code;
}

enum code mobile_device_sync(struct db *db, struct change *change, const struct mobile_device_key *key,
                             const struct mobile_device *device)
{
    struct work work = {.key = *key, .device = device};
    return tx_run(db, change, sync_body, &work);
}

static enum code acknowledge_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    const char *status = NULL;
    SEEN seen = {0};

    enum code code = lock_known_device(db, change, &work->key, &seen);
    if (code == CODE_OK)
        code = mobile_device_next(seen.status, work->event, change->problem, &status);
    if (code != CODE_OK)
        return code;
    if (work->event == DEVICE_ACKNOWLEDGES_POLICY) {
        code = need_enabled(change, &seen);
        if (code == CODE_OK && seen.policy_version == NULL)
            code = mobile_policy_missing(change->problem);
        if (code == CODE_OK && strcmp(work->acknowledgement->policy_key, seen.policy_key) != 0)
            code = problem_set(
                change->problem, CODE_MOBILE_DEVICE_STATE,
                "The device is %s. The policy key is not that of what it is to apply now: synchronize"
                " again.",
                seen.status);
    }
    return code == CODE_OK ? enter_and_show(db, change, &work->key, &seen, status) : code;
}

enum code mobile_device_acknowledge(struct db *db, struct change *change, const struct mobile_device_key *key,
                                    const struct mobile_device_acknowledgement *acknowledgement)
{
    struct work work = {
        .key = *key,
        .event = strcmp(acknowledgement->acknowledged, "WIPE") == 0 ? DEVICE_ACKNOWLEDGES_WIPE
                                                                    : DEVICE_ACKNOWLEDGES_POLICY,
        .acknowledgement = acknowledgement,
    };
    return tx_run(db, change, acknowledge_body, &work);
}
