/* DKIM keys of mail domains, and the operator's side of the zone. */
#pragma once

#include "api/request.h"

route_handler get_mail_domain_dkim;
route_handler rotate_mail_domain_dkim;
route_handler export_dkim_signing_keys;
route_handler get_dkim_zone;
route_handler get_dkim_zone_file;
