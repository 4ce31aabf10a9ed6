#include "db/user.h"

#include <stdlib.h>
#include <string.h>

#include "db/address.h"
#include "db/job.h"
#include "db/limit.h"
#include "db/row.h"
#include "db/usage.h"
#include "db/user_change.h"
#include "model/id.h"
#include "model/job.h"

/* The rows of user_table that answers have, in its order. */
#define COLUMNS                                                                                               \
    "e.entity_id AS user_id, e.name, d.type, e.state, d.first_name, d.last_name, e.display_name, d.initials," \
    " (SELECT a.email FROM email_address a WHERE a.organization_id = e.organization_id"                       \
    "  AND a.entity_id = e.entity_id AND a.is_primary) AS email,"                                             \
    " ARRAY(SELECT a.email FROM email_address a WHERE a.organization_id = e.organization_id"                  \
    "  AND a.entity_id = e.entity_id AND NOT a.is_primary ORDER BY a.email) AS aliases,"                      \
    " e.hidden_from_address_list, d.street, d.city, d.zip_code, d.country, d.telephone, d.job_title,"         \
    " d.department, d.company, d.office, d.quota_mb, d.password_hash IS NOT NULL AS has_password,"            \
    " m.mailbox_id AS \"mailbox.mailbox_id\","                                                                \
    " CASE WHEN m.mailbox_id IS NOT NULL THEN d.quota_mb END AS \"mailbox.quota_mb\","                        \
    " m.provisioned_at AS \"mailbox.provisioned_at\","                                                        \
    " CASE WHEN m.mailbox_id IS NOT NULL THEN e.purge_at END AS \"mailbox.purge_at\","                        \
    " e.enabled_at, e.disabled_at, o.directory_id, e.created_at, e.updated_at"

#define DETAIL_AND_MAILBOX                                                                       \
    " JOIN user_detail d ON d.organization_id = e.organization_id AND d.entity_id = e.entity_id" \
    " LEFT JOIN mailbox m ON m.organization_id = e.organization_id AND m.entity_id = e.entity_id"

static enum code not_found(struct problem *problem)
{
    return problem_set(problem, CODE_USER_NOT_FOUND, "No user of this organization has this id.");
}

/* --- reading --- */

/* One row also when only the organization is there: it tells what is missing. */
static const struct statement describe = {
    "SELECT o.organization_id, o.state, o.is_serving, e.version, " COLUMNS
    " FROM organization o LEFT JOIN (entity e" DETAIL_AND_MAILBOX ")"
    " ON e.organization_id = o.organization_id AND e.entity_id = $3 AND e.kind = 'USER'"
    " WHERE o.organization_id = $2 AND o.account_id = $1",
    3};
enum { COLUMN_STATE = 1, COLUMN_SERVING, COLUMN_VERSION, COLUMN_VIEW };

void user_queue_view(struct db *db, const char *account_id, const struct user_key *key)
{
    DB_QUEUE(db, &describe, account_id, key->organization_id, key->user_id);
}

enum code user_collect_view(struct db *db, struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return organization_not_found(problem);
    if (PQgetvalue(result, 0, COLUMN_SERVING)[0] != 't')
        return organization_not_serving(PQgetvalue(result, 0, 0), PQgetvalue(result, 0, COLUMN_STATE),
                                        problem);
    if (PQgetisnull(result, 0, COLUMN_VIEW))
        return not_found(problem);
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, COLUMN_VERSION));
    return row_write(result, 0, COLUMN_VIEW, &user_table, &answer->body);
}

static const char email_filter[] = " AND e.entity_id = (SELECT r.entity_id FROM address_registry r"
                                   " WHERE r.email = lower($? COLLATE \"C\") AND r.organization_id = $1)";

static const char *const states[] = {"ENABLED", "DISABLED", "DELETED", NULL};
static const char *const types[] = {"USER", "SYSTEM_USER", "RESOURCE", "REMOTE_USER", NULL};
static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct user_query),
    LIST_ORDER_ROW(struct user_query),
    FIELD_ENUM_ROW(struct user_query, state, 0, states),
    FIELD_ENUM_ROW(struct user_query, type, 0, types),
    FIELD_STRING_ROW(struct user_query, name, 0, 1, 64),
    FIELD_STRING_ROW(struct user_query, email, 0, 1, EMAIL_MAX),
    FIELD_STRING_ROW(struct user_query, q, 0, 1, 256),
};
const struct field_table user_query_table = FIELD_TABLE("list_users_query", query_fields);

