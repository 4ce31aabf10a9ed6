/* Operations that only users have. */
#pragma once

#include "api/request.h"

enum code create_user(struct request *request);
enum code update_user(struct request *request);
enum code reset_password(struct request *request);
