/* Operations that users, groups and resources have alike: the route says which kind it is for. */
#pragma once

#include "api/request.h"
#include "db/entity.h"

/* The entity that the path names: its second argument. */
struct entity_key request_entity(const struct request *request);

enum code queue_entities(struct request *request);
enum code list_entities(struct request *request);
enum code queue_entity(struct request *request);
enum code describe_entity(struct request *request);
enum code delete_entity(struct request *request);
enum code register_to_workmail(struct request *request);
enum code deregister_from_workmail(struct request *request);
/* The same for several at once. */
enum code register_several(struct request *request);
enum code deregister_several(struct request *request);
enum code delete_several(struct request *request);
enum code list_aliases(struct request *request);
enum code create_alias(struct request *request);
enum code delete_alias(struct request *request);
enum code update_primary_email_address(struct request *request);
