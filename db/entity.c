#include "db/entity.h"

#include <stdlib.h>
#include <string.h>

#include "db/address.h"
#include "db/edge.h"
#include "db/entity_change.h"
#include "db/group.h"
#include "db/interoperability.h"
#include "db/job.h"
#include "db/limit.h"
#include "db/resource.h"
#include "db/row.h"
#include "db/usage.h"
#include "db/user.h"
#include "model/id.h"
#include "model/job.h"

struct entity_key entity_key(const struct entity_kind *kind, const char *organization_id, const char *id)
{
    /* `r-` and the 32 digits of a UUID, which the database takes without hyphens. */
    bool has_prefix = strncmp(id, "r-", 2) == 0;
    return (struct entity_key){kind, organization_id, id, has_prefix ? id + 2 : id};
}

const char *entity_path(struct arena *arena, const struct entity_key *key)
{
    return arena_printf(arena, "/v1/organizations/%s/%s/%s", key->organization_id, key->kind->segment,
                        key->id);
}

static enum code not_found(const struct entity_kind *kind, struct problem *problem)
{
    return problem_set(problem, kind->not_found, "No %s of this organization has this id.", kind->noun);
}

/* --- reading --- */

enum { COLUMN_VERSION = ORGANIZATION_SEEN_COLUMNS, COLUMN_VIEW };

void entity_queue_view(struct db *db, const char *account_id, const struct entity_key *key)
{
    DB_QUEUE(db, key->kind->describe, account_id, key->organization_id, key->entity_id);
}

enum code entity_collect_view(struct db *db, const struct entity_kind *kind, struct problem *problem,
                              struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = organization_collect_seen(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQgetisnull(result, 0, COLUMN_VIEW))
        return not_found(kind, problem);
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, COLUMN_VERSION));
    return row_write(result, 0, COLUMN_VIEW, kind->table, &answer->body);
}

enum code entity_queue_list(struct db *db, const struct entity_kind *kind, const char *account_id,
                            const char *organization_id, struct entity_query *query, struct problem *problem,
                            struct list_pending *ret_pending)
{
    bool of_others =
        query->type != NULL && kind->own_type != NULL && strcmp(query->type, kind->own_type) != 0;
    const char *const filters[LIST_MAX_FILTERS] = {
        query->state, query->type, query->name,
        query->email, query->q,    query->state == NULL ? "DELETED" : NULL,
    };
    memcpy(query->page.filters, filters, sizeof(filters));
    const struct list_spec *list = of_others ? kind->list_of_others : kind->list;
    return organization_queue_list(db, account_id, organization_id, list, &query->page, problem, ret_pending);
}

enum code entity_list_parts(struct db *db, const char *account_id, const struct entity_key *key,
                            const struct list_spec *spec, const struct list_query *query,
                            struct problem *problem, struct buffer *out, const char **ret_next_token)
{
    const char *const fixed[] = {key->organization_id, key->entity_id};
    struct answer unused = {.body.arena = out->arena};
    struct list_pending pending;

    entity_queue_view(db, account_id, key);
    enum code code = list_queue(db, spec, query, fixed, out->arena, problem, &pending);
    if (code == CODE_OK)
        code = entity_collect_view(db, key->kind, problem, &unused);
    if (code != CODE_OK)
        return code;
    return list_collect(db, &pending, problem, out, ret_next_token);
}

/* --- what changes have in common --- */

/* The lock is a statement of its own: a row that was waited for is read as it then is,
 * but what is joined to it in the same statement would be as it was before. */
static const struct statement lock_one = {
    "SELECT FROM entity e WHERE organization_id = $1 AND entity_id = $2 AND kind = $3 AND EXISTS"
    " (SELECT FROM organization o WHERE o.organization_id = $1 AND o.account_id = $4) FOR NO KEY UPDATE OF e",
    4};

