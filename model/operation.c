#include "model/operation.h"

#include <string.h>

static const char *const statuses[] = {"PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", NULL};

static const struct field operation_fields[] = {
    FIELD_READ_ONLY_ROW("operation_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("operation", FIELD_STRING),
    FIELD_READ_ONLY_ROW("target", FIELD_STRING),
    FIELD_READ_ONLY_ROW("organization_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("status", FIELD_ENUM, .values = statuses),
    FIELD_READ_ONLY_ROW("steps", FIELD_JSON),
    FIELD_READ_ONLY_ROW("error", FIELD_STRING),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("finished_at", FIELD_TIME),
};

const struct field_table operation_table = FIELD_TABLE("operation", operation_fields);

bool operation_is_over(const char *status)
{
    return strcmp(status, "PENDING") != 0 && strcmp(status, "RUNNING") != 0;
}
