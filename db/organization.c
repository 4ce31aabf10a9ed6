#include "db/organization.h"

#include <string.h>

#include "db/account.h"
#include "db/directory.h"
#include "db/job.h"
#include "db/limit.h"
#include "db/mail_domain.h"
#include "db/master_key.h"
#include "db/operation.h"
#include "db/row.h"
#include "model/id.h"
#include "model/job.h"
#include "model/json_out.h"
#include "model/operation.h"
#include "model/region.h"
#include "model/text.h"

/* $2 is the service domain: hosts follow the operator's setting. */
#define COLUMNS                                                                                                     \
    "o.organization_id, o.alias, o.region, o.setup, o.directory_id, o.key_id, o.interoperability_enabled, o.state," \
    " o.state_reason, o.default_domain, o.test_domain,"                                                             \
    " 'arn:aws:workmail:' || o.region || ':' || o.account_id || ':organization/' || o.organization_id AS arn,"      \
    " 'https://' || o.alias || '.' || $2::text || '/mail' AS \"endpoints.web\","                                    \
    " 'https://autodiscover.mail.' || o.region || '.' || $2::text || '/autodiscover/autodiscover.xml'"              \
    " AS \"endpoints.autodiscover\","                                                                               \
    " 'mobile.mail.' || o.region || '.' || $2::text AS \"endpoints.mobile\","                                       \
    " 'inbound-smtp.' || o.region || '.' || $2::text AS \"endpoints.inbound_mail\","                                \
    " 'https://ews.mail.' || o.region || '.' || $2::text || '" REGION_EWS_PATH "' AS \"endpoints.ews\","            \
    " o.completed_at, o.deleted_at, o.created_at, o.updated_at"

/* --- reading --- */

static void queue_view(struct db *db, const char *account_id, const char *organization_id)
{
    static const struct statement get = {
        "SELECT " COLUMNS
        ", o.version FROM organization o WHERE o.account_id = $1 AND o.organization_id = $3",
        3};
    DB_QUEUE(db, &get, account_id, db_settings(db)->service_domain, organization_id);
}

static enum code write_view(const PGresult *result, struct problem *problem, struct answer *answer)
{
    if (PQntuples(result) == 0)
        return organization_not_found(problem);
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, 0, &organization_table, &answer->body);
}

enum code organization_describe(struct db *db, const char *account_id, const char *organization_id,
                                struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    queue_view(db, account_id, organization_id);
    enum code code = db_collect(db, problem, &result);
    return code == CODE_OK ? write_view(result, problem, answer) : code;
}

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct organization_query),
    LIST_ORDER_ROW(struct organization_query),
    FIELD_ENUM_ROW(struct organization_query, state, 0, organization_states),
    FIELD_STRING_ROW(struct organization_query, alias, 0, 1, 62),
};
const struct field_table organization_query_table = FIELD_TABLE("list_organizations_query", query_fields);

enum code organization_list(struct db *db, const char *account_id, void *asked, struct problem *problem,
                            struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &organization_table,
        .columns = COLUMNS,
        .from = "FROM organization o WHERE o.account_id = $1 AND $2::text IS NOT NULL",
        .fixed = 2,
        .filters = {" AND o.state = $?", " AND o.alias = lower($? COLLATE \"C\")"},
        .visible = " AND o.organization_id = ANY($?::text[])",
        .orders = {{"alias", "o.alias", "text"}, {"created_at", "o.created_at", "timestamptz"}},
        .default_order = "created_at",
        .id = "o.organization_id",
        .id_type = "text",
    };
    struct organization_query *query = asked;
    const char *const fixed[] = {account_id, db_settings(db)->service_domain};
    query->page.filters[0] = query->state;
    query->page.filters[1] = query->alias;
    return list_run(db, &list, &query->page, fixed, problem, out, ret_next_token);
}

static const struct field transition_query_fields[] = {LIST_PAGE_ROWS(struct transition_query)};
const struct field_table transition_query_table =
    FIELD_TABLE("list_organization_transitions_query", transition_query_fields);