static enum code collect_lock(struct db *db, struct change *change, const struct entity_key *key,
                              struct entity_locked *ret_locked, void *target)
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
        return not_found(key->kind, change->problem);
    ret_locked->name = row_text(change->arena, result, 0, "name");
    ret_locked->type = row_text(change->arena, result, 0, "type");
    ret_locked->state = row_text(change->arena, result, 0, "state");
    ret_locked->email = row_text(change->arena, result, 0, "email");
    int external = PQfnumber(result, "external.external_id");
    if (external >= 0 && !PQgetisnull(result, 0, external)) {
        ret_locked->is_external = true;
        ret_locked->is_disabled_there = row_flag(result, 0, "external.disabled");
        ret_locked->proposed_email = row_text(change->arena, result, 0, "external.proposed_email");
    }
    if (target != NULL)
        row_read(change->arena, result, 0, key->kind->table, target);
    code = tx_before(change, result, key->kind->table);
    if (code != CODE_OK)
        return code;
    return tx_match(change, PQgetvalue(result, 0, PQfnumber(result, "version")));
}

enum code entity_lock_by(struct db *db, struct change *change, const struct entity_key *key,
                         const struct statement *lock, const char *third, struct entity_locked *ret_locked,
                         void *target)
{
    const char *const parameters[] = {key->organization_id, key->entity_id, third, change->account_id};
    organization_queue(db, change->account_id, key->organization_id, ORGANIZATION_SHARE);
    db_queue_silently(db, lock, parameters, 4);
    DB_QUEUE(db, key->kind->see, key->organization_id, key->entity_id);
    return collect_lock(db, change, key, ret_locked, target);
}

enum code entity_lock(struct db *db, struct change *change, const struct entity_key *key,
                      struct entity_locked *ret_locked, void *target)
{
    return entity_lock_by(db, change, key, &lock_one, key->kind->kind, ret_locked, target);
}

const char *entity_id_array(struct arena *arena, const char *const *ids)
{
    struct buffer array = {.arena = arena};
    buffer_byte(&array, '{');
    for (; ids != NULL && *ids != NULL; ids++)
        if (id_is_uuid(*ids) || id_is_resource(*ids))
            buffer_printf(&array, "%s%s", array.length > 1 ? "," : "",
                          entity_key(NULL, NULL, *ids).entity_id);
    buffer_byte(&array, '}');
    return buffer_string(&array);
}

void entity_queue_lock_several(struct db *db, struct change *change, const char *organization_id,
                               const char *const *ids)
{
    static const struct statement lock = {
        "SELECT FROM entity e WHERE e.organization_id = $1 AND e.entity_id = ANY ($2::uuid[]) AND EXISTS"
        " (SELECT FROM organization o WHERE o.organization_id = $1 AND o.account_id = $3)"
        " ORDER BY e.entity_id FOR NO KEY UPDATE OF e",
        3};
    const char *const parameters[] = {organization_id, entity_id_array(change->arena, ids),
                                      change->account_id};
    db_queue_silently(db, &lock, parameters, 3);
}

enum code entity_see(struct db *db, struct change *change, const struct entity_key *key,
                     struct entity_locked *ret_locked)
{
    organization_queue(db, change->account_id, key->organization_id, ORGANIZATION_READ);
    DB_QUEUE(db, key->kind->see, key->organization_id, key->entity_id);
    return collect_lock(db, change, key, ret_locked, NULL);
}

bool entity_is_state(const struct entity_locked *locked, const char *state)
{
    return strcmp(locked->state, state) == 0;
}

enum code entity_wrong_state(struct change *change, const struct entity_key *key,
                             const struct entity_locked *locked, const char *advice)
{
    return problem_set(change->problem, CODE_ENTITY_STATE, "The %s is %s. %s", key->kind->noun, locked->state,
                       advice);
}

enum code entity_need_changeable(struct change *change, const struct entity_key *key,
                                 const struct entity_locked *locked)
{
    if (entity_is_state(locked, "DELETED"))
        return entity_wrong_state(change, key, locked, "What is deleted is not changed; create a new one.");
    if (key->kind == &user_kind && strcmp(locked->type, "RESOURCE") == 0)
        return problem_set(
            change->problem, CODE_ENTITY_STATE,
            "This is a room or equipment mailbox of Exchange: it is listed, but neither enabled nor"
            " changed. Create a resource instead, once interoperability is disabled.");
    if (key->kind->own_type != NULL && strcmp(locked->type, key->kind->own_type) != 0)
        return problem_set(change->problem, CODE_ENTITY_STATE,
                           "This is one of the directory's own (%s); it is listed but not changed.",
                           locked->type);
    return CODE_OK;
}

