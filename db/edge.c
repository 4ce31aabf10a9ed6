#include "db/edge.h"

#include <string.h>

#include "db/row.h"
#include "model/id.h"

struct work {
    const struct edge_kind *kind;
    const struct entity_key *owner;
    const char *member_id;
};

#define OF_ACCOUNT \
    " AND EXISTS (SELECT FROM organization o WHERE o.organization_id = $1 AND o.account_id = $4)"

/* Of all that put a group into a group of this organization one at a time goes on, or two that look at once would close a
 * cycle. */
static void queue_lock_nesting(struct db *db, const struct change *change, const struct work *work)
{
    static const struct statement lock = {
        "SELECT pg_advisory_xact_lock(hashtextextended(e.organization_id, 7265)) FROM entity e"
        " WHERE e.organization_id = $1 AND e.entity_id = $2 AND e.kind = $3" OF_ACCOUNT,
        4};
    const char *const parameters[] = {work->owner->organization_id, work->member_id, "GROUP",
                                      change->account_id};
    if (work->kind->nests)
        db_queue_silently(db, &lock, parameters, 4);
}

static enum code lock_both(struct db *db, struct change *change, const struct work *work)
{
    static const struct statement lock = {
        "SELECT FROM entity e WHERE e.organization_id = $1 AND e.entity_id IN ($2, $3)" OF_ACCOUNT
        " ORDER BY e.entity_id FOR NO KEY UPDATE OF e",
        4};
    struct entity_locked locked = {0};
    queue_lock_nesting(db, change, work);
    enum code code = entity_lock_by(db, change, work->owner, &lock, work->member_id, &locked, NULL);
    return code == CODE_OK ? entity_need_built_in(change, work->owner, &locked) : code;
}

/* Whether it can be in anything. */
static enum code need_member(struct change *change, const PGresult *member)
{
    if (PQntuples(member) == 0)
        return problem_set(change->problem, CODE_ENTITY_NOT_FOUND,
                           "No user or group of this organization has this id.");
    if (strcmp(PQgetvalue(member, 0, 1), "DELETED") == 0)
        return problem_set(change->problem, CODE_ENTITY_STATE,
                           "It is DELETED; choose a user or group that is not.");
    return CODE_OK;
}

static enum code add_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement see = {
        "SELECT kind, state FROM entity WHERE organization_id = $1 AND entity_id = $2 AND kind <> 'RESOURCE'",
        2};
    static const struct statement insert = {
        "INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)"
        " VALUES ($1, $2, $3, $4, $5)",
        5};
    const struct work *work = argument;
    const struct entity_key *owner = work->owner;
    const struct edge_kind *kind = work->kind;
    DB_RESULT member = NULL;
    DB_RESULT before = NULL;
    DB_RESULT after = NULL;

    enum code code = lock_both(db, change, work);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &see, owner->organization_id, work->member_id);
    DB_QUEUE(db, kind->get, owner->organization_id, owner->entity_id, work->member_id);
    code = db_collect(db, change->problem, &member);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &before);
    if (code == CODE_OK)
        code = need_member(change, member);
    if (code == CODE_OK)
        code = tx_before(change, before, kind->table);
    if (code != CODE_OK)
        return code;
    if (PQntuples(before) > 0)
        return row_write(before, 0, 0, kind->table, &change->answer.body);

    const char *member_kind = PQgetvalue(member, 0, 0);
    code = kind->check(db, change, owner, work->member_id, strcmp(member_kind, "GROUP") == 0);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &insert, owner->organization_id, kind->relation, owner->entity_id, work->member_id,
             member_kind);
    entity_queue_touch(db, owner->organization_id, owner->entity_id);
    DB_QUEUE(db, kind->get, owner->organization_id, owner->entity_id, work->member_id);
    for (int i = 0; i < 2 && code == CODE_OK; i++)
        code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &after);
    return code == CODE_OK ? row_write(after, 0, 0, kind->table, &change->answer.body) : code;
}

enum code edge_add(struct db *db, struct change *change, const struct edge_kind *kind,
                   const struct entity_key *owner, const char *member_id)
{
    struct work work = {kind, owner, member_id};
    return tx_run(db, change, add_body, &work);
}

static enum code remove_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement remove = {
        "DELETE FROM entity_edge WHERE organization_id = $1 AND relation = $2 AND owner_id = $3 AND member_id = $4",
        4};
    const struct work *work = argument;
    const struct entity_key *owner = work->owner;
    struct entity_locked locked = {0};
    DB_RESULT before = NULL;

    enum code code = entity_lock(db, change, owner, &locked, NULL);
    if (code == CODE_OK)
        code = entity_need_built_in(change, owner, &locked);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &before, work->kind->get, owner->organization_id, owner->entity_id,
                      work->member_id);
    if (code == CODE_OK)
        code = tx_before(change, before, work->kind->table);
    if (code != CODE_OK || PQntuples(before) == 0)
        return code;
    DB_QUEUE(db, &remove, owner->organization_id, work->kind->relation, owner->entity_id, work->member_id);
    entity_queue_touch(db, owner->organization_id, owner->entity_id);
    return CODE_OK;
}

enum code edge_remove(struct db *db, struct change *change, const struct edge_kind *kind,
                      const struct entity_key *owner, const char *member_id)
{
    struct work work = {kind, owner, member_id};
    return tx_run(db, change, remove_body, &work);
}

/* --- parts of other transactions --- */