enum code organization_list_transitions(struct db *db, const char *account_id, const char *organization_id,
                                        struct transition_query *query, struct problem *problem,
                                        struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &transition_table,
        .columns = "t.from_state AS \"from\", t.to_state AS \"to\", t.at, t.actor, t.reason",
        .from = "FROM organization_transition t WHERE t.organization_id = $1",
        .fixed = 1,
        .orders = {{"at", "t.at", "timestamptz"}},
        .default_order = "at",
        .id = "t.transition_id",
        .id_type = "bigint",
    };
    struct list_pending pending;
    struct organization_row row;
    organization_queue(db, account_id, organization_id, ORGANIZATION_READ);
    enum code code = list_queue(db, &list, &query->page, &organization_id, out->arena, problem, &pending);
    if (code == CODE_OK)
        code = organization_collect(db, out->arena, problem, &row);
    if (code != CODE_OK)
        return code;
    return list_collect(db, &pending, problem, out, ret_next_token);
}

/* --- parts of transactions --- */

void organization_queue(struct db *db, const char *account_id, const char *organization_id,
                        enum organization_lock lock)
{
    /* Advisory, not a row lock: these queue fairly, so that changes of users that never cease do not keep a change of
     * the organization waiting; and sharing one costs no write. Its own statement, so that the row is read after it. */
#define OWN_ONE " FROM organization WHERE organization_id = $1 AND account_id = $2"
    static const struct statement locks[] = {
        [ORGANIZATION_SHARE] =
            {"SELECT pg_advisory_xact_lock_shared(hashtextextended(organization_id, 7264))" OWN_ONE, 2},
        [ORGANIZATION_UPDATE] =
            {"SELECT pg_advisory_xact_lock(hashtextextended(organization_id, 7264))" OWN_ONE, 2},
    };
    static const struct statement read = {
        "SELECT organization_id, alias, region, setup, state, is_serving, directory_id, test_domain, default_domain,"
        " version, interoperability_enabled,"
        " (SELECT d.type FROM directory d WHERE d.directory_id = organization.directory_id) AS directory_type,"
        " (SELECT a.is_trial AND a.trial_ends_at > now() FROM account a WHERE a.account_id = $2) AS is_on_trial" OWN_ONE,
        2};
#undef OWN_ONE
    const char *const parameters[] = {organization_id, account_id};
    if (lock != ORGANIZATION_READ)
        db_queue_silently(db, &locks[lock], parameters, 2);
    db_queue_parameters(db, &read, parameters, 2);
}

enum code organization_collect(struct db *db, struct arena *arena, struct problem *problem,
                               struct organization_row *ret_row)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return organization_not_found(problem);
    *ret_row = (struct organization_row){
        .organization_id = row_text(arena, result, 0, "organization_id"),
        .alias = row_text(arena, result, 0, "alias"),
        .region = row_text(arena, result, 0, "region"),
        .setup = row_text(arena, result, 0, "setup"),
        .state = row_text(arena, result, 0, "state"),
        .is_serving = row_flag(result, 0, "is_serving"),
        .is_on_trial = row_flag(result, 0, "is_on_trial"),
        .is_interoperable = row_flag(result, 0, "interoperability_enabled"),
        .directory_id = row_text(arena, result, 0, "directory_id"),
        .directory_type = row_text(arena, result, 0, "directory_type"),
        .test_domain = row_text(arena, result, 0, "test_domain"),
        .default_domain = row_text(arena, result, 0, "default_domain"),
        .version = row_text(arena, result, 0, "version"),
    };
    return CODE_OK;
}

enum code organization_not_found(struct problem *problem)
{
    return problem_set(problem, CODE_ORGANIZATION_NOT_FOUND,
                       "No organization has this id, or it is not yours to know.");
}

