/* Limits of an account and what counts against them. */
#pragma once

#include "db/tx.h"
#include "model/buffer.h"
#include "model/limit.h"

/* Within a transaction: locks the account, so that of two that would pass the limit one waits for the other, and counts
 * the organizations of a region. limit_collect answers CODE_LIMIT_EXCEEDED when there is no room for one more, and
 * CODE_UNAUTHENTICATED when the account was closed meanwhile. */
void limit_queue_organizations(struct db *db, const char *account_id, const char *region);
/* The same for the account's custom keys. */
void limit_queue_keys(struct db *db, const char *account_id);
/* The same for an organization's availability configurations. */
void limit_queue_availability(struct db *db, const char *account_id, const char *organization_id);
/* Within a transaction that has locked the user: counts its aliases. */
void limit_queue_aliases(struct db *db, const char *account_id, const char *organization_id,
                         const char *entity_id);
/* The same for its mobile devices. */
void limit_queue_devices(struct db *db, const char *account_id, const char *organization_id,
                         const char *entity_id);
/* Within a transaction that has the organization's email flow rules to itself, and has written one: two counts. */
void limit_queue_sender_patterns(struct db *db, const char *account_id, const char *organization_id,
                                 const char *flow_rule_id);
/* Within a transaction that has locked the organization for update: counts the domains that were added to it. */
void limit_queue_domains(struct db *db, const char *account_id, const char *organization_id);
/* Within a transaction that has the account's identities for itself: counts those of the account, besides the one that was just
 * made. */
void limit_queue_identities(struct db *db, const char *account_id, enum limit limit);
/* The same for what an identity has. */
void limit_queue_of_identity(struct db *db, const char *account_id, enum limit limit, const char *id);
/* Within a transaction that has locked organization and user, before it takes an address: whether an account on trial has
 * room for one more enabled user. Others that enable one in this account wait. */
enum code limit_trial_user(struct db *db, const char *account_id, struct problem *problem);
/* The same, but tells how many there is room for. */
enum code limit_trial_room(struct db *db, const char *account_id, struct problem *problem, int64_t *ret_room);
/* The value that counts for an account. */
enum code limit_value(struct db *db, const char *account_id, enum limit limit, struct problem *problem,
                      int64_t *ret_value);
enum code limit_collect(struct db *db, enum limit limit, struct problem *problem);

/* Writes {"items":[…]}. */
enum code limit_list(struct db *db, const char *account_id, struct problem *problem, struct buffer *out);

/* For the operator. False when there is no such account. */
enum code limit_set(struct db *db, struct change *change, const char *code, int64_t value, bool *ret_known);
