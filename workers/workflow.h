/* A workflow: the steps of one kind of job, each one transaction that happens once. */
#pragma once

#include <stdbool.h>

#include "db/job.h"
#include "db/organization.h"

/* What a step is given: the organization is locked (work for the installation has none), and the job's fence holds. */
struct step {
    struct db *db;
    struct change *change;
    const struct job *job;
    struct organization_row *organization; /* NULL in its preparation */
    void *prepared;                        /* what the preparation left for the step */
    bool lost;                             /* a preparation sets it when another worker has the job */
    bool again;     /* a step sets it when there is more for it to do, in the next transaction */
    int64_t next_s; /* seconds until its next time, where a step knows better than every_s */
};

/* Writes the step's effects, each so that a step that failed half-way can run again. Any code but CODE_OK rolls back;
 * CODE_INTERNAL_ERROR and CODE_OVERLOADED are tried again, others are final where the workflow may fail. */
typedef enum code workflow_step(struct step *step);

struct workflow {
    const char *kind;
    workflow_step *const *steps; /* as many as the kind has in model/job.c */
    /* What a step does before its transaction, where nothing is locked and nothing is written: what takes long. As many as
     * steps, NULL for those without; NULL: none has. Whatever takes longer than a lease extends it (job_extend). */
    workflow_step *const *preparations;
    const char *const
        *enter_from; /* states of the organization that the first step leaves (NULL after the last) … */
    const char *enter_reason; /* … and why, where that is worth saying … */
    const char *state; /* … and the only one in which the steps run; NULL: any in which it is not deleted */
    const char *action;       /* its name in the audit log */
    bool gives_way;           /* a step that comes again lets what has waited longer go first */
    const char *failed_state; /* where it goes when a step fails for good; NULL: it is tried for ever */
    /* Of what comes again: seconds until its next time, by the state of its organization (NULL: it is work for the
     * installation). NULL: it comes once. */
    int64_t (*every_s)(const struct settings *settings, const char *organization_state);
};

extern const struct workflow organization_setup_workflow;
extern const struct workflow organization_setup_standard_workflow;
extern const struct workflow organization_health_workflow;
extern const struct workflow organization_removal_workflow;
extern const struct workflow entity_purge_workflow;
extern const struct workflow data_key_workflow;
extern const struct workflow dkim_rotation_workflow;
extern const struct workflow cleaning_workflow;
extern const struct workflow audit_retention_workflow;
extern const struct workflow import_workflow;

extern const struct workflow *const workflows[];
extern const size_t workflow_count;

/* The workflow of a kind; NULL when this program does not know it. */
const struct workflow *workflow_find(const char *kind);