enum code organization_not_serving(const char *organization_id, const char *state, struct problem *problem)
{
    return problem_set(problem, CODE_ORGANIZATION_STATE,
                       "Organization %s is not active, its state is %s; this needs ACTIVE or IMPAIRED.",
                       organization_id, state);
}

enum code organization_read_only(const struct organization_row *row, const char *noun,
                                 struct problem *problem)
{
    return problem_set(problem, CODE_DIRECTORY_READ_ONLY,
                       "The %ss of this organization are those of its directory %s (%s): change them there;"
                       " what is changed there is seen here a moment later.",
                       noun, row->directory_id, row->directory_type);
}

enum code organization_need_built_in(const struct organization_row *row, const char *noun,
                                     struct problem *problem)
{
    bool is_external = row->directory_type != NULL && directory_type_is_external(row->directory_type);
    return is_external ? organization_read_only(row, noun, problem) : CODE_OK;
}

enum code organization_need_serving(const struct organization_row *row, struct problem *problem)
{
    return row->is_serving ? CODE_OK : organization_not_serving(row->organization_id, row->state, problem);
}

enum code organization_collect_seen(struct db *db, struct problem *problem, PGresult **ret_result)
{
    enum { ORGANIZATION_ID, STATE, IS_SERVING };
    enum code code = db_collect(db, problem, ret_result);
    if (code != CODE_OK)
        return code;
    const PGresult *result = *ret_result;
    if (PQntuples(result) == 0)
        return organization_not_found(problem);
    return PQgetvalue(result, 0, IS_SERVING)[0] == 't'
               ? CODE_OK
               : organization_not_serving(PQgetvalue(result, 0, ORGANIZATION_ID),
                                          PQgetvalue(result, 0, STATE), problem);
}

enum code organization_need_confirmed(struct change *change, const struct organization_row *row,
                                      const char *confirm)
{
    if (strcmp(text_lower(change->arena, confirm), row->alias) == 0)
        return CODE_OK;
    return problem_set(change->problem, CODE_CONFIRMATION_MISMATCH,
                       "Repeat the organization's alias as `confirm`: this cannot be undone.");
}

enum code organization_queue_list(struct db *db, const char *account_id, const char *organization_id,
                                  const struct list_spec *spec, const struct list_query *query,
                                  struct problem *problem, struct list_pending *ret_pending)
{
    organization_queue(db, account_id, organization_id, ORGANIZATION_READ);
    return list_queue(db, spec, query, &organization_id, problem->arena, problem, ret_pending);
}

enum code organization_collect_list(struct db *db, const struct list_pending *pending,
                                    struct problem *problem, struct buffer *out, const char **ret_next_token)
{
    struct organization_row row;
    enum code code = organization_collect(db, out->arena, problem, &row);
    if (code == CODE_OK)
        code = organization_need_serving(&row, problem);
    return code == CODE_OK ? list_collect(db, pending, problem, out, ret_next_token) : code;
}

enum code organization_list_parts(struct db *db, const char *account_id, const char *organization_id,
                                  const struct list_spec *spec, const struct list_query *query,
                                  struct problem *problem, struct buffer *out, const char **ret_next_token)
{
    struct list_pending pending;
    enum code code = organization_queue_list(db, account_id, organization_id, spec, query, problem, &pending);
    return code == CODE_OK ? organization_collect_list(db, &pending, problem, out, ret_next_token) : code;
}

static const char *path_of(struct arena *arena, const char *organization_id)
{
    return arena_printf(arena, "/v1/organizations/%s", organization_id);
}

static struct buffer state_json(struct arena *arena, const char *state, const char *reason)
{
    struct buffer json = {.arena = arena};
    out_begin_object(&json);
    out_member(&json, "state", state);
    out_member(&json, "state_reason", reason);
    out_end_object(&json);
    return json;
}