/* A LIKE pattern for the text anywhere. */
static const char *contains(struct arena *arena, const char *text)
{
    struct buffer pattern = {.arena = arena};
    buffer_byte(&pattern, '%');
    for (; *text != '\0'; text++) {
        if (strchr("%_\\", *text) != NULL)
            buffer_byte(&pattern, '\\');
        buffer_byte(&pattern, *text);
    }
    buffer_byte(&pattern, '%');
    return buffer_string(&pattern);
}

enum code user_collect_list(struct db *db, const struct list_pending *pending, struct problem *problem,
                            struct buffer *out, const char **ret_next_token)
{
    struct organization_row organization;
    enum code code = organization_collect(db, out->arena, problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, problem);
    if (code != CODE_OK)
        return code;
    return list_collect(db, pending, problem, out, ret_next_token);
}

enum code user_queue_list(struct db *db, const char *account_id, const char *organization_id,
                          struct user_query *query, struct problem *problem, struct list_pending *ret_pending)
{
    static const struct list_spec list = {
        .table = &user_table,
        .columns = COLUMNS,
        .from =
            "FROM entity e" DETAIL_AND_MAILBOX " JOIN organization o ON o.organization_id = e.organization_id"
            " WHERE e.organization_id = $1 AND e.kind = 'USER'",
        .fixed = 1,
        .filters = {" AND e.state = $?", " AND d.type = $?",
                    " AND e.name_folded = lower($? COLLATE \"und-x-icu\")", email_filter,
                    " AND e.search_text LIKE lower($? COLLATE \"und-x-icu\") COLLATE \"C\"",
                    " AND e.state <> 'DELETED'"},
        .orders = {{"name", "e.name_folded", "text"},
                   {"display_name", "e.display_name_folded", "text"},
                   {"created_at", "e.created_at", "timestamptz"}},
        .default_order = "name",
        .id = "e.entity_id",
        .id_type = "uuid",
    };
    struct arena *arena = problem->arena;
    const char *const filters[LIST_MAX_FILTERS] = {
        query->state,
        query->type,
        query->name,
        query->email,
        query->q != NULL ? contains(arena, query->q) : NULL,
        query->state == NULL ? "DELETED" : NULL,
    };
    memcpy(query->page.filters, filters, sizeof(filters));
    organization_queue(db, account_id, organization_id, ORGANIZATION_READ);
    return list_queue(db, &list, &query->page, &organization_id, arena, problem, ret_pending);
}

/* --- what changes have in common --- */

/* What a change starts from. */
static const struct statement see = {"SELECT " COLUMNS ", e.version FROM entity e" DETAIL_AND_MAILBOX
                                     " JOIN organization o ON o.organization_id = e.organization_id"
                                     " WHERE e.organization_id = $1 AND e.entity_id = $2 AND e.kind = 'USER'",
                                     2};

/* Locked, for a change; or only seen. The lock is a statement of its own: a row that was waited for is read as it then is,
 * but what is joined to it in the same statement would be as it was before. */
static void queue_lock(struct db *db, const struct change *change, const struct user_key *key, bool locks)
{
    static const struct statement lock = {
        "SELECT FROM entity e WHERE organization_id = $1 AND entity_id = $2 AND kind = 'USER' AND EXISTS"
        " (SELECT FROM organization o WHERE o.organization_id = $1 AND o.account_id = $3) FOR NO KEY UPDATE OF e",
        3};
    const char *const parameters[] = {key->organization_id, key->user_id, change->account_id};
    organization_queue(db, change->account_id, key->organization_id,
                       locks ? ORGANIZATION_SHARE : ORGANIZATION_READ);
    if (locks)
        db_queue_silently(db, &lock, parameters, 3);
    DB_QUEUE(db, &see, key->organization_id, key->user_id);
}

static enum code collect_lock(struct db *db, struct change *change, struct user_locked *ret_locked)
{
    DB_RESULT result = NULL;
    enum code code = organization_collect(db, change->arena, change->problem, &ret_locked->organization);
    if (code == CODE_OK)
        code = organization_need_serving(&ret_locked->organization, change->problem);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return not_found(change->problem);
    row_read(change->arena, result, 0, &user_table, &ret_locked->user);
    ret_locked->state = row_text(change->arena, result, 0, "state");
    code = tx_before(change, result, &user_table);
    if (code != CODE_OK)
        return code;
    return tx_match(change, PQgetvalue(result, 0, PQfnumber(result, "version")));
}

