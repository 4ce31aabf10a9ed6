#include "db/user.h"

#include "db/address.h"
#include "db/entity_change.h"
#include "db/entity_sql.h"
#include "db/limit.h"
#include "db/row.h"
#include "model/email.h"
#include "model/id.h"

/* The rows of user_table that answers have, in its order. */
#define COLUMNS                                                                                                            \
    "e.entity_id AS user_id, e.name, d.type, e.state, d.first_name, d.last_name, e.display_name, d.initials," ENTITY_EMAIL \
    "," ENTITY_ALIASES ","                                                                                                 \
    " e.hidden_from_address_list, d.street, d.city, d.zip_code, d.country, d.telephone, d.job_title,"                      \
    " d.department, d.company, d.office, d.quota_mb, d.password_hash IS NOT NULL AS has_password,"                         \
    " m.mailbox_id AS \"mailbox.mailbox_id\","                                                                             \
    " CASE WHEN m.mailbox_id IS NOT NULL THEN d.quota_mb END AS \"mailbox.quota_mb\","                                     \
    " m.provisioned_at AS \"mailbox.provisioned_at\","                                                                     \
    " CASE WHEN m.mailbox_id IS NOT NULL THEN e.purge_at END AS \"mailbox.purge_at\","                                     \
    " e.enabled_at, e.disabled_at, o.directory_id," ENTITY_EXTERNAL ", e.created_at, e.updated_at"
/* Each has its details; as an outer join it is left out where only rows are counted. */
#define JOINS \
    ENTITY_JOIN("LEFT JOIN", "user_detail", "d") ENTITY_JOIN("LEFT JOIN", "mailbox", "m") ENTITY_JOIN_EXTERNAL

static const struct field query_fields[] = {ENTITY_QUERY_ROWS(user_types, 64)};
const struct field_table user_query_table = FIELD_TABLE("list_users_query", query_fields);

static const struct list_spec list = {
    .table = &user_table,
    .columns = COLUMNS,
    .orders = {ENTITY_ORDER_NAME, ENTITY_ORDER_DISPLAY_NAME, ENTITY_ORDER_CREATED_AT},
    .from = ENTITY_FROM("USER", JOINS),
    .filters = ENTITY_FILTERS(" AND d.type = $?"),
    ENTITY_LIST,
};
static const struct list_spec others = {
    .table = &user_table,
    .columns = COLUMNS,
    .orders = {ENTITY_ORDER_NAME, ENTITY_ORDER_DISPLAY_NAME, ENTITY_ORDER_CREATED_AT},
    .from = ENTITY_FROM_OTHERS("USER", "user_detail", JOINS),
    .filters = ENTITY_FILTERS(" AND x.type = $?"),
    ENTITY_LIST,
};
static const struct statement describe = ENTITY_DESCRIBE("USER", COLUMNS, JOINS);
static const struct statement see = ENTITY_SEE("USER", COLUMNS, JOINS);
static const struct statement forget_password = {
    "UPDATE user_detail SET password_hash = NULL WHERE organization_id = $1 AND entity_id = $2", 2};

const struct entity_kind user_kind = {
    .kind = "USER",
    .noun = "user",
    .segment = "users",
    .own_type = "USER",
    .has_mailbox = true,
    .not_found = CODE_USER_NOT_FOUND,
    .is_id = id_is_uuid,
    .table = &user_table,
    .list = &list,
    .list_of_others = &others,
    .describe = &describe,
    .see = &see,
    .forget = &forget_password,
};

/* What the bodies of the transactions below are given. */
struct work {
    struct entity_key key;
    const struct user *user;
    uint64_t set;
    const char *password_hash;
    bool is_made_elsewhere; /* the directory makes him: only whether he could be here is asked */
};

/* --- creating --- */

/* Writes only into an organization of the account, and one that serves: it goes out together with the question whether
 * this is one. */
