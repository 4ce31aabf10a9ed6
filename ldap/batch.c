#include "ldap/batch.h"

#include <string.h>

struct batch_item {
    const char *external_id;
    struct directory_entry *entry; /* NULL: it was deleted */
};

static size_t hash(const char *text)
{
    size_t value = 14695981039346656037u; /* FNV-1a */
    for (; *text != '\0'; text++)
        value = (value ^ (unsigned char)*text) * 1099511628211u;
    return value;
}

/* Where the id is, or would be: there is always a free slot. */
static unsigned *slot_of(const struct ldap_batch *batch, const char *external_id)
{
    size_t at = hash(external_id) & (batch->slot_count - 1);
    while (batch->slots[at] != 0 && strcmp(batch->items[batch->slots[at] - 1].external_id, external_id) != 0)
        at = (at + 1) & (batch->slot_count - 1);
    return &batch->slots[at];
}

static void grow(struct ldap_batch *batch)
{
    size_t capacity = batch->capacity == 0 ? 64 : 2 * batch->capacity;
    struct batch_item *items = arena_alloc(batch->arena, capacity * sizeof(*items));
    if (batch->count > 0)
        memcpy(items, batch->items, batch->count * sizeof(*items));
    batch->items = items;
    batch->capacity = capacity;
    batch->slot_count = 2 * capacity;
    batch->slots = arena_alloc(batch->arena, batch->slot_count * sizeof(*batch->slots));
    for (size_t i = 0; i < batch->count; i++)
        *slot_of(batch, items[i].external_id) = (unsigned)i + 1;
}

static struct batch_item *item_of(struct ldap_batch *batch, const char *external_id)
{
    if (batch->count == batch->capacity)
        grow(batch);
    unsigned *slot = slot_of(batch, external_id);
    if (*slot == 0) {
        batch->items[batch->count++].external_id = external_id;
        *slot = (unsigned)batch->count;
    }
    return &batch->items[*slot - 1];
}

void ldap_batch_change(struct ldap_batch *batch, const struct directory_entry *entry)
{
    struct directory_entry *copy = arena_alloc(batch->arena, sizeof(*copy));
    *copy = *entry;
    item_of(batch, entry->external_id)->entry = copy;
    batch->member_count += entry->member_count;
}

void ldap_batch_delete(struct ldap_batch *batch, const char *external_id)
{
    item_of(batch, external_id)->entry = NULL;
}

bool ldap_batch_has(const struct ldap_batch *batch, const char *external_id)
{
    return batch->slot_count > 0 && *slot_of(batch, external_id) != 0;
}

bool ldap_batch_is_full(const struct ldap_batch *batch)
{
    return batch->count >= DIRECTORY_BATCH_MAX || batch->member_count >= DIRECTORY_MEMBERS_MAX ||
           arena_size(batch->arena) >= LDAP_HELD_MAX;
}

void ldap_batch_clear(struct ldap_batch *batch)
{
    *batch = (struct ldap_batch){.arena = batch->arena};
}

void ldap_batch_finish(const struct ldap_batch *batch, struct directory_batch *ret_batch)
{
    const char **deleted = arena_alloc(batch->arena, (batch->count + 1) * sizeof(*deleted));
    ret_batch->changed = arena_alloc(batch->arena, (batch->count + 1) * sizeof(*ret_batch->changed));
    ret_batch->changed_count = ret_batch->deleted_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i].entry != NULL)
            ret_batch->changed[ret_batch->changed_count++] = *batch->items[i].entry;
        else
            deleted[ret_batch->deleted_count++] = batch->items[i].external_id;
    }
    ret_batch->deleted = deleted;
}
