/* Events of the audit log that are older than the operator keeps them are removed, a batch of one account a transaction. */
#include <stdlib.h>

#include "db/audit_retention.h"
#include "model/job.h"
#include "workers/workflow.h"

#define DAY_S 86400

/* A small part of the time that events are kept, and not more often than once a second: each removal is an event itself. Up
 * to a tenth later, so that what begins together does not stay together. */
static int64_t every_s(const struct settings *settings, const char *organization_state)
{
    int64_t interval = settings->audit_retention_s / 30;
    (void)organization_state;
    if (settings->audit_retention_s == 0 || interval > DAY_S)
        interval = DAY_S;
    return interval == 0 ? 1 : interval + random() % (interval / 10 + 1);
}

static enum code remove_events(struct step *step)
{
    return audit_retention_remove(step->db, step->change, &step->again);
}

const struct workflow audit_retention_workflow = {
    .kind = JOB_AUDIT_RETENTION,
    .steps = (workflow_step *const[]){remove_events},
    .action = "service:RemoveAuditEvents",
    .every_s = every_s,
};
