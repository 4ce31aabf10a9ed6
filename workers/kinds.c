#include <string.h>

#include "workers/workflow.h"

const struct workflow *const workflows[] = {
    &organization_setup_workflow,  &organization_setup_standard_workflow,
    &organization_health_workflow, &organization_removal_workflow,
    &entity_purge_workflow,        &data_key_workflow,
    &dkim_rotation_workflow,       &cleaning_workflow,
    &audit_retention_workflow,     &import_workflow,
};
const size_t workflow_count = sizeof(workflows) / sizeof(workflows[0]);

const struct workflow *workflow_find(const char *kind)
{
    for (size_t i = 0; i < workflow_count; i++)
        if (strcmp(workflows[i]->kind, kind) == 0)
            return workflows[i];
    return NULL;
}
