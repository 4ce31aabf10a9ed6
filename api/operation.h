/* Reading operations. */
#pragma once

#include "api/request.h"

enum code list_operations(struct request *request);
enum code describe_operation(struct request *request);
enum code cancel_operation(struct request *request);
