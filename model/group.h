/* Groups: distribution lists and security groups (behaviour: "Groups"). */
#pragma once

#include "model/field.h"

/* Not `struct group`: the C library has one. */
struct mail_group {
    const char *name;
    const char *type;
    const char *display_name;
    const char *description;
    const char *email;
    bool hidden_from_address_list;
};

#define GROUP_NAME_MAX 256

extern const char *const group_types[]; /* NULL after the last */
extern const struct field_table group_table;

/* Answers: a member of a group, and a group that somebody is in. */
extern const struct field_table member_table;
extern const struct field_table membership_table;
extern const char *const member_kinds[]; /* NULL after the last */