enum code entity_need_editable(struct change *change, const struct entity_key *key,
                               const struct entity_locked *locked)
{
    enum code code = entity_need_changeable(change, key, locked);
    if (code != CODE_OK)
        return code;
    const char *what =
        arena_printf(change->arena, "changes of %ss, their addresses and members are made", key->kind->noun);
    return interoperability_refuse(&locked->organization, what, change->problem);
}

enum code entity_need_built_in(struct change *change, const struct entity_key *key,
                               const struct entity_locked *locked)
{
    enum code code = entity_need_editable(change, key, locked);
    return code == CODE_OK && locked->is_external
               ? organization_read_only(&locked->organization, key->kind->noun, change->problem)
               : code;
}

uint64_t entity_other_members(const struct field_table *table, uint64_t set, const char *const *own)
{
    for (size_t i = 0; i < table->count; i++)
        for (const char *const *name = own; *name != NULL; name++)
            if (strcmp(table->fields[i].name, *name) == 0)
                set &= ~((uint64_t)1 << i);
    return set;
}

enum code entity_need_own_members(struct change *change, const struct entity_key *key,
                                  const struct entity_locked *locked, uint64_t set, const char *const *own)
{
    return entity_other_members(key->kind->table, set, own) != 0 ? entity_need_built_in(change, key, locked)
                                                                 : entity_need_editable(change, key, locked);
}

static enum code lock_changeable(struct db *db, struct change *change, const struct entity_key *key,
                                 struct entity_locked *ret_locked)
{
    enum code code = entity_lock(db, change, key, ret_locked, NULL);
    return code == CODE_OK ? entity_need_changeable(change, key, ret_locked) : code;
}

enum code entity_enter(struct db *db, struct change *change, const char *organization_id,
                       struct organization_row *ret_organization)
{
    organization_queue(db, change->account_id, organization_id, ORGANIZATION_SHARE);
    enum code code = organization_collect(db, change->arena, change->problem, ret_organization);
    return code == CODE_OK ? organization_need_serving(ret_organization, change->problem) : code;
}

enum code entity_need_creatable(const struct entity_kind *kind, const struct organization_row *organization,
                                struct problem *problem)
{
    enum code code = organization_need_serving(organization, problem);
    if (code == CODE_OK)
        code = interoperability_refuse(organization,
                                       arena_printf(problem->arena, "%ss are created", kind->noun), problem);
    return code == CODE_OK && kind != &resource_kind
               ? organization_need_built_in(organization, kind->noun, problem)
               : code;
}

enum code entity_enter_to_create(struct db *db, struct change *change, const struct entity_key *key,
                                 struct organization_row *ret_organization)
{
    enum code code = entity_enter(db, change, key->organization_id, ret_organization);
    return code == CODE_OK ? entity_need_creatable(key->kind, ret_organization, change->problem) : code;
}

enum code entity_need_unreserved(const struct db *db, struct change *change, const char *name)
{
    if (address_is_reserved(db, email_local_part_of_name(change->arena, name)))
        return problem_set(change->problem, CODE_RESERVED_NAME,
                           "This name is kept for the sender of journal records; choose another.");
    return CODE_OK;
}

void entity_queue_insert(struct db *db, const struct entity_key *key, const char *name,
                         const char *display_name, bool hidden_from_address_list)
{
    static const struct statement insert = {
        "INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state,"
        " hidden_from_address_list, search_text) VALUES ($1, $2, $3, $4, $5, 'DISABLED', $6, '')",
        6};
    DB_QUEUE(db, &insert, key->organization_id, key->entity_id, key->kind->kind, name, display_name,
             row_boolean(hidden_from_address_list));
}