static void queue_insert(struct db *db, struct change *change, const struct entity_key *key,
                         const struct user *user, const char *password_hash)
{
    static const struct statement insert = {
        "WITH owner AS (SELECT organization_id FROM organization"
        "  WHERE organization_id = $1 AND account_id = $21 AND is_serving),"
        " inserted AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state,"
        "  hidden_from_address_list, search_text)"
        "  SELECT organization_id, $2::uuid, 'USER', $3::text, $4::text, 'DISABLED', $5::boolean,"
        "  search_text($3::text, $4::text, $7::text, $8::text) FROM owner)"
        " INSERT INTO user_detail (organization_id, entity_id, type, first_name, last_name, initials, street, city,"
        "  zip_code, country, telephone, job_title, department, company, office, quota_mb, password_hash)"
        " SELECT organization_id, $2::uuid, $6::text, $7::text, $8::text, $9::text, $10::text, $11::text, $12::text,"
        "  $13::text, $14::text, $15::text, $16::text, $17::text, $18::text, $19::integer, $20::text FROM owner",
        21};
    DB_QUEUE(db, &insert, key->organization_id, key->entity_id, user->name, user->display_name,
             row_boolean(user->hidden_from_address_list), user->type, user->first_name, user->last_name,
             user->initials, user->street, user->city, user->zip_code, user->country, user->telephone,
             user->job_title, user->department, user->company, user->office,
             row_integer(change->arena, user->quota_mb), password_hash, change->account_id);
}

static enum code need_creatable(struct change *change, const struct work *work,
                                const struct organization_row *organization)
{
    enum code code = entity_need_creatable(&user_kind, organization, change->problem);
    if (code != CODE_DIRECTORY_READ_ONLY || !work->is_made_elsewhere)
        return code;
    problem_clear(change->problem);
    return CODE_OK;
}

/* In one round trip: whether the organization serves is read from the view. */
static enum code create_entry(struct db *db, struct change *change, struct work *work)
{
    struct organization_row organization;
    organization_queue(db, change->account_id, work->key.organization_id, ORGANIZATION_SHARE);
    queue_insert(db, change, &work->key, work->user, NULL);
    entity_queue_view(db, change->account_id, &work->key);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = need_creatable(change, work, &organization);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, NULL);
    if (code != CODE_OK)
        return code;
    return entity_collect_view(db, &user_kind, change->problem, &change->answer);
}

static enum code create_with_mailbox(struct db *db, struct change *change, struct work *work)
{
    struct organization_row organization;
    struct email email;
    enum code code = entity_enter(db, change, work->key.organization_id, &organization);
    if (code == CODE_OK)
        code = need_creatable(change, work, &organization);
    if (code == CODE_OK)
        code = address_resolve(db, change, &organization, work->user->email, work->user->name, &email);
    if (code == CODE_OK && organization.is_on_trial)
        code = limit_trial_user(db, change->account_id, change->problem);
    if (code != CODE_OK)
        return code;
    queue_insert(db, change, &work->key, work->user, work->is_made_elsewhere ? NULL : work->password_hash);
    int pending =
        1 + entity_queue_enable(db, change, &organization, &work->key, work->user->name, email.address);
    return entity_touch_and_show(db, change, &work->key, pending);
}

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    struct work *work = argument;
    change->answer.location = entity_path(change->arena, &work->key);
    return work->password_hash != NULL ? create_with_mailbox(db, change, work)
                                       : create_entry(db, change, work);
}

enum code user_create(struct db *db, struct change *change, const char *organization_id,
                      const struct user *user, const char *password_hash)
{
    struct work work = {
        .key = entity_key(&user_kind, organization_id, id_new_uuid(change->arena)),
        .user = user,
        .password_hash = password_hash,
    };
    enum code code = entity_need_unreserved(db, change, user->name);
    return code == CODE_OK ? tx_run(db, change, create_body, &work) : code;
}

enum code user_try_create(struct db *db, struct change *change, const char *organization_id,
                          const struct user *user)
{
    struct work work = {
        .key = entity_key(&user_kind, organization_id, id_new_uuid(change->arena)),
        .user = user,
        .password_hash = user->password != NULL ? "" : NULL,
        .is_made_elsewhere = true,
    };
    struct change dry = *change;
    dry.validate_only = true;
    enum code code = entity_need_unreserved(db, change, user->name);
    if (code == CODE_OK)
        code = tx_run(db, &dry, create_body, &work);
    change->answer = dry.answer;
    return code;
}

