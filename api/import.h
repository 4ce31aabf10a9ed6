/* Users and groups in bulk. */
#pragma once

#include "api/request.h"

struct export_query {
    const char *format;
};
extern const struct field_table export_query_table;
extern const char *const import_types[];

enum code import_users(struct request *request);
enum code list_operation_results(struct request *request);
enum code export_users(struct request *request);