void entity_queue_update(struct db *db, const struct entity_key *key, const char *name,
                         const char *display_name, bool hidden_from_address_list)
{
    static const struct statement update = {
        "UPDATE entity SET name = $3, display_name = $4, hidden_from_address_list = $5"
        " WHERE organization_id = $1 AND entity_id = $2",
        5};
    DB_QUEUE(db, &update, key->organization_id, key->entity_id, name, display_name,
             row_boolean(hidden_from_address_list));
}

void entity_queue_touch(struct db *db, const char *organization_id, const char *entity_id)
{
    static const struct statement touch = {
        "UPDATE entity e SET version = version + 1, updated_at = now(),"
        " search_text = search_text(VARIADIC ARRAY[e.name, e.display_name]"
        "  || (SELECT ARRAY[d.first_name, d.last_name] FROM user_detail d"
        "    WHERE d.organization_id = $1 AND d.entity_id = $2)"
        "  || ARRAY(SELECT a.email FROM email_address a WHERE a.organization_id = $1 AND a.entity_id = $2"
        "   ORDER BY a.email))"
        " WHERE e.organization_id = $1 AND e.entity_id = $2",
        2};
    DB_QUEUE(db, &touch, organization_id, entity_id);
}

/* Collects what changed nothing that is shown, up to the view, and writes it. */
enum code entity_touch_and_show(struct db *db, struct change *change, const struct entity_key *key,
                                int pending)
{
    entity_queue_touch(db, key->organization_id, key->entity_id);
    entity_queue_view(db, change->account_id, key);
    for (int i = 0; i < pending + 1; i++) {
        enum code code = db_collect(db, change->problem, NULL);
        if (code != CODE_OK)
            return code;
    }
    return entity_collect_view(db, key->kind, change->problem, &change->answer);
}

enum code entity_show(struct db *db, struct change *change, const struct entity_key *key)
{
    entity_queue_view(db, change->account_id, key);
    return entity_collect_view(db, key->kind, change->problem, &change->answer);
}

/* --- enabling and disabling --- */

static int queue_mailbox(struct db *db, struct change *change, const struct organization_row *organization,
                         const struct entity_key *key, const char *name)
{
    static const struct statement mailbox = {
        "INSERT INTO mailbox (organization_id, mailbox_id, entity_id) VALUES ($1, $3, $2)"
        " ON CONFLICT (organization_id, entity_id) DO NOTHING",
        3};
    const char *local = email_local_part_of_name(change->arena, name);
    struct email test_alias;
    const char *detail;

    usage_queue_begin(db, key);
    DB_QUEUE(db, &mailbox, key->organization_id, key->entity_id, id_new_uuid(change->arena));
    /* The test domain's address comes with it, unless the name makes none, or one that is kept for the service (a directory
     * may have any name), or somebody chose it before. */
    if (!email_parse(change->arena, local, organization->test_domain, &test_alias, &detail) ||
        address_may_be_used(db, organization, &test_alias, change->arena, &detail) != CODE_OK)
        return 2;
    address_queue_add_if_free(db, key->organization_id, key->entity_id, test_alias.address);
    return 3;
}

int entity_queue_enable(struct db *db, struct change *change, const struct organization_row *organization,
                        const struct entity_key *key, const char *name, const char *email)
{
    static const struct statement enable = {
        "UPDATE entity SET state = 'ENABLED', enabled_at = now(), disabled_at = NULL, purge_at = NULL"
        " WHERE organization_id = $1 AND entity_id = $2",
        2};
    DB_QUEUE(db, &enable, key->organization_id, key->entity_id);
    address_queue_add(db, key->organization_id, key->entity_id, email);
    address_queue_make_primary(db, key->organization_id, key->entity_id, email);
    return 4 + (key->kind->has_mailbox ? queue_mailbox(db, change, organization, key, name) : 0);
}

/* Beside Exchange resources are enabled there only; the others are here, with the address that they have there. */
static enum code need_enabled_here(struct change *change, const struct entity_key *key,
                                   const struct entity_locked *locked, const char *email)
{
    if (key->kind == &resource_kind)
        return interoperability_refuse(&locked->organization, "resources are enabled", change->problem);
    return email != NULL
               ? interoperability_refuse(&locked->organization,
                                         "addresses (leave `email` out here) are chosen", change->problem)
               : CODE_OK;
}

