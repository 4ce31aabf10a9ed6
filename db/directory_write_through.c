#include "db/directory_write_through.h"

#include <stdlib.h>

#include "db/directory.h"
#include "db/directory_rows.h"
#include "db/row.h"

enum code directory_find_writing(struct db *db, const char *account_id, const char *organization_id,
                                 const char *entity_id, struct problem *problem,
                                 struct directory_writing *ret_writing)
{
    static const struct statement find = {
        "SELECT d.directory_id, d.type, d.connection, d.sealed_bind_password, x.external_id, x.dn FROM organization o"
        " JOIN directory d ON d.directory_id = o.directory_id LEFT JOIN external_entry x"
        "  ON x.organization_id = o.organization_id AND x.entity_id = $3::uuid"
        " WHERE o.organization_id = $2 AND o.account_id = $1",
        3};
    struct arena *arena = problem->arena;
    DB_RESULT result = NULL;
    *ret_writing = (struct directory_writing){0};
    enum code code = DB_RUN(db, problem, &result, &find, account_id, organization_id, entity_id);
    if (code != CODE_OK || PQntuples(result) == 0)
        return code;
    const char *type = row_text(arena, result, 0, "type");
    ret_writing->is_external = directory_type_is_external(type);
    if (!ret_writing->is_external)
        return CODE_OK;
    ret_writing->is_written = !directory_type_is_read_only(type);
    ret_writing->external_id = row_text(arena, result, 0, "external_id");
    ret_writing->dn = row_text(arena, result, 0, "dn");
    code = directory_connection_read(arena, type, row_text(arena, result, 0, "connection"),
                                     db_settings(db)->directory_plain_allowed, &ret_writing->connection,
                                     problem);
    const char *sealed = row_text(arena, result, 0, "sealed_bind_password");
    if (code != CODE_OK || sealed == NULL)
        return code;
    ret_writing->connection.bind_password =
        directory_open_password(db, arena, row_text(arena, result, 0, "directory_id"), sealed);
    return ret_writing->connection.bind_password != NULL ? CODE_OK : CODE_INTERNAL_ERROR;
}

struct adopting {
    const char *organization_id;
    const struct directory_entry *entry;
    const char *entity_id;
};

/* As a batch of this entry alone; who follows the directory may have been quicker, and then nothing is left to do. */
static enum code adopt_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement nesting = {"SELECT pg_advisory_xact_lock(hashtextextended($1, 7265))", 1};
    static const struct statement lock = {
        "SELECT directory_id, sync_generation, type IN ('AD_CONNECTOR', 'LDAP') AS is_read_only FROM directory"
        " WHERE organization_id = $1 FOR NO KEY UPDATE",
        1};
    static const struct statement count = {
        "UPDATE directory SET sync_users = sync_users + $2, sync_changes = sync_changes + $3 WHERE organization_id = $1",
        3};
    struct adopting *adopting = argument;
    struct directory_entry entry = *adopting->entry;
    struct directory_batch batch = {.changed = &entry, .changed_count = 1};
    struct directory_claim claim = {.organization_id = adopting->organization_id};
    struct directory_work work = {.db = db, .change = change, .claim = &claim, .batch = &batch};
    DB_RESULT result = NULL;

    db_queue_silently(db, &nesting, &adopting->organization_id, 1);
    organization_queue(db, change->account_id, adopting->organization_id, ORGANIZATION_SHARE);
    DB_QUEUE(db, &lock, adopting->organization_id);
    enum code code = organization_collect(db, change->arena, change->problem, &work.organization);
    if (code == CODE_OK)
        code = organization_need_serving(&work.organization, change->problem);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code == CODE_OK && PQntuples(result) == 0)
        return CODE_INTERNAL_ERROR;
    if (code != CODE_OK)
        return code;
    claim.directory_id = row_text(change->arena, result, 0, "directory_id");
    claim.is_active_directory = true;
    work.generation = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    work.is_read_only = row_flag(result, 0, "is_read_only");
    code = directory_look(&work);
    if (code == CODE_OK && work.lines[0].error != NULL)
        return problem_set(change->problem, CODE_DIRECTORY_REFUSED,
                           "The directory has it now, but it cannot be taken over: %s", work.lines[0].detail);
    if (code == CODE_OK)
        code = directory_write(&work);
    if (code == CODE_OK)
        code = directory_connect(&work);
    if (code == CODE_NAME_TAKEN)
        return CODE_RETRY;
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &count, adopting->organization_id, row_integer(change->arena, work.users),
             row_integer(change->arena, work.created + work.updated));
    adopting->entity_id = work.lines[0].entity_id;
    return db_finish(db, change->problem);
}

enum code directory_adopt(struct db *db, struct change *change, const char *organization_id,
                          const struct directory_entry *entry, const char **ret_entity_id)
{
    struct adopting adopting = {.organization_id = organization_id, .entry = entry};
    struct change quiet = *change;
    quiet.if_match = NULL;
    quiet.idempotency = NULL;
    quiet.asked.action = NULL;
    enum code code = tx_run(db, &quiet, adopt_body, &adopting);
    if (code == CODE_OK)
        *ret_entity_id = adopting.entity_id;
    return code;
}
