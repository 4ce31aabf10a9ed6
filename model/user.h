/* Users: directory entries that may have a mailbox (behaviour: "Users"). */
#pragma once

#include "model/field.h"

struct user {
    const char *name;
    const char *type;
    const char *first_name;
    const char *last_name;
    const char *display_name;
    const char *initials;
    const char *email;
    const char *password;
    bool hidden_from_address_list;
    const char *street;
    const char *city;
    const char *zip_code;
    const char *country;
    const char *telephone;
    const char *job_title;
    const char *department;
    const char *company;
    const char *office;
    int64_t quota_mb;
};

#define USER_QUOTA_DEFAULT_MB 51200
#define USER_NAME_MAX         64

extern const char *const user_types[]; /* NULL after the last */
extern const struct field_table user_table;

/* Body of the operation that sets a new one. */
struct user_password {
    const char *password;
};
extern const struct field_table reset_password_table;
