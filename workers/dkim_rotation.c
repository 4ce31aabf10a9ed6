/* The DKIM keys of an organization's domains take turns (docs/dkim.md): each step one transaction, and a new key is made
 * before it. */
#include "db/dkim.h"
#include "model/job.h"
#include "workers/workflow.h"

/* While the master key is disabled; enabling it brings the job again. */
#define HELD_UP_S 3600

static enum code prepare(struct step *step)
{
    struct dkim_turn *turn = arena_alloc(step->change->arena, sizeof(*turn));
    step->prepared = turn;
    return dkim_prepare(step->db, step->job->organization_id, step->change->problem, turn);
}

static enum code rotate(struct step *step)
{
    const struct dkim_turn *turn = step->prepared;
    if (turn->is_held_up)
        step->next_s = HELD_UP_S;
    else if (turn->wait_us > 0)
        step->next_s = turn->wait_us / 1000000 + 1;
    else if (turn->domain != NULL)
        step->again = true;
    return step->again ? dkim_take(step->db, step->change, step->organization, turn) : CODE_OK;
}

/* Without a domain that has keys there is nothing to wait for: registering one brings it again. */
static int64_t every_s(const struct settings *settings, const char *organization_state)
{
    (void)organization_state;
    return settings->dkim_rotation_interval_s;
}

const struct workflow dkim_rotation_workflow = {
    .kind = JOB_DKIM_ROTATION,
    .steps = (workflow_step *const[]){rotate},
    .preparations = (workflow_step *const[]){prepare},
    .gives_way = true,
    .action = "service:RotateDkimKey",
    .every_s = every_s,
};
