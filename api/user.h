/* Operations on users and their addresses. */
#pragma once

#include "api/request.h"

enum code create_user(struct request *request);
enum code queue_users(struct request *request);
enum code list_users(struct request *request);
enum code queue_user(struct request *request);
enum code describe_user(struct request *request);
enum code update_user(struct request *request);
enum code delete_user(struct request *request);
enum code register_to_workmail(struct request *request);
enum code deregister_from_workmail(struct request *request);
enum code reset_password(struct request *request);
enum code list_aliases(struct request *request);
enum code create_alias(struct request *request);
enum code delete_alias(struct request *request);
enum code update_primary_email_address(struct request *request);
