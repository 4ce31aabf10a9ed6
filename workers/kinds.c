#include <string.h>

#include "workers/workflow.h"

static const struct workflow *const workflows[] = {
    &organization_setup_workflow,  &organization_setup_standard_workflow,
    &organization_health_workflow, &organization_removal_workflow,
    &entity_purge_workflow,
};

const struct workflow *workflow_find(const char *kind)
{
    for (size_t i = 0; i < sizeof(workflows) / sizeof(workflows[0]); i++)
        if (strcmp(workflows[i]->kind, kind) == 0)
            return workflows[i];
    return NULL;
}
