/* Operations that only groups have, and what is in them. */
#pragma once

#include "api/request.h"

enum code create_group(struct request *request);
enum code update_group(struct request *request);
enum code list_group_members(struct request *request);
enum code associate_member_to_group(struct request *request);
enum code disassociate_member_from_group(struct request *request);
enum code list_groups_for_entity(struct request *request);
