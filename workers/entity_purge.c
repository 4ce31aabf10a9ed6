/* After the retention time a disabled entity's mailbox and addresses are given up (guide, "Restore Disabled Mailboxes"). */
#include "db/entity.h"
#include "model/job.h"
#include "workers/workflow.h"

static enum code purge(struct step *step)
{
    return entity_purge(step->db, step->change, step->job->organization_id, step->job->entity_id);
}

const struct workflow entity_purge_workflow = {
    .kind = JOB_ENTITY_PURGE,
    .steps = (workflow_step *const[]){purge},
    .action = "service:PurgeMailbox",
};