/* For the audit log. A change of something else that brings it about tells of that. */
static void note_transition(struct change *change, const struct organization_row *row, const char *to,
                            const char *reason)
{
    const char *path = path_of(change->arena, row->organization_id);
    change->audit.organization_id = row->organization_id;
    if (change->audit.target != NULL && strcmp(change->audit.target, path) != 0)
        return;
    change->audit.target = path;
    if (change->audit.before.length == 0)
        change->audit.before = state_json(change->arena, row->state, NULL);
    change->audit.after = state_json(change->arena, to, reason);
    change->audit.failure = strcmp(to, "FAILED") == 0 ? reason : NULL;
}

enum code organization_transition(struct db *db, struct change *change, struct organization_row *row,
                                  const char *to, const char *reason)
{
    static const struct statement update = {
        "UPDATE organization SET state = $2, state_reason = $3, version = version + 1, updated_at = now(),"
        " is_serving = CASE WHEN $2 IN ('ACTIVE', 'IMPAIRED') THEN true"
        "  WHEN $2 = 'VALIDATING' THEN is_serving ELSE false END"
        " WHERE organization_id = $1",
        3};
    static const struct statement insert = {
        "INSERT INTO organization_transition (organization_id, from_state, to_state, actor, reason)"
        " VALUES ($1, $2, $3, $4, $5)",
        5};
    if (!organization_may_become(row->state, to))
        return problem_set(change->problem, CODE_ORGANIZATION_STATE,
                           "The organization is %s and cannot become %s; it can become: %s.", row->state, to,
                           organization_next_states(change->arena, row->state));
    note_transition(change, row, to, reason);
    DB_QUEUE(db, &update, row->organization_id, to, reason);
    DB_QUEUE(db, &insert, row->organization_id, row->state, to, change->actor, reason);
    db_note_flow_rules(db, row->organization_id); /* whether they may be asked for */
    row->state = to;
    return CODE_OK;
}

/* --- work that begins --- */

struct making {
    const struct organization *wanted; /* organization_create, with … */
    const struct mail_domain_name *const *domains;
    const struct organization_removal *removal; /* organization_remove */
    const char *organization_id;
    const char *operation_id;
};

static struct making making_for(struct change *change, const char *organization_id)
{
    return (struct making){.organization_id = organization_id, .operation_id = id_new_uuid(change->arena)};
}

/* The first result that has columns; what was queued before it has nothing to say but errors. */
static enum code collect_rows(struct db *db, struct problem *problem, PGresult **ret_result)
{
    enum code code;
    do {
        db_clear_result(ret_result);
        code = db_collect(db, problem, ret_result);
    } while (code == CODE_OK && PQnfields(*ret_result) == 0);
    return code;
}

