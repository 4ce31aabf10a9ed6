/* Handlers of mobile devices: the administrator's side, and the gateway's. */
#pragma once

#include "api/route.h"

route_handler list_mobile_devices;
route_handler queue_mobile_device;
route_handler describe_mobile_device;
route_handler remove_mobile_device;
route_handler wipe_mobile_device;
route_handler cancel_mobile_device_wipe;
route_handler provision_mobile_device;

route_handler sync_mobile_device;
route_handler acknowledge_mobile_device;
