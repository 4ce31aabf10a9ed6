/* Handlers of the mobile device policy. */
#pragma once

#include "api/route.h"

route_handler queue_mobile_policy;
route_handler get_mobile_policy;
route_handler put_mobile_policy;
route_handler get_mobile_policy_provision_doc;