enum code entity_enable_body(struct db *db, struct change *change, void *argument)
{
    const struct entity_work *work = argument;
    const struct entity_key *key = &work->key;
    struct entity_locked locked = {0};
    struct email email;

    enum code code = lock_changeable(db, change, key, &locked);
    if (code != CODE_OK)
        return code;
    if (entity_is_state(&locked, "ENABLED"))
        return entity_show(db, change, key);
    if (locked.is_disabled_there)
        return entity_wrong_state(change, key, &locked,
                                  "Its account is disabled in the directory; enable it there first.");
    const char *wanted = work->email != NULL ? work->email : locked.email;
    code = need_enabled_here(change, key, &locked, work->email);
    if (code == CODE_OK)
        code = address_resolve(db, change, &locked.organization,
                               wanted != NULL ? wanted : locked.proposed_email, locked.name, &email);
    if (code == CODE_OK && locked.email != NULL)
        code = entity_room_for_address(db, change, key, email.address, NULL);
    if (code == CODE_OK && key->kind->has_mailbox && locked.organization.is_on_trial)
        code = limit_trial_user(db, change->account_id, change->problem);
    if (code != CODE_OK)
        return code;
    int pending = entity_queue_enable(db, change, &locked.organization, key, locked.name, email.address);
    return entity_touch_and_show(db, change, key, pending);
}

enum code entity_enable(struct db *db, struct change *change, const struct entity_key *key, const char *email)
{
    struct entity_work work = {.key = *key, .email = email};
    return tx_run(db, change, entity_enable_body, &work);
}

/* The mailbox and addresses are kept for the retention time; then a job gives them up. */
static void queue_purge(struct db *db, struct change *change, const char *organization_id,
                        const char *entity_id, int64_t delay_s)
{
    job_enqueue(db, change->arena,
                &(struct job_request){.kind = JOB_ENTITY_PURGE,
                                      .organization_id = organization_id,
                                      .entity_id = entity_id,
                                      .delay_s = delay_s});
}

enum code entity_disable_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement disable = {
        "UPDATE entity SET state = 'DISABLED', disabled_at = now(),"
        " purge_at = now() + make_interval(secs => $3::bigint) WHERE organization_id = $1 AND entity_id = $2",
        3};
    const struct entity_work *work = argument;
    const struct entity_key *key = &work->key;
    int64_t retention_s = db_settings(db)->mailbox_retention_s;
    struct entity_locked locked = {0};

    enum code code = lock_changeable(db, change, key, &locked);
    if (code != CODE_OK)
        return code;
    if (entity_is_state(&locked, "DISABLED"))
        return entity_show(db, change, key);
    DB_QUEUE(db, &disable, key->organization_id, key->entity_id, row_integer(change->arena, retention_s));
    queue_purge(db, change, key->organization_id, key->entity_id, retention_s);
    if (!key->kind->has_mailbox)
        return entity_touch_and_show(db, change, key, 2);
    usage_queue_end(db, key);
    return entity_touch_and_show(db, change, key, 3);
}

enum code entity_disable(struct db *db, struct change *change, const struct entity_key *key)
{
    struct entity_work work = {.key = *key};
    return tx_run(db, change, entity_disable_body, &work);
}

/* --- deleting --- */

enum code entity_delete_body(struct db *db, struct change *change, void *argument)
{
    /* What a mailbox was disabled with stays its time; one without a mailbox is forgotten after the same time. */
    static const struct statement delete_entity = {
        "UPDATE entity SET state = 'DELETED', deleted_at = now(),"
        " purge_at = coalesce(purge_at, now() + make_interval(secs => $3::bigint))"
        " WHERE organization_id = $1 AND entity_id = $2",
        3};
    const struct entity_work *work = argument;
    const struct entity_key *key = &work->key;
    int64_t retention_s = db_settings(db)->mailbox_retention_s;
    struct entity_locked locked = {0};

