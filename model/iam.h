/* Identities of an account: IAM users, groups, policies, access keys, sessions. */
#pragma once

#include "model/field.h"

#define IAM_NAME_MAX 64
/* Longer than those of mail users, for whom the guide sets the lengths: they open the administration of many of these. */
#define IAM_PASSWORD_MIN 12
#define IAM_PASSWORD_MAX 128

struct iam_user {
    const char *name;
    const char *path;
};
extern const struct field_table iam_user_table;

struct iam_group {
    const char *name;
};
extern const struct field_table iam_group_table;

struct iam_policy {
    const char *name;
    const char *description;
    const char *document; /* JSON */
};
extern const struct field_table policy_table;

struct iam_key {
    const char *status;
    const char *expires_at;
    const char *const *allowed_networks;
};
extern const struct field_table access_key_table;

struct iam_password {
    const char *password;
};
extern const struct field_table iam_password_table;

/* Who is in a group. */
extern const struct field_table iam_member_table;

struct sign_in {
    const char *account_id;
    const char *name;
    const char *password;
};
extern const struct field_table sign_in_table;
extern const struct field_table session_table;

/* A question to the policies: SimulatePolicy. */
struct simulation {
    const char *iam_user_id;
    const char *document;
    const char *action;
    const char *resource;
    const char *source_address;
    const char *at;
    bool is_secure;
};
extern const struct field_table simulation_table;
extern const struct field_table simulation_result_table;
