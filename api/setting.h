/* Handlers of an organization's settings: email journaling, the migration administrator, interoperability. */
#pragma once

#include "api/route.h"

route_handler queue_journaling;
route_handler get_journaling;
route_handler put_journaling;
route_handler queue_migration;
route_handler get_migration;
route_handler put_migration;
route_handler queue_interoperability;
route_handler get_interoperability;
route_handler disable_interoperability;
