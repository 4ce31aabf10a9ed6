/* Mail domains of an organization in the database. A domain that comes in a path is an A-label in lower case, or none at
 * all. */
#pragma once

#include "db/organization.h"
#include "model/mail_domain.h"

/* --- reading --- */

enum code mail_domain_describe(struct db *db, const char *account_id, const char *organization_id,
                               const char *domain, struct problem *problem, struct answer *answer);

/* What is to be published, as a master file. */
enum code mail_domain_zone_file(struct db *db, const char *account_id, const char *organization_id,
                                const char *domain, struct problem *problem, struct answer *answer);

struct mail_domain_query {
    struct list_query page;
    const char *ownership_status;
    const char *prefix;
};
extern const struct field_table mail_domain_query_table;
enum code mail_domain_list(struct db *db, const char *account_id, const char *organization_id,
                           struct mail_domain_query *query, struct problem *problem, struct buffer *out,
                           const char **ret_next_token);

enum code mail_domain_get_default(struct db *db, const char *account_id, const char *organization_id,
                                  struct problem *problem, struct answer *answer);

/* --- requests; each answers the domain, unless it says something else --- */

enum code mail_domain_register(struct db *db, struct change *change, const char *organization_id,
                               const struct mail_domain_name *name, bool allow_subdomains);
/* NULL: as it is. */
enum code mail_domain_update(struct db *db, struct change *change, const char *organization_id,
                             const char *domain, const bool *allow_subdomains);
/* Answers the operation. */
enum code mail_domain_check_now(struct db *db, struct change *change, const char *organization_id,
                                const char *domain);
/* `confirm` is the A-label that the caller repeats. Answers nothing. */
enum code mail_domain_deregister(struct db *db, struct change *change, const char *organization_id,
                                 const char *domain, const char *confirm);
/* Answers the default domain. */
enum code mail_domain_set_default(struct db *db, struct change *change, const char *organization_id,
                                  const char *domain);

/* Its identity policy (model/identity_policy.h). */
enum code mail_domain_get_policy(struct db *db, const char *account_id, const char *organization_id,
                                 const char *domain, struct problem *problem, struct answer *answer);
/* Checks the document; answers the policy. */
enum code mail_domain_put_policy(struct db *db, struct change *change, const char *organization_id,
                                 const char *domain, const char *document);

/* --- parts of transactions --- */

/* Of the domain in the organization: for answers and the audit log. */
const char *mail_domain_path(struct arena *arena, const char *organization_id, const char *domain);

/* The verified domain of another organization, nearest above this one, that does not allow others below it; NULL: none
 * forbids it. */
enum code mail_domain_find_above(struct db *db, struct problem *problem, const char *organization_id,
                                 const char *domain, const char **ret_above);

/* Adds one to an organization that is locked for update, or is made in this transaction. */
enum code mail_domain_add(struct db *db, struct change *change, const char *organization_id,
                          const struct mail_domain_name *name, bool allow_subdomains);

/* Locks it, compares If-Match with its version and notes for the audit log what it was. */
struct mail_domain_row {
    struct organization_row organization;
    const char *version;
    const char *ownership_status;
    bool is_test_domain;
    bool is_default;
};
enum code mail_domain_lock(struct db *db, struct change *change, const char *organization_id,
                           const char *domain, enum organization_lock lock, struct mail_domain_row *ret_row);

/* Answers the domain as it is, once what is queued is done. */
enum code mail_domain_show(struct db *db, struct change *change, const char *organization_id,
                           const char *domain);

enum code mail_domain_not_found(struct problem *problem);
