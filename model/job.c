#include "model/job.h"

#include <string.h>

static const struct job_kind kinds[] = {
    {JOB_ORGANIZATION_SETUP,
     (const char *const[]){"create_directory", "create_test_domain", "apply_defaults", "activate", NULL}},
    {JOB_ORGANIZATION_REMOVAL,
     (const char *const[]){"remove_entities", "remove_settings", "release_directory", "finish", NULL}},
    {JOB_USER_PURGE, (const char *const[]){"purge", NULL}},
};

const struct job_kind *job_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}
