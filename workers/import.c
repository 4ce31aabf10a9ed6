/* An uploaded file of users and groups is applied: a chunk of its lines a transaction. Between two chunks other work has its
 * turn, and the import can be canceled. */
#include "db/import.h"
#include "model/job.h"
#include "workers/workflow.h"

static enum code prepare_chunk(struct step *step)
{
    struct import_chunk *chunk = NULL;
    enum code code =
        import_prepare(step->db, step->change, step->job->operation_id, step->job->organization_id, &chunk);
    if (code == CODE_OK)
        step->prepared = chunk;
    return code;
}

static enum code apply_chunk(struct step *step)
{
    step->again = step->prepared != NULL;
    return step->again ? import_apply(step->db, step->change, step->organization, step->prepared) : CODE_OK;
}

const struct workflow import_workflow = {
    .kind = JOB_IMPORT,
    .steps = (workflow_step *const[]){apply_chunk},
    .preparations = (workflow_step *const[]){prepare_chunk},
    .gives_way = true,
};
