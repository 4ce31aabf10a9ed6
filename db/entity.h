/* What is the same for users, groups and resources in the database: reading, listing, enabling, disabling, deleting,
 * addresses. Each change answers the entity as it then is. */
#pragma once

#include "db/list.h"
#include "db/tx.h"
#include "model/entity.h"

/* What distinguishes the kinds: one constant row each (user_kind, …), with their statements (db/entity_sql.h). */
struct entity_kind {
    const char *kind;         /* in the database: USER, … */
    const char *noun;         /* in sentences: user, … */
    const char *segment;      /* in paths: users, … */
    const char *own_type;     /* those of another type are the directory's own; NULL: all may be changed */
    bool has_mailbox;         /* and, with it, an address in the test domain; who is enabled is metered */
    bool is_deleted_directly; /* without being disabled first */
    enum code not_found;
    bool (*is_id)(const char *text);
    const struct field_table *table;        /* of the view */
    const struct list_spec *list;           /* by organization */
    const struct list_spec *list_of_others; /* those that are not of own_type */
    const struct statement
        *describe; /* the organization's state, then the view: one row when only the former is there */
    const struct statement *see;    /* the view and the version */
    const struct statement *forget; /* what goes when one is deleted; NULL: nothing of its own */
};

/* Which entity. */
struct entity_key {
    const struct entity_kind *kind;
    const char *organization_id;
    const char *id;        /* in paths and answers */
    const char *entity_id; /* in the database: a UUID */
};
struct entity_key entity_key(const struct entity_kind *kind, const char *organization_id, const char *id);

/* The view of an entity with its entity tag: what entity_queue_view asked for, entity_collect_view writes. */
void entity_queue_view(struct db *db, const char *account_id, const struct entity_key *key);
enum code entity_collect_view(struct db *db, const struct entity_kind *kind, struct problem *problem,
                              struct answer *answer);

struct entity_query {
    struct list_query page;
    const char *state; /* NULL: all but DELETED ones */
    const char *type;
    const char *name;
    const char *email;
    const char *q;
};
/* The rows of a kind's query table. */
#define ENTITY_QUERY_ROWS(types, name_max)                                    \
    LIST_PAGE_ROWS(struct entity_query), LIST_ORDER_ROW(struct entity_query), \
        FIELD_ENUM_ROW(struct entity_query, state, 0, entity_states),         \
        FIELD_ENUM_ROW(struct entity_query, type, 0, types),                  \
        FIELD_STRING_ROW(struct entity_query, name, 0, 1, name_max),          \
        FIELD_STRING_ROW(struct entity_query, email, 0, 1, EMAIL_MAX),        \
        FIELD_STRING_ROW(struct entity_query, q, 0, 1, 256)
/* The first half; organization_collect_list is the other. */
enum code entity_queue_list(struct db *db, const struct entity_kind *kind, const char *account_id,
                            const char *organization_id, struct entity_query *query, struct problem *problem,
                            struct list_pending *ret_pending);

/* A list of what an entity has, or is connected with: its spec has organization and entity as fixed parameters. The problem
 * is that of entity_collect_view when the entity is not there. */
enum code entity_list_parts(struct db *db, const char *account_id, const struct entity_key *key,
                            const struct list_spec *spec, const struct list_query *query,
                            struct problem *problem, struct buffer *out, const char **ret_next_token);

/* email is the wanted primary address, or NULL for the one before or the default. */
enum code entity_enable(struct db *db, struct change *change, const struct entity_key *key,
                        const char *email);
enum code entity_disable(struct db *db, struct change *change, const struct entity_key *key);
enum code entity_delete(struct db *db, struct change *change, const struct entity_key *key);

/* Does one of the three above to each of these, one after the other in one transaction: those that can be are changed,
 * whatever becomes of the others. Answers a result per id, in the order given. */
enum entity_action { ENTITY_ENABLE, ENTITY_DISABLE, ENTITY_DELETE };
enum code entity_change_several(struct db *db, struct change *change, const struct entity_kind *kind,
                                const char *organization_id, enum entity_action action,
                                const char *const *ids);

/* Within a worker's transaction: gives up the mailbox and addresses of one whose time is over, and the row of a deleted
 * one. Nothing when it was enabled again. */
enum code entity_purge(struct db *db, struct change *change, const char *organization_id,
                       const char *entity_id);

/* --- addresses --- */

struct alias_query {
    struct list_query page;
};
extern const struct field_table alias_query_table;
enum code entity_list_aliases(struct db *db, const char *account_id, const struct entity_key *key,
                              struct alias_query *query, struct problem *problem, struct buffer *out,
                              const char **ret_next_token);

/* Answers the alias: 201, or 200 when the entity had it already. */
enum code entity_add_alias(struct db *db, struct change *change, const struct entity_key *key,
                           const char *email);
enum code entity_remove_alias(struct db *db, struct change *change, const struct entity_key *key,
                              const char *email);
enum code entity_set_primary_email(struct db *db, struct change *change, const struct entity_key *key,
                                   const char *email);
