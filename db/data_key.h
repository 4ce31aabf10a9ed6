/* Secrets of an organization, and the data key that they are sealed under: a key of the organization's own, which its
 * account's master key wraps. Changing the master key changes no sealed secret. */
#pragma once

#include "db/organization.h"
#include "db/sealed.h"

/* --- sealing --- */

/* Seals a secret of an organization into a bytea parameter; opens one from a bytea column (NUL-terminated, in the
 * problem's arena, which wipes it). One round trip, within a transaction or outside. `row` names what the secret belongs
 * to, table first: "availability_configuration\n<domain>". A value of another row, organization or root key does not open:
 * CODE_INTERNAL_ERROR. CODE_KEY_STATE while the master key is disabled; CODE_NOT_READY for an organization that has no data
 * key yet. */
enum code data_key_seal(struct db *db, const char *organization_id, const char *row, const char *plain,
                        size_t size, struct problem *problem, const char **ret_parameter);
enum code data_key_open(struct db *db, const char *organization_id, const char *row, const char *column,
                        struct problem *problem, const char **ret_plain, size_t *ret_size);

/* The columns that data_key_opens looks at; FROM data_key d JOIN DATA_KEY_MATERIAL. */
#define DATA_KEY_COLUMNS                                                                      \
    "d.organization_id, d.account_id, d.key_id, d.generation, d.wrapped_key, d.sealed_probe," \
    " m.sealed_material"
#define DATA_KEY_MATERIAL                                                          \
    "master_key_material m ON m.account_id = d.account_id AND m.key_id = d.key_id" \
    " AND m.generation = d.generation"

/* Whether a row's data key and the probe sealed under it open. */
bool data_key_opens(struct db *db, struct arena *arena, const PGresult *result, int row);

/* Whether the secret of a row opens that has these columns and besides `sealed` and `bound_to`. */
bool data_key_opens_secret(struct db *db, struct arena *arena, const PGresult *result, int row);

/* --- parts of other transactions, in which the organization is locked --- */

/* Makes the data key; CODE_KEY_STATE when the master key is disabled. Nothing when it is there. */
enum code data_key_make(struct db *db, struct change *change, const struct organization_row *row);

/* Wraps it with the master key's present material, and removes material that wraps nothing any more. Makes it when it is
 * missing. Nothing while the master key is disabled: enabling it brings the job again. */
enum code data_key_wrap(struct db *db, struct change *change, const struct organization_row *row);

/* Without it, what is left of the organization's secrets anywhere is worth nothing. */
enum code data_key_remove(struct db *db, struct change *change, const struct organization_row *row);