enum code user_lock(struct db *db, struct change *change, const struct user_key *key,
                    struct user_locked *ret_locked)
{
    queue_lock(db, change, key, true);
    return collect_lock(db, change, ret_locked);
}

bool user_is_state(const struct user_locked *locked, const char *state)
{
    return strcmp(locked->state, state) == 0;
}

enum code user_wrong_state(struct change *change, const struct user_locked *locked, const char *advice)
{
    return problem_set(change->problem, CODE_ENTITY_STATE, "The user is %s. %s", locked->state, advice);
}

/* What only the directory may change, and what is gone. */
enum code user_need_changeable(struct change *change, const struct user_locked *locked)
{
    if (user_is_state(locked, "DELETED"))
        return user_wrong_state(change, locked, "A deleted user is not changed; create a new one.");
    if (strcmp(locked->user.type, "USER") != 0)
        return problem_set(change->problem, CODE_ENTITY_STATE,
                           "This is an account of the directory itself (%s); it is listed but not changed.",
                           locked->user.type);
    return CODE_OK;
}

/* Every change of a user or its addresses ends with this: one result to collect. */
void user_queue_touch(struct db *db, const struct user_key *key)
{
    static const struct statement touch = {
        "UPDATE entity e SET version = version + 1, updated_at = now(),"
        " search_text = (SELECT lower(concat_ws(E'\\n', e.name, e.display_name, d.first_name, d.last_name,"
        "  (SELECT string_agg(a.email, E'\\n') FROM email_address a WHERE a.organization_id = $1"
        "    AND a.entity_id = $2)) COLLATE \"und-x-icu\")"
        "  FROM user_detail d WHERE d.organization_id = $1 AND d.entity_id = $2)"
        " WHERE e.organization_id = $1 AND e.entity_id = $2",
        2};
    DB_QUEUE(db, &touch, key->organization_id, key->user_id);
}

/* Collects what changed nothing that is shown, up to the view, and writes it. */
enum code user_touch_and_show(struct db *db, struct change *change, const struct user_key *key, int pending)
{
    user_queue_touch(db, key);
    user_queue_view(db, change->account_id, key);
    for (int i = 0; i < pending + 1; i++) {
        enum code code = db_collect(db, change->problem, NULL);
        if (code != CODE_OK)
            return code;
    }
    return user_collect_view(db, change->problem, &change->answer);
}

enum code user_show(struct db *db, struct change *change, const struct user_key *key)
{
    user_queue_view(db, change->account_id, key);
    return user_collect_view(db, change->problem, &change->answer);
}

/* What the bodies of the transactions below are given. */
struct work {
    struct user_key key;
    const struct user *user;
    uint64_t set;
    const char *email;
    const char *password_hash;
};

/* --- mailbox and enabling --- */

/* Gives a user its mailbox and addresses and enables it: returns how many results to collect. */
static int queue_enable(struct db *db, struct change *change, const struct organization_row *organization,
                        const struct user_key *key, const char *name, const char *email)
{
    static const struct statement enable = {
        "UPDATE entity SET state = 'ENABLED', enabled_at = now(), disabled_at = NULL, purge_at = NULL"
        " WHERE organization_id = $1 AND entity_id = $2",
        2};
    static const struct statement mailbox = {
        "INSERT INTO mailbox (organization_id, mailbox_id, entity_id) VALUES ($1, $3, $2)"
        " ON CONFLICT (organization_id, entity_id) DO NOTHING",
        3};
    const char *local = email_local_part_of_name(change->arena, name);
    struct email test_alias;
    const char *detail;
    int pending = 6;

    DB_QUEUE(db, &enable, key->organization_id, key->user_id);
    usage_queue_begin(db, key);
    DB_QUEUE(db, &mailbox, key->organization_id, key->user_id, id_new_uuid(change->arena));
    address_queue_add(db, key->organization_id, key->user_id, email);
    address_queue_make_primary(db, key->organization_id, key->user_id, email);
    /* The test domain's address comes with it, unless the name makes none or somebody chose it before. */
    if (email_parse(change->arena, local, organization->test_domain, &test_alias, &detail)) {
        address_queue_add_if_free(db, key->organization_id, key->user_id, test_alias.address);
        pending++;
    }
    return pending;
}

/* --- creating --- */

