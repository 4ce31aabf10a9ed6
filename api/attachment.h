/* Handlers of unsupported attachment types. */
#pragma once

#include "api/route.h"

route_handler list_unsupported_attachment_types;
route_handler test_attachments;
