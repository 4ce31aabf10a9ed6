/* Operations on organizations, and on the operations that these begin. */
#pragma once

#include "api/request.h"

enum code create_organization(struct request *request);
enum code list_organizations(struct request *request);
enum code describe_organization(struct request *request);
enum code delete_organization(struct request *request);
enum code retry_organization(struct request *request);
enum code validate_organization(struct request *request);
enum code activate_organization(struct request *request);
enum code deactivate_organization(struct request *request);
enum code get_organization_health(struct request *request);
enum code list_organization_transitions(struct request *request);
