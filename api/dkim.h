/* DKIM keys of mail domains, and the operator's side of the zone. */
#pragma once

#include "api/request.h"

enum code get_mail_domain_dkim(struct request *request);
enum code rotate_mail_domain_dkim(struct request *request);
enum code export_dkim_signing_keys(struct request *request);
enum code get_dkim_zone(struct request *request);
enum code get_dkim_zone_file(struct request *request);