/* The operation and its job; the operation is answered. */
static enum code begin_work(struct db *db, struct change *change, const struct making *making,
                            const char *kind, const char *document)
{
    const char *target = path_of(change->arena, making->organization_id);
    const struct job_request request = {.kind = kind,
                                        .organization_id = making->organization_id,
                                        .operation_id = making->operation_id,
                                        .document = document};
    DB_RESULT result = NULL;

    const struct job_kind *about = job_kind_find(kind);
    operation_insert(db, change, making->operation_id, making->organization_id, target, about->steps);
    if (about->is_periodic)
        job_enqueue_periodic(db, change->arena, &request);
    else
        job_enqueue(db, change->arena, &request);
    operation_queue(db, change->account_id, NULL, making->operation_id);
    enum code code = collect_rows(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    change->answer.location = arena_printf(change->arena, "/v1/operations/%s", making->operation_id);
    return row_write(result, 0, 0, &operation_table, &change->answer.body);
}

/* The locked row of what is there already, in the version that the caller means. */
static enum code lock_for_change(struct db *db, struct change *change, const char *organization_id,
                                 struct organization_row *ret_row)
{
    organization_queue(db, change->account_id, organization_id, ORGANIZATION_UPDATE);
    enum code code = organization_collect(db, change->arena, change->problem, ret_row);
    return code == CODE_OK ? tx_match(change, ret_row->version) : code;
}

/* --- creating and retrying --- */

static const char *setup_job(const char *setup)
{
    return strcmp(setup, "STANDARD") == 0 ? JOB_ORGANIZATION_SETUP_STANDARD : JOB_ORGANIZATION_SETUP;
}

/* One organization for a directory: it is taken with the request, so that of two the second is told. The region is that of
 * the directory. */
static enum code take_directory(struct db *db, struct change *change, const struct making *making,
                                const char **ret_region)
{
    static const struct statement take = {
        "UPDATE directory SET organization_id = $2, version = version + 1, updated_at = now()"
        " WHERE directory_id = $1",
        2};
    const struct organization *wanted = making->wanted;
    struct directory_row directory;

    enum code code = account_lock(db, change);
    if (code != CODE_OK)
        return code;
    directory_queue(db, change->account_id, wanted->directory_id);
    code = directory_collect(db, change->arena, change->problem, &directory);
    if (code == CODE_DIRECTORY_NOT_FOUND)
        return directory_is_unknown(change->problem);
    if (code == CODE_OK)
        code = directory_need_available(wanted->directory_id, &directory, change->problem);
    if (code != CODE_OK)
        return code;
    if (wanted->region != NULL && strcmp(wanted->region, directory.region) != 0) {
        problem_add_member(change->problem, "region", "invalid_value",
                           "The directory is in %s; leave the region out, or choose another directory.",
                           directory.region);
        return CODE_VALIDATION_FAILED;
    }
    if (wanted->interoperability_enabled && strcmp(directory.type, DIRECTORY_AD_CONNECTOR) != 0) {
        problem_add_member(change->problem, "interoperability_enabled", "invalid_value",
                           "It needs a directory of type " DIRECTORY_AD_CONNECTOR "; this one is a %s.",
                           directory.type);
        return CODE_VALIDATION_FAILED;
    }
    *ret_region = directory.region;
    return DB_RUN(db, change->problem, NULL, &take, wanted->directory_id, making->organization_id);
}

/* What a set-up needs first, and its region. */
static enum code prepare_setup(struct db *db, struct change *change, const struct making *making,
                               const char **ret_region)
{
    const struct organization *wanted = making->wanted;
    if (wanted->directory_id != NULL)
        return take_directory(db, change, making, ret_region);
    *ret_region = wanted->region != NULL ? wanted->region : db_settings(db)->region;
    limit_queue_organizations(db, change->account_id, *ret_region);
    return limit_collect(db, LIMIT_QUICK_SETUP_ORGANIZATIONS, change->problem);
}

/* The master key that is asked for, or the default one. */
static enum code find_key(struct db *db, struct change *change, const char *key_id,
                          struct master_key_row *ret_key)
{
    enum code code = master_key_lock(db, change, key_id, MASTER_KEY_SHARE, ret_key);
    if (code == CODE_KEY_NOT_FOUND)
        return key_is_unknown(change->problem);
    return code == CODE_OK ? master_key_need_enabled(ret_key->key_id, ret_key->is_enabled, change->problem)
                           : code;
}

static enum code add_domains(struct db *db, struct change *change, const struct making *making)
{
    enum code code = making->domains[0] != NULL ? db_finish(db, change->problem) : CODE_OK;
    for (size_t i = 0; code == CODE_OK && making->domains[i] != NULL; i++)
        code = mail_domain_add(db, change, making->organization_id, making->domains[i], false);
    return code;
}

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "INSERT INTO organization (organization_id, account_id, alias, region, setup, directory_id, test_domain,"
        " default_domain, key_id, interoperability_enabled, interoperability_enabled_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, CASE WHEN $9 THEN now() END)",
        9};
    static const struct statement insert_alias = {
        "INSERT INTO organization_alias (alias, organization_id) VALUES ($1, $2)", 2};
    static const struct statement insert_transition = {
        "INSERT INTO organization_transition (organization_id, to_state, actor) VALUES ($1, 'REQUESTED', $2)",
        2};

    const struct making *making = argument;
    const struct organization *wanted = making->wanted;
    const char *region = NULL;
    struct master_key_row key;
    enum code code = prepare_setup(db, change, making, &region);
    if (code == CODE_OK)
        code = find_key(db, change, wanted->key_id, &key);
    if (code != CODE_OK)
        return code;
    const char *domain = arena_printf(change->arena, "%s.%s", wanted->alias, db_settings(db)->service_domain);
    DB_QUEUE(db, &insert, making->organization_id, change->account_id, wanted->alias, region, wanted->setup,
             wanted->directory_id, domain, key.key_id, row_boolean(wanted->interoperability_enabled));
    account_queue_begin_trial(db, change->arena, change->account_id);
    DB_QUEUE(db, &insert_alias, wanted->alias, making->organization_id);
    DB_QUEUE(db, &insert_transition, making->organization_id, change->actor);
    code = add_domains(db, change, making);
    if (code != CODE_OK)
        return code;
    struct buffer *after = &change->audit.after;
    after->arena = change->arena;
    out_begin_object(after);
    out_member(after, "alias", wanted->alias);
    out_member(after, "region", region);
    out_member(after, "setup", wanted->setup);
    out_member(after, "directory_id", wanted->directory_id);
    out_member_boolean(after, "interoperability_enabled", wanted->interoperability_enabled);
    out_member(after, "state", "REQUESTED");
    out_end_object(after);
    change->audit.organization_id = making->organization_id;
    change->audit.target = path_of(change->arena, making->organization_id);
    return begin_work(db, change, making, setup_job(wanted->setup), NULL);
}

