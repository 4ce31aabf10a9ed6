#include "db/audit.h"
#include "db/entity_change.h"
#include "model/json_out.h"

static const struct {
    tx_body *body;
    const char *state; /* of those that it was done to */
} actions[] = {
    [ENTITY_ENABLE] = {entity_enable_body, "ENABLED"},
    [ENTITY_DISABLE] = {entity_disable_body, "DISABLED"},
    [ENTITY_DELETE] = {entity_delete_body, "DELETED"},
};

struct one {
    const char *id;
    enum code code;
    const char *detail; /* NULL: nothing to say */
};

struct several {
    const struct entity_kind *kind;
    const char *organization_id;
    enum entity_action action;
    const char *const *ids;
    struct one *list; /* as given */
    size_t count;
};

/* What ends all of it: not a word about one entity, but about the service or another transaction. */
static bool is_fatal(enum code code)
{
    switch (code) {
    case CODE_INTERNAL_ERROR:
    case CODE_OVERLOADED:
    case CODE_NOT_READY:
    case CODE_DATABASE_UNAVAILABLE:
    case CODE_OUTCOME_UNKNOWN:
        return true;
    default:
        return code >= CODE_COUNT;
    }
}

/* Within a savepoint, so that what is refused leaves nothing behind and the others go on. */
static enum code change_one(struct db *db, struct change *change, const struct several *several,
                            struct one *one)
{
    static const struct statement begin = {"SAVEPOINT one", 0};
    static const struct statement keep = {"RELEASE SAVEPOINT one", 0};
    static const struct statement undo = {"ROLLBACK TO SAVEPOINT one", 0};
    struct problem problem = {.arena = change->arena};
    struct problem unwanted = {.arena = change->arena};
    struct change each = *change;
    struct entity_work work = {.key = entity_key(several->kind, several->organization_id, one->id)};

    each.problem = &problem;
    each.answer = (struct answer){.body.arena = change->arena};
    each.audit = change->asked;
    one->code = several->kind->not_found;
    one->detail = arena_printf(change->arena, "No %s of this organization has this id.", several->kind->noun);
    if (!several->kind->is_id(one->id))
        return CODE_OK;
    db_queue_silently(db, &begin, NULL, 0);
    one->code = actions[several->action].body(db, &each, &work);
    if (one->code == CODE_OK && !change->validate_only) {
        each.audit.target = entity_path(change->arena, &work.key);
        audit_queue_event(db, &each);
    }
    if (one->code == CODE_OK)
        one->code = db_finish(db, &problem); /* what the body left queued */
    if (is_fatal(one->code))
        return one->code;
    one->detail = problem.first_fault != NULL ? problem.first_fault->detail : problem.detail;
    if (one->code != CODE_OK)
        db_finish(db, &unwanted);
    db_queue_silently(db, one->code == CODE_OK ? &keep : &undo, NULL, 0);
    return db_finish(db, change->problem);
}

static void write_results(const struct several *several, struct buffer *out)
{
    out_begin_object(out);
    out_name(out, "items");
    out_begin_array(out);
    for (size_t i = 0; i < several->count; i++) {
        const struct one *one = &several->list[i];
        bool succeeded = one->code == CODE_OK;
        out_begin_object(out);
        out_member(out, "id", one->id);
        out_member_boolean(out, "succeeded", succeeded);
        out_member(out, "state", succeeded ? actions[several->action].state : NULL);
        out_member(out, "code", succeeded ? NULL : code_name(one->code));
        out_member(out, "detail", succeeded ? NULL : one->detail);
        out_end_object(out);
    }
    out_end_array(out);
    out_end_object(out);
}

static enum code several_body(struct db *db, struct change *change, void *argument)
{
    const struct several *several = argument;
    struct organization_row organization;

    if (change->if_match != NULL)
        return problem_set(change->problem, CODE_PRECONDITION_FAILED,
                           "Several at once have no version in common; leave If-Match out.");
    enum code code = entity_enter(db, change, several->organization_id, &organization);
    if (code == CODE_OK)
        entity_queue_lock_several(db, change, several->organization_id, several->ids);
    for (size_t i = 0; i < several->count && code == CODE_OK; i++)
        code = change_one(db, change, several, &several->list[i]);
    if (code == CODE_OK)
        write_results(several, &change->answer.body);
    change->audit.target = NULL; /* the audit log has each of them */
    return code;
}

enum code entity_change_several(struct db *db, struct change *change, const struct entity_kind *kind,
                                const char *organization_id, enum entity_action action,
                                const char *const *ids)
{
    struct several several = {.kind = kind, .organization_id = organization_id, .action = action, .ids = ids};
    while (ids[several.count] != NULL)
        several.count++;
    several.list = arena_alloc(change->arena, several.count * sizeof(*several.list));
    for (size_t i = 0; i < several.count; i++)
        several.list[i].id = ids[i];
    return tx_run(db, change, several_body, &several);
}