    enum code code = edge_lock_with_owners(db, change, key, &locked, NULL);
    if (code != CODE_OK)
        return code;
    if (entity_is_state(&locked, "DELETED"))
        return CODE_OK;
    /* A resource was made here, before the mode was on: nothing takes it away from elsewhere. */
    code = key->kind == &resource_kind ? entity_need_changeable(change, key, &locked)
                                       : entity_need_built_in(change, key, &locked);
    if (code != CODE_OK)
        return code;
    if (entity_is_state(&locked, "ENABLED") && !key->kind->is_deleted_directly)
        return entity_wrong_state(change, key, &locked,
                                  "Disable it first; what it has is then kept for a while.");
    DB_QUEUE(db, &delete_entity, key->organization_id, key->entity_id,
             row_integer(change->arena, retention_s));
    if (key->kind->forget != NULL)
        DB_QUEUE(db, key->kind->forget, key->organization_id, key->entity_id);
    edge_queue_remove_all(db, key);
    queue_purge(db, change, key->organization_id, key->entity_id, retention_s);
    entity_queue_touch(db, key->organization_id, key->entity_id);
    return CODE_OK;
}

enum code entity_delete(struct db *db, struct change *change, const struct entity_key *key)
{
    struct entity_work work = {.key = *key};
    return tx_run(db, change, entity_delete_body, &work);
}

/* The key of one whose id comes from the database. */
static struct entity_key stored_key(struct arena *arena, const char *kind, const char *organization_id,
                                    const char *entity_id)
{
    static const struct entity_kind *const kinds[] = {&user_kind, &group_kind, &resource_kind};
    unsigned i = 0;
    while (i < sizeof(kinds) / sizeof(kinds[0]) - 1 && strcmp(kinds[i]->kind, kind) != 0)
        i++;
    return entity_key(kinds[i], organization_id,
                      kinds[i] == &resource_kind ? id_resource_of_uuid(arena, entity_id)
                                                 : arena_string(arena, entity_id));
}

/* For the audit log: what it was, and where it was to be found. */
static enum code note_purge(struct db *db, struct change *change, const struct entity_key *key)
{
    DB_RESULT seen = NULL;
    change->audit.target = entity_path(change->arena, key);
    enum code code = DB_RUN(db, change->problem, &seen, key->kind->see, key->organization_id, key->entity_id);
    return code == CODE_OK ? tx_before(change, seen, key->kind->table) : code;
}

enum code entity_purge(struct db *db, struct change *change, const char *organization_id,
                       const char *entity_id)
{
    static const struct statement lock = {
        "SELECT state, purge_at <= now() AS is_due, ceil(extract(epoch FROM purge_at - now()))::bigint AS wait_s,"
        " kind FROM entity WHERE organization_id = $1 AND entity_id = $2 FOR UPDATE",
        2};
    static const struct statement remove_entity = {
        "DELETE FROM entity WHERE organization_id = $1 AND entity_id = $2", 2};
    static const struct statement remove_mailbox = {
        "DELETE FROM mailbox WHERE organization_id = $1 AND entity_id = $2", 2};
    static const struct statement mark = {
        "UPDATE entity SET purge_at = NULL WHERE organization_id = $1 AND entity_id = $2", 2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &lock, organization_id, entity_id);
    /* Not there any more, or enabled again. */
    if (code != CODE_OK || PQntuples(result) == 0 || PQgetisnull(result, 0, 1))
        return code;
    if (!row_flag(result, 0, "is_due")) { /* disabled anew, or the clock went back */
        queue_purge(db, change, organization_id, entity_id, strtoll(PQgetvalue(result, 0, 2), NULL, 10));
        return CODE_OK;
    }
    struct entity_key key = stored_key(change->arena, PQgetvalue(result, 0, 3), organization_id, entity_id);
    code = note_purge(db, change, &key);
    if (code != CODE_OK)
        return code;
    address_queue_remove_all(db, organization_id, entity_id);
    if (strcmp(PQgetvalue(result, 0, 0), "DELETED") == 0) {
        DB_QUEUE(db, &remove_entity, organization_id, entity_id);
    } else {
        DB_QUEUE(db, &remove_mailbox, organization_id, entity_id);
        DB_QUEUE(db, &mark, organization_id, entity_id);
        entity_queue_touch(db, organization_id, entity_id);
    }
    return CODE_OK;
}
