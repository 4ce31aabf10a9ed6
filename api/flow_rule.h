/* Handlers of email flow rules. */
#pragma once

#include "api/route.h"

route_handler create_flow_rule;
route_handler list_flow_rules;
route_handler queue_flow_rule;
route_handler get_flow_rule;
route_handler update_flow_rule;
route_handler delete_flow_rule;

route_handler queue_flow_rules;
route_handler test_flow_rules;
