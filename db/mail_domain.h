/* Mail domains of an organization in the database. A domain in a path is an A-label, or no domain at all. */
#pragma once

#include "db/organization.h"

/* Of the domain in the organization: for answers and the audit log. */
const char *mail_domain_path(struct arena *arena, const char *organization_id, const char *domain);

/* Within a transaction: the verified domain of another organization, nearest above this one, that does not allow others
 * below it; NULL: none does forbid it. */
enum code mail_domain_find_above(struct db *db, struct problem *problem, const char *organization_id,
                                 const char *domain, const char **ret_above);
