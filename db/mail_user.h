/* Users as they log in to their mail: by their primary address, or as <test domain>\<user name>. */
#pragma once

#include "db/conn.h"

/* An enabled user of an organization that serves. */
struct mail_user {
    const char *account_id;
    const char *organization_id;
    const char *user_id;
    const char *display_name;
    const char *email; /* the primary address */
    const char *region;
    const char *password_hash; /* NULL: none that is kept here */
};

/* ret_found is false when nobody who may use mail has that log-in name, well-formed or not. Whatever the name, it is asked
 * for in one statement. */
enum code mail_user_find(struct db *db, const char *login, struct problem *problem,
                         struct mail_user *ret_user, bool *ret_found);

/* Whether the user has the address, as the primary one or an alias. `email` is any text. */
enum code mail_user_has_address(struct db *db, const struct mail_user *user, const char *email,
                                struct problem *problem, bool *ret_has);

/* The region of the serving organization that owns a domain; NULL when there is none. `domain` is any text. */
enum code mail_domain_find_region(struct db *db, const char *domain, struct problem *problem,
                                  const char **ret_region);
