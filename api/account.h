/* Operations on the caller's own account. */
#pragma once

#include "api/request.h"

enum code describe_account(struct request *request);
enum code update_account(struct request *request);
enum code close_account(struct request *request);
enum code get_account_usage(struct request *request);
enum code list_limits(struct request *request);
