/* Accounts: owners of organizations, identities and keys (behaviour: "Accounts, identity, permissions"). */
#pragma once

#include <stdbool.h>

#include "model/field.h"

#define ACCOUNT_ID_LENGTH 12

/* What its administrator says of it. */
struct account {
    const char *name;
};
extern const struct field_table account_table;

/* Whether it may be the name of an account; for who does not come with a body. */
bool account_name_fits(const char *name);

/* What a DELETE says. */
struct account_closing {
    const char *confirm;
    bool force;
};
extern const struct field_table account_closing_query;

/* The active users of an organization in a month. */
extern const struct field_table usage_table;
