/* IAM users, groups, policies, access keys. */
#pragma once

#include "api/request.h"

enum code create_iam_user(struct request *request);
enum code list_iam_users(struct request *request);
enum code describe_iam_user(struct request *request);
enum code delete_iam_user(struct request *request);
enum code put_iam_user_password(struct request *request);
enum code delete_iam_user_password(struct request *request);

enum code create_iam_group(struct request *request);
enum code list_iam_groups(struct request *request);
enum code describe_iam_group(struct request *request);
enum code delete_iam_group(struct request *request);
enum code list_iam_group_members(struct request *request);

enum code create_policy(struct request *request);
enum code list_policies(struct request *request);
enum code get_policy(struct request *request);
enum code update_policy(struct request *request);
enum code delete_policy(struct request *request);
enum code simulate_policy(struct request *request);

enum code attach_policy(struct request *request);
enum code detach_policy(struct request *request);
enum code attach_policy_to_group(struct request *request);
enum code detach_policy_from_group(struct request *request);
enum code add_iam_group_member(struct request *request);
enum code remove_iam_group_member(struct request *request);

enum code create_access_key(struct request *request);
enum code list_access_keys(struct request *request);
enum code describe_access_key(struct request *request);
enum code update_access_key(struct request *request);
enum code delete_access_key(struct request *request);
