/* From DELETING to DELETED (guide, "Remove an Organization"): the directory stays unless its removal was asked for. */
#include <string.h>

#include "db/data_key.h"
#include "db/organization_steps.h"
#include "model/job.h"
#include "workers/workflow.h"

static bool keeps_directory(const struct step *step)
{
    return step->job->document == NULL || strstr(step->job->document, "\"delete_directory\":true") == NULL;
}

static enum code remove_entities(struct step *step)
{
    return organization_remove_entities(step->db, step->change, step->organization, keeps_directory(step),
                                        &step->again);
}

static enum code remove_settings(struct step *step)
{
    enum code code = data_key_remove(step->db, step->change, step->organization);
    if (code == CODE_OK)
        organization_remove_settings(step->db, step->organization);
    return code;
}

static enum code release_directory(struct step *step)
{
    organization_release_directory(step->db, step->organization, keeps_directory(step));
    return CODE_OK;
}

static enum code finish(struct step *step)
{
    organization_mark_deleted(step->db, step->organization);
    return organization_transition(step->db, step->change, step->organization, "DELETED", NULL);
}

const struct workflow organization_removal_workflow = {
    .kind = JOB_ORGANIZATION_REMOVAL,
    .steps = (workflow_step *const[]){remove_entities, remove_settings, release_directory, finish},
    .state = "DELETING",
    .action = "service:RemoveOrganization",
};