/* Writes only into an organization of the account, and one that serves: it goes out together with the question whether
 * this is one. */
static void queue_insert(struct db *db, struct change *change, const struct user_key *key,
                         const struct user *user, const char *password_hash)
{
    static const struct statement insert = {
        "WITH owner AS (SELECT organization_id FROM organization"
        "  WHERE organization_id = $1 AND account_id = $21 AND is_serving),"
        " inserted AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state,"
        "  hidden_from_address_list, search_text)"
        "  SELECT organization_id, $2::uuid, 'USER', $3::text, $4::text, 'DISABLED', $5::boolean,"
        "  lower(concat_ws(E'\\n', $3::text, $4::text, $7::text, $8::text) COLLATE \"und-x-icu\") FROM owner)"
        " INSERT INTO user_detail (organization_id, entity_id, type, first_name, last_name, initials, street, city,"
        "  zip_code, country, telephone, job_title, department, company, office, quota_mb, password_hash)"
        " SELECT organization_id, $2::uuid, $6::text, $7::text, $8::text, $9::text, $10::text, $11::text, $12::text,"
        "  $13::text, $14::text, $15::text, $16::text, $17::text, $18::text, $19::integer, $20::text FROM owner",
        21};
    DB_QUEUE(db, &insert, key->organization_id, key->user_id, user->name, user->display_name,
             row_boolean(user->hidden_from_address_list), user->type, user->first_name, user->last_name,
             user->initials, user->street, user->city, user->zip_code, user->country, user->telephone,
             user->job_title, user->department, user->company, user->office,
             row_integer(change->arena, user->quota_mb), password_hash, change->account_id);
}

/* In one round trip: whether the organization serves is read from the view. */
static enum code create_entry(struct db *db, struct change *change, struct work *work)
{
    struct organization_row organization;
    organization_queue(db, change->account_id, work->key.organization_id, ORGANIZATION_SHARE);
    queue_insert(db, change, &work->key, work->user, NULL);
    user_queue_view(db, change->account_id, &work->key);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, change->problem);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, NULL);
    if (code != CODE_OK)
        return code;
    return user_collect_view(db, change->problem, &change->answer);
}

static enum code create_with_mailbox(struct db *db, struct change *change, struct work *work)
{
    struct organization_row organization;
    struct email email;
    organization_queue(db, change->account_id, work->key.organization_id, ORGANIZATION_SHARE);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, change->problem);
    if (code == CODE_OK)
        code = address_resolve(db, change, &organization, work->user->email, work->user->name, &email);
    if (code == CODE_OK && organization.is_on_trial)
        code = limit_trial_user(db, change->account_id, change->problem);
    if (code != CODE_OK)
        return code;
    queue_insert(db, change, &work->key, work->user, work->password_hash);
    int pending = 1 + queue_enable(db, change, &organization, &work->key, work->user->name, email.address);
    return user_touch_and_show(db, change, &work->key, pending);
}

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    struct work *work = argument;
    change->answer.location = arena_printf(change->arena, "/v1/organizations/%s/users/%s",
                                           work->key.organization_id, work->key.user_id);
    return work->password_hash != NULL ? create_with_mailbox(db, change, work)
                                       : create_entry(db, change, work);
}

enum code user_create(struct db *db, struct change *change, const char *organization_id,
                      const struct user *user, const char *password_hash)
{
    if (address_is_reserved(email_local_part_of_name(change->arena, user->name)))
        return problem_set(change->problem, CODE_RESERVED_NAME,
                           "This name is kept for the sender of journal records; choose another.");
    struct work work = {
        .key = {organization_id, id_new_uuid(change->arena)},
        .user = user,
        .password_hash = password_hash,
    };
    return tx_run(db, change, create_body, &work);
}

enum code user_check_create(struct db *db, struct change *change, const char *organization_id)
{
    struct organization_row organization;
    organization_queue(db, change->account_id, organization_id, ORGANIZATION_READ);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    return code == CODE_OK ? organization_need_serving(&organization, change->problem) : code;
}

