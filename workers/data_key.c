/* After a rotation of its master key an organization's data key is wrapped anew: one transaction each, while it is in use. */
#include "db/data_key.h"

#include "model/job.h"
#include "workers/workflow.h"

static enum code wrap(struct step *step)
{
    return data_key_wrap(step->db, step->change, step->organization);
}

const struct workflow data_key_workflow = {
    .kind = JOB_DATA_KEY,
    .steps = (workflow_step *const[]){wrap},
    .action = "service:WrapDataKey",
};