enum code organization_create(struct db *db, struct change *change, const struct organization *organization,
                              const struct mail_domain_name *const *domains)
{
    struct organization wanted = *organization;
    wanted.alias = text_lower(change->arena, organization->alias);
    struct making making = making_for(change, id_new_organization(change->arena));
    making.wanted = &wanted;
    making.domains = domains;
    return tx_run(db, change, create_body, &making);
}

static enum code retry_body(struct db *db, struct change *change, void *argument)
{
    const struct making *making = argument;
    struct organization_row row;
    enum code limit = CODE_OK;

    /* Set-up and region decide which limit counts; the state is looked at again under the lock. */
    organization_queue(db, change->account_id, making->organization_id, ORGANIZATION_READ);
    enum code code = organization_collect(db, change->arena, change->problem, &row);
    if (code != CODE_OK)
        return code;
    if (strcmp(row.setup, "QUICK") == 0) {
        limit_queue_organizations(db, change->account_id, row.region);
        limit = limit_collect(db, LIMIT_QUICK_SETUP_ORGANIZATIONS, change->problem);
        if (limit != CODE_OK && limit != CODE_LIMIT_EXCEEDED)
            return limit;
    }
    code = lock_for_change(db, change, making->organization_id, &row);
    if (code == CODE_OK)
        code = organization_transition(db, change, &row, "REQUESTED", NULL);
    if (code == CODE_OK)
        code = limit;
    if (code != CODE_OK)
        return code;
    return begin_work(db, change, making, setup_job(row.setup), NULL);
}

enum code organization_retry(struct db *db, struct change *change, const char *organization_id)
{
    struct making making = making_for(change, organization_id);
    return tx_run(db, change, retry_body, &making);
}

/* --- health, and being switched off --- */

static enum code begin_check(struct db *db, struct change *change, const struct making *making,
                             struct organization_row *row)
{
    enum code code = organization_transition(db, change, row, "VALIDATING", NULL);
    return code == CODE_OK ? begin_work(db, change, making, JOB_ORGANIZATION_HEALTH, NULL) : code;
}

