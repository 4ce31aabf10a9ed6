/* After the retention time a disabled user's mailbox and addresses are given up (guide, "Restore Disabled Mailboxes"). */
#include "db/user.h"
#include "model/job.h"
#include "workers/workflow.h"

static enum code purge(struct step *step)
{
    return user_purge(step->db, step->change,
                      &(struct user_key){step->job->organization_id, step->job->entity_id});
}

const struct workflow user_purge_workflow = {
    .kind = JOB_USER_PURGE,
    .steps = (workflow_step *const[]){purge},
    .action = "service:PurgeMailbox",
};
