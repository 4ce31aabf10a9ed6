/* Makes a batch: of what happened to one entry several times, the last. */
#pragma once

#include "model/directory_entry.h"

/* Bytes of entries that are held at the same time: servers may send large ones, or one again and again. */
#define LDAP_HELD_MAX ((size_t)32 << 20)

struct ldap_batch {
    struct arena *arena; /* its own */
    struct batch_item *items;
    size_t count, capacity;
    unsigned *slots; /* by hash of the external id: index of its item + 1 */
    size_t slot_count;
    size_t member_count; /* of all groups: they make a batch large */
};

void ldap_batch_change(struct ldap_batch *batch, const struct directory_entry *entry);
void ldap_batch_delete(struct ldap_batch *batch, const char *external_id);

/* Whether it was changed or deleted in this batch. */
bool ldap_batch_has(const struct ldap_batch *batch, const char *external_id);

/* Is to be applied before more is added. */
bool ldap_batch_is_full(const struct ldap_batch *batch);

/* As if nothing had been added. */
void ldap_batch_clear(struct ldap_batch *batch);

/* Fills in changed and deleted. */
void ldap_batch_finish(const struct ldap_batch *batch, struct directory_batch *ret_batch);
