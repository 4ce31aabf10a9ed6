/* Operations on the mail domains of an organization. */
#pragma once

#include "api/request.h"

/* The A-label of the domain in the path, which may be written for people. */
const char *mail_domain_in_path(struct request *request);

enum code register_mail_domain(struct request *request);
enum code list_mail_domains(struct request *request);
enum code get_mail_domain(struct request *request);
enum code update_mail_domain(struct request *request);
enum code deregister_mail_domain(struct request *request);
enum code verify_mail_domain(struct request *request);
enum code get_mail_domain_zone_file(struct request *request);
enum code get_identity_policy(struct request *request);
enum code put_identity_policy(struct request *request);
enum code get_default_mail_domain(struct request *request);
enum code update_default_mail_domain(struct request *request);
