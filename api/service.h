/* Operations of the service itself. */
#pragma once

#include "api/request.h"

enum code get_health(struct request *request);
enum code get_readiness(struct request *request);
enum code get_version(struct request *request);
enum code get_openapi(struct request *request);
enum code get_problem(struct request *request);
enum code list_regions(struct request *request);
