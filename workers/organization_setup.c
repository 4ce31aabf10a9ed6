/* From REQUESTED to ACTIVE (guide, "Add an Organization"): directory, test mail domain, default policies. The directory is
 * made (quick setup), or its entries become users (standard setup). */
#include "db/data_key.h"
#include "db/dkim.h"
#include "db/organization_health.h"
#include "db/organization_steps.h"
#include "model/job.h"
#include "workers/workflow.h"

static enum code create_directory(struct step *step)
{
    organization_make_directory(step->db, step->change, step->organization);
    return CODE_OK;
}

static enum code import_directory(struct step *step)
{
    return organization_import_directory(step->db, step->change, step->organization, &step->again);
}

static enum code create_test_domain(struct step *step)
{
    return organization_make_test_domain(step->db, step->change, step->organization);
}

static enum code apply_defaults(struct step *step)
{
    organization_make_defaults(step->db, step->organization);
    enum code code = db_finish(step->db, step->change->problem);
    return code == CODE_OK ? data_key_make(step->db, step->change, step->organization) : code;
}

static enum code activate(struct step *step)
{
    enum code code = organization_transition(step->db, step->change, step->organization, "ACTIVE", NULL);
    organization_follow_directory(step->db, step->organization);
    organization_mark_completed(step->db, step->organization);
    organization_health_schedule(step->db, step->change->arena, step->organization);
    dkim_hurry_again(step->db, step->organization->organization_id);
    return code;
}

static const char *const requested[] = {"REQUESTED", NULL};

const struct workflow organization_setup_workflow = {
    .kind = JOB_ORGANIZATION_SETUP,
    .steps = (workflow_step *const[]){create_directory, create_test_domain, apply_defaults, activate},
    .enter_from = requested,
    .state = "CREATING",
    .failed_state = "FAILED",
    .action = "service:SetUpOrganization",
};

const struct workflow organization_setup_standard_workflow = {
    .kind = JOB_ORGANIZATION_SETUP_STANDARD,
    .steps = (workflow_step *const[]){import_directory, create_test_domain, apply_defaults, activate},
    .enter_from = requested,
    .state = "CREATING",
    .failed_state = "FAILED",
    .action = "service:SetUpOrganization",
};