/* --- changing --- */

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update_entity = {
        "UPDATE entity SET display_name = $3, hidden_from_address_list = $4"
        " WHERE organization_id = $1 AND entity_id = $2",
        4};
    static const struct statement update_detail = {
        "UPDATE user_detail SET first_name = $3, last_name = $4, initials = $5, street = $6, city = $7, zip_code = $8,"
        " country = $9, telephone = $10, job_title = $11, department = $12, company = $13, office = $14,"
        " quota_mb = $15 WHERE organization_id = $1 AND entity_id = $2",
        15};
    const struct work *work = argument;
    const struct user_key *key = &work->key;
    struct user_locked locked = {0};

    enum code code = user_lock(db, change, key, &locked);
    if (code == CODE_OK)
        code = user_need_changeable(change, &locked);
    if (code != CODE_OK)
        return code;
    struct user *user = &locked.user;
    field_merge(&user_table, work->set, work->user, user);
    DB_QUEUE(db, &update_entity, key->organization_id, key->user_id, user->display_name,
             row_boolean(user->hidden_from_address_list));
    DB_QUEUE(db, &update_detail, key->organization_id, key->user_id, user->first_name, user->last_name,
             user->initials, user->street, user->city, user->zip_code, user->country, user->telephone,
             user->job_title, user->department, user->company, user->office,
             row_integer(change->arena, user->quota_mb));
    return user_touch_and_show(db, change, key, 2);
}

enum code user_update(struct db *db, struct change *change, const struct user_key *key,
                      const struct user *patch, uint64_t set)
{
    struct work work = {.key = *key, .user = patch, .set = set};
    return tx_run(db, change, update_body, &work);
}

static enum code enable_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    struct user_locked locked = {0};
    struct email email;

    enum code code = user_lock(db, change, &work->key, &locked);
    if (code == CODE_OK)
        code = user_need_changeable(change, &locked);
    if (code != CODE_OK)
        return code;
    if (user_is_state(&locked, "ENABLED"))
        return user_show(db, change, &work->key);
    code = address_resolve(db, change, &locked.organization,
                           work->email != NULL ? work->email : locked.user.email, locked.user.name, &email);
    if (code == CODE_OK && locked.user.email != NULL)
        code = user_room_for_address(db, change, &work->key, email.address, NULL);
    if (code == CODE_OK && locked.organization.is_on_trial)
        code = limit_trial_user(db, change->account_id, change->problem);
    if (code != CODE_OK)
        return code;
    int pending = queue_enable(db, change, &locked.organization, &work->key, locked.user.name, email.address);
    return user_touch_and_show(db, change, &work->key, pending);
}

enum code user_enable(struct db *db, struct change *change, const struct user_key *key, const char *email)
{
    struct work work = {.key = *key, .email = email};
    return tx_run(db, change, enable_body, &work);
}

/* The mailbox and addresses are kept for the retention time; then a job gives them up. */
static void queue_purge(struct db *db, struct change *change, const struct user_key *key, int64_t delay_s)
{
    job_enqueue(db, change->arena,
                &(struct job_request){.kind = JOB_USER_PURGE,
                                      .organization_id = key->organization_id,
                                      .entity_id = key->user_id,
                                      .delay_s = delay_s});
}

static enum code disable_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement disable = {
        "UPDATE entity SET state = 'DISABLED', disabled_at = now(),"
        " purge_at = now() + make_interval(secs => $3::bigint) WHERE organization_id = $1 AND entity_id = $2",
        3};
    const struct work *work = argument;
    struct user_locked locked = {0};

    enum code code = user_lock(db, change, &work->key, &locked);
    if (code == CODE_OK)
        code = user_need_changeable(change, &locked);
    if (code != CODE_OK)
        return code;
    if (user_is_state(&locked, "DISABLED"))
        return user_show(db, change, &work->key);
    DB_QUEUE(db, &disable, work->key.organization_id, work->key.user_id,
             row_integer(change->arena, db_settings(db)->mailbox_retention_s));
    usage_queue_end(db, &work->key);
    queue_purge(db, change, &work->key, db_settings(db)->mailbox_retention_s);
    return user_touch_and_show(db, change, &work->key, 3);
}

enum code user_disable(struct db *db, struct change *change, const struct user_key *key)
{
    struct work work = {.key = *key};
    return tx_run(db, change, disable_body, &work);
}

static enum code delete_body(struct db *db, struct change *change, void *argument)
{
    /* What a mailbox was disabled with stays its time; one without a mailbox is forgotten after the same time. */
    static const struct statement delete_entity = {
        "UPDATE entity SET state = 'DELETED', deleted_at = now(),"
        " purge_at = coalesce(purge_at, now() + make_interval(secs => $3::bigint))"
        " WHERE organization_id = $1 AND entity_id = $2",
        3};
    static const struct statement forget_password = {
        "UPDATE user_detail SET password_hash = NULL WHERE organization_id = $1 AND entity_id = $2", 2};
    const struct work *work = argument;
    struct user_locked locked = {0};

