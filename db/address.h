/* Addresses of an entity: rows of email_address and, across organizations, of address_registry. All within a
 * transaction that has locked the organization and the entity. */
#pragma once

#include "db/organization.h"
#include "model/email.h"

/* Parses an address (a local part gets the default domain; NULL: `<name>@<default domain>`) and makes sure that the
 * organization may use it. Faults are of the body's `email`. */
enum code address_resolve(struct db *db, struct change *change, const struct organization_row *organization,
                          const char *text, const char *name, struct email *ret_email);

/* CODE_RESERVED_NAME, with the reason, for an address of the organization that is kept for the service. */
enum code address_may_be_used(const struct db *db, const struct organization_row *organization,
                              const struct email *email, struct arena *arena, const char **ret_detail);

/* Whether a name or local part is kept for the service: the sender of journal records. */
bool address_is_reserved(const struct db *db, const char *local_part);

/* Queued; each gives one result to collect. */
/* Gives the address to the entity unless it has it; of another one: CODE_EMAIL_ADDRESS_IN_USE. */
void address_queue_add(struct db *db, const char *organization_id, const char *entity_id, const char *email);
/* The same, but nothing happens when somebody else has it. */
void address_queue_add_if_free(struct db *db, const char *organization_id, const char *entity_id,
                               const char *email);
/* Makes an address that the entity has its primary one; the old one becomes an alias. */
void address_queue_make_primary(struct db *db, const char *organization_id, const char *entity_id,
                                const char *email);
void address_queue_remove(struct db *db, const char *organization_id, const char *entity_id,
                          const char *email);
void address_queue_remove_all(struct db *db, const char *organization_id, const char *entity_id);