enum code edge_lock_with_owners(struct db *db, struct change *change, const struct entity_key *key,
                                struct entity_locked *ret_locked, void *target)
{
    static const struct statement lock = {
        "SELECT FROM entity e WHERE e.organization_id = $1 AND e.entity_id = ANY (ARRAY("
        " SELECT $2::uuid UNION ALL SELECT d.owner_id FROM entity_edge d"
        "  WHERE d.organization_id = $1 AND d.member_id = $2))"
        " AND (e.entity_id <> $2 OR e.kind = $3)" OF_ACCOUNT " ORDER BY e.entity_id FOR NO KEY UPDATE OF e",
        4};
    /* It came into something while its lock was waited for. That is locked without waiting, which would be out of order;
     * now that the entity is locked it comes into nothing else. */
    static const struct statement find_missed = {
        "SELECT FROM entity_edge d WHERE d.organization_id = $1 AND d.member_id = $2 AND d.owner_id <> ALL (ARRAY("
        " SELECT e.entity_id FROM entity e WHERE e.organization_id = $1 AND e.entity_id = ANY (ARRAY("
        "  SELECT o.owner_id FROM entity_edge o WHERE o.organization_id = $1 AND o.member_id = $2))"
        " FOR NO KEY UPDATE SKIP LOCKED)) LIMIT 1",
        2};
    DB_RESULT missed = NULL;
    enum code code = entity_lock_by(db, change, key, &lock, key->kind->kind, ret_locked, target);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &missed, &find_missed, key->organization_id, key->entity_id);
    return code == CODE_OK && PQntuples(missed) > 0 ? CODE_RETRY : code;
}

enum code edge_lock_with_members(struct db *db, struct change *change, const struct entity_key *key,
                                 const char *const *ids, struct entity_locked *ret_locked, void *target)
{
    static const struct statement lock = {
        "SELECT FROM entity e WHERE e.organization_id = $1 AND e.entity_id = ANY ($2::uuid || $3::uuid[])" OF_ACCOUNT
        " ORDER BY e.entity_id FOR NO KEY UPDATE OF e",
        4};
    return entity_lock_by(db, change, key, &lock, entity_id_array(change->arena, ids), ret_locked, target);
}

/* All that cannot be in anything are named at once. */
static enum code need_members(struct change *change, const char *name, const char *const *ids,
                              const PGresult *missing)
{
    for (; *ids != NULL; ids++) {
        bool is_there = id_is_uuid(*ids);
        for (int row = 0; row < PQntuples(missing) && is_there; row++)
            is_there = strcmp(PQgetvalue(missing, row, 0), *ids) != 0;
        if (!is_there)
            problem_add_member(change->problem, name, "invalid_value",
                               "No user or group of this organization, that is not deleted, has the id %s.",
                               *ids);
    }
    return change->problem->first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

enum code edge_replace(struct db *db, struct change *change, const struct edge_kind *kind,
                       const struct entity_key *owner, const char *name, const char *const *ids)
{
    static const struct statement find_missing = {
        "SELECT w.id FROM unnest($2::uuid[]) AS w (id) LEFT JOIN entity e ON e.organization_id = $1"
        " AND e.entity_id = w.id AND e.kind <> 'RESOURCE' AND e.state <> 'DELETED' WHERE e.entity_id IS NULL",
        2};
    static const struct statement remove = {
        "DELETE FROM entity_edge WHERE organization_id = $1 AND relation = $2 AND owner_id = $3"
        " AND member_id <> ALL ($4::uuid[])",
        4};
    static const struct statement insert = {
        "INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)"
        " SELECT e.organization_id, $2, $3::uuid, e.entity_id, e.kind FROM entity e"
        " WHERE e.organization_id = $1 AND e.entity_id = ANY ($4::uuid[]) ON CONFLICT DO NOTHING",
        4};
    DB_RESULT missing = NULL;
    const char *const wanted[] = {owner->organization_id, entity_id_array(change->arena, ids)};

    db_queue_parameters(db, &find_missing, wanted, 2);
    enum code code = db_collect(db, change->problem, &missing);
    if (code == CODE_OK)
        code = need_members(change, name, ids, missing);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &remove, owner->organization_id, kind->relation, owner->entity_id, wanted[1]);
    DB_QUEUE(db, &insert, owner->organization_id, kind->relation, owner->entity_id, wanted[1]);
    code = db_collect(db, change->problem, NULL);
    return code == CODE_OK ? db_collect(db, change->problem, NULL) : code;
}

void edge_queue_remove_all(struct db *db, const struct entity_key *key)
{
    static const struct statement remove = {
        "WITH left_by AS (DELETE FROM entity_edge WHERE organization_id = $1 AND member_id = $2 RETURNING owner_id),"
        " emptied AS (DELETE FROM entity_edge WHERE organization_id = $1 AND relation IN ('MEMBER', 'DELEGATE')"
        "  AND owner_id = $2)"
        " UPDATE entity e SET version = version + 1, updated_at = now() FROM left_by l"
        " WHERE e.organization_id = $1 AND e.entity_id = l.owner_id",
        2};
    DB_QUEUE(db, &remove, key->organization_id, key->entity_id);
}

void edge_queue_touch_resources(struct db *db, const struct entity_key *delegate)
{
    static const struct statement touch = {
        "UPDATE entity e SET version = version + 1, updated_at = now() FROM entity_edge d"
        " WHERE d.organization_id = $1 AND d.member_id = $2 AND d.relation = 'DELEGATE'"
        " AND e.organization_id = $1 AND e.entity_id = d.owner_id",
        2};
    DB_QUEUE(db, &touch, delegate->organization_id, delegate->entity_id);
}
