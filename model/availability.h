/* Availability configurations: where the free/busy times of a domain's users are asked for (behaviour: "Organization
 * settings"). */
#pragma once

#include "model/field.h"

struct availability_configuration {
    const char *domain;
    const char *ews_url;
    const char *username;
    const char *password;
};
extern const struct field_table availability_configuration_table;

/* What the outcome of a test is written as. */
extern const struct field_table availability_test_table;

/* How it is created or changed. */
struct availability_options {
    bool skip_test;
};
extern const struct field_table availability_options_query;

/* A password goes where it was meant for: with another URL it is needed again. Adds the fault. `patch` is what is changed
 * of it. */
enum code availability_check_patch(const struct availability_configuration *patch, const char *ews_url,
                                   struct problem *problem);
