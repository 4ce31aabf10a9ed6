/* Records that have served their time are removed, a batch a transaction. Between two batches what is due goes first. */
#include <stdlib.h>

#include "db/cleaning.h"
#include "db/import.h"
#include "model/job.h"
#include "workers/workflow.h"

/* Up to a tenth later, so that what begins together does not stay together. */
static int64_t every_s(const struct settings *settings, const char *organization_state)
{
    (void)organization_state;
    return settings->cleaning_interval_s + random() % (settings->cleaning_interval_s / 10 + 1);
}

static enum code remove_idempotency_records(struct step *step)
{
    return cleaning_remove(step->db, step->change, CLEANING_IDEMPOTENCY_RECORDS, &step->again);
}

static enum code remove_jobs(struct step *step)
{
    return cleaning_remove(step->db, step->change, CLEANING_JOBS, &step->again);
}

static enum code remove_operations(struct step *step)
{
    return cleaning_remove(step->db, step->change, CLEANING_OPERATIONS, &step->again);
}

static enum code remove_imports(struct step *step)
{
    return import_clean(step->db, step->change, &step->again);
}

const struct workflow cleaning_workflow = {
    .kind = JOB_CLEANING,
    .steps =
        (workflow_step *const[]){remove_idempotency_records, remove_jobs, remove_operations, remove_imports},
    .every_s = every_s,
};