static enum code validate_body(struct db *db, struct change *change, void *argument)
{
    const struct making *making = argument;
    struct organization_row row;
    enum code code = lock_for_change(db, change, making->organization_id, &row);
    /* To VALIDATING one also comes from INACTIVE, but that is another decision. */
    if (code == CODE_OK && strcmp(row.state, "INACTIVE") == 0)
        code =
            problem_set(change->problem, CODE_ORGANIZATION_STATE,
                        "The organization is INACTIVE and not checked; ActivateOrganization also checks it.");
    return code == CODE_OK ? begin_check(db, change, making, &row) : code;
}

enum code organization_validate(struct db *db, struct change *change, const char *organization_id)
{
    struct making making = making_for(change, organization_id);
    return tx_run(db, change, validate_body, &making);
}

static enum code activate_body(struct db *db, struct change *change, void *argument)
{
    const struct making *making = argument;
    struct organization_row row;
    enum code code = lock_for_change(db, change, making->organization_id, &row);
    if (code == CODE_OK && strcmp(row.state, "INACTIVE") != 0)
        code =
            problem_set(change->problem, CODE_ORGANIZATION_STATE,
                        "The organization is %s; only an INACTIVE one can be activated. It can become: %s.",
                        row.state, organization_next_states(change->arena, row.state));
    return code == CODE_OK ? begin_check(db, change, making, &row) : code;
}

enum code organization_activate(struct db *db, struct change *change, const char *organization_id)
{
    struct making making = making_for(change, organization_id);
    return tx_run(db, change, activate_body, &making);
}

static enum code deactivate_body(struct db *db, struct change *change, void *argument)
{
    const char *organization_id = argument;
    struct organization_row row;
    DB_RESULT result = NULL;
    enum code code = lock_for_change(db, change, organization_id, &row);
    if (code == CODE_OK)
        code = organization_transition(db, change, &row, "INACTIVE", NULL);
    if (code != CODE_OK)
        return code;
    job_cancel_for_organization(db, organization_id, JOB_ORGANIZATION_HEALTH,
                                "The organization was deactivated.");
    queue_view(db, change->account_id, organization_id);
    code = collect_rows(db, change->problem, &result);
    return code == CODE_OK ? write_view(result, change->problem, &change->answer) : code;
}

enum code organization_deactivate(struct db *db, struct change *change, const char *organization_id)
{
    return tx_run(db, change, deactivate_body, arena_string(change->arena, organization_id));
}

/* --- removing --- */

static enum code remove_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement count_enabled = {
        "SELECT count(*) FROM entity WHERE organization_id = $1 AND kind = 'USER' AND state = 'ENABLED'", 1};

    const struct making *making = argument;
    const struct organization_removal *removal = making->removal;
    struct organization_row row;
    DB_RESULT enabled = NULL;

    enum code code = lock_for_change(db, change, making->organization_id, &row);
    if (code != CODE_OK)
        return code;
    code = organization_need_confirmed(change, &row, removal->confirm);
    if (code != CODE_OK)
        return code;
    /* Under the lock: nobody enables a user meanwhile. */
    code = DB_RUN(db, change->problem, &enabled, &count_enabled, row.organization_id);
    if (code == CODE_OK)
        code = organization_transition(db, change, &row, "DELETING", NULL);
    if (code != CODE_OK)
        return code;
    if (!removal->force && strcmp(PQgetvalue(enabled, 0, 0), "0") != 0)
        return problem_set(change->problem, CODE_ORGANIZATION_IN_USE,
                           "%s enabled user(s) would lose their mailboxes; disable them, or say force=true.",
                           PQgetvalue(enabled, 0, 0));
    job_cancel_for_organization(db, row.organization_id, NULL, "The organization is being deleted.");
    return begin_work(db, change, making, JOB_ORGANIZATION_REMOVAL,
                      removal->delete_directory ? "{\"delete_directory\":true}"
                                                : "{\"delete_directory\":false}");
}

enum code organization_remove(struct db *db, struct change *change, const char *organization_id,
                              const struct organization_removal *removal)
{
    struct making making = making_for(change, organization_id);
    making.removal = removal;
    return tx_run(db, change, remove_body, &making);
}