enum code user_check_create(struct db *db, struct change *change, const char *organization_id)
{
    struct organization_row organization;
    organization_queue(db, change->account_id, organization_id, ORGANIZATION_READ);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    return code == CODE_OK ? entity_need_creatable(&user_kind, &organization, change->problem) : code;
}

/* --- changing --- */

/* Kept here whatever directory the user is of. */
static const char *const own[] = {"hidden_from_address_list", "quota_mb", NULL};

uint64_t user_own_members(uint64_t set)
{
    return set & ~entity_other_members(&user_table, set, own);
}

static enum code touch_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    struct entity_locked locked = {0};
    enum code code = entity_lock(db, change, &work->key, &locked, NULL);
    return code == CODE_OK ? entity_touch_and_show(db, change, &work->key, 0) : code;
}

enum code user_touch(struct db *db, struct change *change, const struct entity_key *key)
{
    struct work work = {.key = *key};
    return tx_run(db, change, touch_body, &work);
}

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update_detail = {
        "UPDATE user_detail SET first_name = $3, last_name = $4, initials = $5, street = $6, city = $7, zip_code = $8,"
        " country = $9, telephone = $10, job_title = $11, department = $12, company = $13, office = $14,"
        " quota_mb = $15 WHERE organization_id = $1 AND entity_id = $2",
        15};
    const struct work *work = argument;
    const struct entity_key *key = &work->key;
    struct entity_locked locked = {0};
    struct user user = {0};

    enum code code = entity_lock(db, change, key, &locked, &user);
    if (code == CODE_OK)
        code = entity_need_own_members(change, key, &locked, work->set, own);
    if (code != CODE_OK)
        return code;
    field_merge(&user_table, work->set, work->user, &user);
    entity_queue_update(db, key, user.name, user.display_name, user.hidden_from_address_list);
    DB_QUEUE(db, &update_detail, key->organization_id, key->entity_id, user.first_name, user.last_name,
             user.initials, user.street, user.city, user.zip_code, user.country, user.telephone,
             user.job_title, user.department, user.company, user.office,
             row_integer(change->arena, user.quota_mb));
    return entity_touch_and_show(db, change, key, 2);
}

enum code user_update(struct db *db, struct change *change, const struct entity_key *key,
                      const struct user *patch, uint64_t set)
{
    struct work work = {.key = *key, .user = patch, .set = set};
    return tx_run(db, change, update_body, &work);
}

static enum code password_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE user_detail SET password_hash = $3 WHERE organization_id = $1 AND entity_id = $2", 3};
    const struct work *work = argument;
    struct entity_locked locked = {0};

    enum code code = entity_lock(db, change, &work->key, &locked, NULL);
    if (code == CODE_OK)
        code = entity_need_built_in(change, &work->key, &locked);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &update, work->key.organization_id, work->key.entity_id, work->password_hash);
    entity_queue_touch(db, work->key.organization_id, work->key.entity_id);
    return CODE_OK;
}

enum code user_set_password(struct db *db, struct change *change, const struct entity_key *key,
                            const char *password_hash)
{
    struct work work = {.key = *key, .password_hash = password_hash};
    return tx_run(db, change, password_body, &work);
}

static enum code note_password_body(struct db *db, struct change *change, void *argument)
{
    const struct work *work = argument;
    struct entity_locked locked = {0};
    enum code code = entity_lock(db, change, &work->key, &locked, NULL);
    if (code == CODE_OK)
        entity_queue_touch(db, work->key.organization_id, work->key.entity_id);
    return code;
}

enum code user_note_password(struct db *db, struct change *change, const struct entity_key *key)
{
    struct work work = {.key = *key};
    return tx_run(db, change, note_password_body, &work);
}

enum code user_check_password_change(struct db *db, struct change *change, const struct entity_key *key)
{
    struct entity_locked seen = {0};
    enum code code = entity_see(db, change, key, &seen);
    return code == CODE_OK ? entity_need_built_in(change, key, &seen) : code;
}
