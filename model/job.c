#include "model/job.h"

#include <string.h>

const struct job_kind job_kinds[] = {
    {.name = JOB_ORGANIZATION_SETUP,
     .steps =
         (const char *const[]){"create_directory", "create_test_domain", "apply_defaults", "activate", NULL},
     .canceled_states = (const char *const[]){"CREATING", "FAILED", NULL}},
    {.name = JOB_ORGANIZATION_SETUP_STANDARD,
     .steps =
         (const char *const[]){"import_directory", "create_test_domain", "apply_defaults", "activate", NULL},
     .canceled_states = (const char *const[]){"CREATING", "FAILED", NULL}},
    {.name = JOB_ORGANIZATION_HEALTH,
     .steps = (const char *const[]){"begin", "run_checks", "conclude", NULL},
     .is_periodic = true,
     .why_not = "A check changes nothing and ends by itself in a moment."},
    {.name = JOB_ORGANIZATION_REMOVAL,
     .steps =
         (const char *const[]){"remove_entities", "remove_settings", "release_directory", "finish", NULL},
     .why_not = "What a removal has taken away cannot be brought back, so it goes on to its end."},
    {.name = JOB_DATA_KEY, .steps = (const char *const[]){"wrap", NULL}},
    {.name = JOB_ENTITY_PURGE, .steps = (const char *const[]){"purge", NULL}},
    {.name = JOB_CLEANING,
     .steps = (const char *const[]){"idempotency_records", "jobs", "operations", "imports", NULL}},
    {.name = JOB_DKIM_ROTATION, .steps = (const char *const[]){"rotate", NULL}, .is_periodic = true},
    {.name = JOB_AUDIT_RETENTION, .steps = (const char *const[]){"remove", NULL}},
    {.name = JOB_IMPORT,
     .steps = (const char *const[]){"apply", NULL},
     .canceled_states = (const char *const[]){NULL}}, /* its organization stays as it is */
};
const size_t job_kind_count = sizeof(job_kinds) / sizeof(job_kinds[0]);

const struct job_kind *job_kind_find(const char *name)
{
    for (size_t i = 0; i < job_kind_count; i++)
        if (strcmp(job_kinds[i].name, name) == 0)
            return &job_kinds[i];
    return NULL;
}
