#include "db/cancel.h"

#include <string.h>

#include "db/job.h"
#include "db/operation.h"
#include "db/organization.h"
#include "db/row.h"
#include "model/job.h"
#include "model/operation.h"

/* What stands behind an operation. */
struct work {
    const char *organization_id;
    const char *status;
    const char *job_id; /* NULL: its job has ended */
    const char *kind;
};

/* Which operation, and whose counts. */
struct wanted {
    const char *operation_id;
    const char *visible;
};

#define OWN_ONE                                                         \
    " FROM operation o WHERE o.operation_id = $1 AND o.account_id = $2" \
    " AND ($3::text[] IS NULL OR o.organization_id = ANY($3::text[]))"

static enum code find_organization(struct db *db, struct change *change, const struct wanted *wanted,
                                   const char **ret_organization_id)
{
    static const struct statement find = {"SELECT o.organization_id" OWN_ONE, 3};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &find, wanted->operation_id, change->account_id,
                            wanted->visible);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return problem_set(change->problem, CODE_OPERATION_NOT_FOUND, "No operation has this id.");
    *ret_organization_id = row_text(change->arena, result, 0, "organization_id");
    return CODE_OK;
}

/* Locked in the order of all: the organization, then the job. A worker is between two steps then, and finds its fence
 * broken when it goes on. */
static enum code lock_work(struct db *db, struct change *change, const char *operation_id,
                           struct organization_row *ret_organization, struct work *ret_work)
{
#define ITS_JOB                                                                 \
    "j.organization_id = o.organization_id AND j.operation_id = o.operation_id" \
    " AND j.state IN ('PENDING', 'RUNNING')"
    static const struct statement lock = {
        "SELECT 1 FROM operation o JOIN job j ON " ITS_JOB " WHERE o.operation_id = $1 FOR UPDATE OF j", 1};
    static const struct statement read = {
        "SELECT o.organization_id, o.status, j.job_id, j.kind FROM operation o"
        " LEFT JOIN job j ON " ITS_JOB " WHERE o.operation_id = $1",
        1};
#undef ITS_JOB
    DB_RESULT result = NULL;
    organization_queue(db, change->account_id, ret_work->organization_id, ORGANIZATION_UPDATE);
    db_queue_silently(db, &lock, &operation_id, 1);
    DB_QUEUE(db, &read, operation_id);
    enum code code = organization_collect(db, change->arena, change->problem, ret_organization);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    *ret_work = (struct work){
        .organization_id = ret_work->organization_id,
        .status = row_text(change->arena, result, 0, "status"),
        .job_id = row_text(change->arena, result, 0, "job_id"),
        .kind = row_text(change->arena, result, 0, "kind"),
    };
    return CODE_OK;
}

static enum code refuse(struct change *change, const char *why)
{
    return problem_set(change->problem, CODE_OPERATION_STATE, "%s", why);
}

static enum code end_work(struct db *db, struct change *change, struct organization_row *organization,
                          const struct work *work, const char *operation_id)
{
    const struct job_kind *kind = work->kind != NULL ? job_kind_find(work->kind) : NULL;
    if (operation_is_over(work->status))
        return refuse(change, arena_printf(change->arena, "It is %s: what has ended cannot be canceled.",
                                           work->status));
    if (kind == NULL || kind->canceled_states == NULL)
        return refuse(change, kind != NULL && kind->why_not != NULL
                                  ? kind->why_not
                                  : "This kind of work cannot be canceled.");

    const char *reason = arena_printf(change->arena, "Canceled by %s.", change->actor);
    for (const char *const *state = kind->canceled_states; *state != NULL; state++) {
        if (strcmp(organization->state, *state) == 0)
            continue;
        enum code code = organization_transition(db, change, organization, *state, reason);
        if (code != CODE_OK)
            return code;
        organization->state = *state;
    }
    job_finish(db, &(struct job){.job_id = work->job_id}, "CANCELED", reason);
    operation_cancel(db, operation_id, reason);
    return db_finish(db, change->problem);
}

static enum code stop_body(struct db *db, struct change *change, void *argument)
{
    const struct wanted *wanted = argument;
    const char *operation_id = wanted->operation_id;
    struct organization_row organization;
    struct work work = {0};
    bool over;

    enum code code = find_organization(db, change, wanted, &work.organization_id);
    if (code == CODE_OK)
        code = lock_work(db, change, operation_id, &organization, &work);
    if (code == CODE_OK && strcmp(work.status, "CANCELED") != 0)
        code = end_work(db, change, &organization, &work, operation_id);
    if (code != CODE_OK)
        return code;
    operation_queue(db, change->account_id, NULL, operation_id);
    return operation_collect(db, change->problem, &change->answer.body, &over);
}

enum code operation_stop(struct db *db, struct change *change, const char *visible, const char *operation_id)
{
    struct wanted wanted = {operation_id, visible};
    return tx_run(db, change, stop_body, &wanted);
}
