/* From VALIDATING to ACTIVE or IMPAIRED: on demand, and time and again (behaviour: "Health check"). */
#include "db/organization_health.h"

#include "model/job.h"
#include "workers/workflow.h"

/* Nothing but the state: whoever looks sees that the organization is being checked. */
static enum code begin(struct step *step)
{
    (void)step;
    return CODE_OK;
}

/* Those of all organizations come one by one, also after a stop in which many fell due. */
static enum code prepare_begin(struct step *step)
{
    return job_spread_late(step->db, step->change->problem, step->job->kind,
                           db_settings(step->db)->health_check_interval_s);
}

static enum code prepare_run_checks(struct step *step)
{
    struct problem *problem = step->change->problem;
    struct health_report *report = arena_alloc(step->change->arena, sizeof(*report));
    enum code code = CODE_OK;
    bool held = true;

    health_begin(report, step->change->arena);
    for (size_t i = 0; i < organization_check_count() && code == CODE_OK && held; i++) {
        code = job_extend(step->db, step->job, true, problem, &held);
        if (code == CODE_OK && held)
            code = organization_check(step->db, step->job->organization_id, i, problem, report);
    }
    if (code == CODE_OK && held)
        code = job_extend(step->db, step->job, false, problem, &held);
    health_end(report);
    step->prepared = report;
    step->lost = !held;
    return code;
}

static enum code run_checks(struct step *step)
{
    organization_health_store(step->db, step->change->arena, step->organization, step->prepared);
    return CODE_OK;
}

static enum code conclude(struct step *step)
{
    return organization_health_conclude(step->db, step->change, step->organization);
}

static int64_t every_s(const struct settings *settings, const char *organization_state)
{
    return health_next_check_s(settings->health_check_interval_s, organization_state);
}

const struct workflow organization_health_workflow = {
    .kind = JOB_ORGANIZATION_HEALTH,
    .steps = (workflow_step *const[]){begin, run_checks, conclude},
    .preparations = (workflow_step *const[]){prepare_begin, prepare_run_checks, NULL},
    .enter_from = (const char *const[]){"ACTIVE", "IMPAIRED", NULL},
    .enter_reason = "It is checked from time to time.",
    .state = "VALIDATING",
    .failed_state = "IMPAIRED",
    .action = "service:ValidateOrganization",
    .every_s = every_s,
};