    enum code code = user_lock(db, change, &work->key, &locked);
    if (code != CODE_OK)
        return code;
    if (user_is_state(&locked, "DELETED"))
        return CODE_OK;
    code = user_need_changeable(change, &locked);
    if (code != CODE_OK)
        return code;
    if (user_is_state(&locked, "ENABLED"))
        return user_wrong_state(change, &locked,
                                "Disable the user first; its mailbox is then kept for a while.");
    DB_QUEUE(db, &delete_entity, work->key.organization_id, work->key.user_id,
             row_integer(change->arena, db_settings(db)->mailbox_retention_s));
    DB_QUEUE(db, &forget_password, work->key.organization_id, work->key.user_id);
    queue_purge(db, change, &work->key, db_settings(db)->mailbox_retention_s);
    user_queue_touch(db, &work->key);
    return CODE_OK;
}

enum code user_delete(struct db *db, struct change *change, const struct user_key *key)
{
    struct work work = {.key = *key};
    return tx_run(db, change, delete_body, &work);
}

static enum code password_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE user_detail SET password_hash = $3 WHERE organization_id = $1 AND entity_id = $2", 3};
    const struct work *work = argument;
    struct user_locked locked = {0};

    enum code code = user_lock(db, change, &work->key, &locked);
    if (code == CODE_OK)
        code = user_need_changeable(change, &locked);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &update, work->key.organization_id, work->key.user_id, work->password_hash);
    user_queue_touch(db, &work->key);
    return CODE_OK;
}

enum code user_set_password(struct db *db, struct change *change, const struct user_key *key,
                            const char *password_hash)
{
    struct work work = {.key = *key, .password_hash = password_hash};
    return tx_run(db, change, password_body, &work);
}

enum code user_check_password_change(struct db *db, struct change *change, const struct user_key *key)
{
    struct user_locked seen = {0};
    queue_lock(db, change, key, false);
    enum code code = collect_lock(db, change, &seen);
    return code == CODE_OK ? user_need_changeable(change, &seen) : code;
}

/* --- purging --- */

enum code user_purge(struct db *db, struct change *change, const struct user_key *key)
{
    static const struct statement lock = {
        "SELECT state, purge_at <= now() AS is_due, ceil(extract(epoch FROM purge_at - now()))::bigint AS wait_s"
        " FROM entity WHERE organization_id = $1 AND entity_id = $2 FOR UPDATE",
        2};
    static const struct statement remove_entity = {
        "DELETE FROM entity WHERE organization_id = $1 AND entity_id = $2", 2};
    static const struct statement remove_mailbox = {
        "DELETE FROM mailbox WHERE organization_id = $1 AND entity_id = $2", 2};
    static const struct statement mark = {
        "UPDATE entity SET purge_at = NULL WHERE organization_id = $1 AND entity_id = $2", 2};
    DB_RESULT result = NULL;
    DB_RESULT seen = NULL;
    DB_QUEUE(db, &lock, key->organization_id, key->user_id);
    DB_QUEUE(db, &see, key->organization_id, key->user_id);
    enum code code = db_collect(db, change->problem, &result);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &seen);
    /* Not there any more, or enabled again. */
    if (code != CODE_OK || PQntuples(result) == 0 || PQgetisnull(result, 0, 1))
        return code;
    if (!row_flag(result, 0, "is_due")) { /* disabled anew, or the clock went back */
        queue_purge(db, change, key, strtoll(PQgetvalue(result, 0, 2), NULL, 10));
        return CODE_OK;
    }
    change->audit.target =
        arena_printf(change->arena, "/v1/organizations/%s/users/%s", key->organization_id, key->user_id);
    code = tx_before(change, seen, &user_table);
    if (code != CODE_OK)
        return code;
    address_queue_remove_all(db, key->organization_id, key->user_id);
    if (strcmp(PQgetvalue(result, 0, 0), "DELETED") == 0) {
        DB_QUEUE(db, &remove_entity, key->organization_id, key->user_id);
    } else {
        DB_QUEUE(db, &remove_mailbox, key->organization_id, key->user_id);
        DB_QUEUE(db, &mark, key->organization_id, key->user_id);
        user_queue_touch(db, key);
    }
    return CODE_OK;
}
