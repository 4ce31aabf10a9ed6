#include "db/group.h"

#include <string.h>

#include "db/address.h"
#include "db/entity_sql.h"
#include "db/row.h"
#include "model/email.h"
#include "model/id.h"

/* The rows of group_table, in its order. */
#define COLUMNS                                                                                     \
    "e.entity_id AS group_id, e.name, d.type, e.state, e.display_name, d.description," ENTITY_EMAIL \
    "," ENTITY_ALIASES ", e.hidden_from_address_list,"                                              \
    " d.member_count, o.directory_id," ENTITY_EXTERNAL                                              \
    ", e.enabled_at, e.disabled_at, e.purge_at, e.created_at, e.updated_at"
#define JOINS ENTITY_JOIN("LEFT JOIN", "group_detail", "d") ENTITY_JOIN_EXTERNAL

static const struct field query_fields[] = {ENTITY_QUERY_ROWS(group_types, GROUP_NAME_MAX)};
const struct field_table group_query_table = FIELD_TABLE("list_groups_query", query_fields);

static const struct list_spec list = {
    .table = &group_table,
    .columns = COLUMNS,
    .orders = {ENTITY_ORDER_NAME, ENTITY_ORDER_DISPLAY_NAME, ENTITY_ORDER_CREATED_AT},
    .from = ENTITY_FROM("GROUP", JOINS),
    .filters = ENTITY_FILTERS(" AND d.type = $?"),
    ENTITY_LIST,
};
static const struct list_spec others = {
    .table = &group_table,
    .columns = COLUMNS,
    .orders = {ENTITY_ORDER_NAME, ENTITY_ORDER_DISPLAY_NAME, ENTITY_ORDER_CREATED_AT},
    .from = ENTITY_FROM_OTHERS("GROUP", "group_detail", JOINS),
    .filters = ENTITY_FILTERS(" AND x.type = $?"),
    ENTITY_LIST,
};
static const struct statement describe = ENTITY_DESCRIBE("GROUP", COLUMNS, JOINS);
static const struct statement see = ENTITY_SEE("GROUP", COLUMNS, JOINS);

const struct entity_kind group_kind = {
    .kind = "GROUP",
    .noun = "group",
    .segment = "groups",
    .own_type = "GROUP",
    .not_found = CODE_GROUP_NOT_FOUND,
    .is_id = id_is_uuid,
    .table = &group_table,
    .list = &list,
    .list_of_others = &others,
    .describe = &describe,
    .see = &see,
};

/* What the bodies of the transactions below are given. */
struct work {
    struct entity_key key;
    const struct mail_group *group;
    uint64_t set;
};

/* --- creating and changing --- */

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert_detail = {
        "INSERT INTO group_detail (organization_id, entity_id, type, description) VALUES ($1, $2, 'GROUP', $3)",
        3};
    const struct work *work = argument;
    const struct entity_key *key = &work->key;
    const struct mail_group *group = work->group;
    struct organization_row organization;
    struct email email;
    int pending = 2;

    enum code code = entity_enter_to_create(db, change, key, &organization);
    if (code == CODE_OK && group->email != NULL)
        code = address_resolve(db, change, &organization, group->email, group->name, &email);
    if (code != CODE_OK)
        return code;
    change->answer.location = entity_path(change->arena, key);
    entity_queue_insert(db, key, group->name, group->display_name != NULL ? group->display_name : group->name,
                        group->hidden_from_address_list);
    DB_QUEUE(db, &insert_detail, key->organization_id, key->entity_id, group->description);
    if (group->email != NULL)
        pending += entity_queue_enable(db, change, &organization, key, group->name, email.address);
    return entity_touch_and_show(db, change, key, pending);
}

enum code group_create(struct db *db, struct change *change, const char *organization_id,
                       const struct mail_group *group)
{
    struct work work = {
        .key = entity_key(&group_kind, organization_id, id_new_uuid(change->arena)),
        .group = group,
    };
    enum code code = entity_need_unreserved(db, change, group->name);
    return code == CODE_OK ? tx_run(db, change, create_body, &work) : code;
}

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update_detail = {
        "UPDATE group_detail SET description = $3 WHERE organization_id = $1 AND entity_id = $2", 3};
    static const char *const own[] = {"hidden_from_address_list", "email", NULL};
    const struct work *work = argument;
    const struct entity_key *key = &work->key;
    const struct mail_group *patch = work->group;
    struct entity_locked locked = {0};
    struct mail_group group = {0};
    int pending = 0;

    enum code code = edge_lock_with_owners(db, change, key, &locked, &group);
    if (code == CODE_OK)
        code = entity_need_own_members(change, key, &locked, work->set, own);
    if (code == CODE_OK && patch->email != NULL)
        code = entity_queue_primary_email(db, change, key, &locked, patch->email, &pending);
    if (code != CODE_OK)
        return code;
    /* A name that is shown as it is stays so. */
    if (patch->name != NULL && strcmp(group.display_name, group.name) == 0)
        group.display_name = patch->name;
    field_merge(&group_table, work->set, patch, &group);
    entity_queue_update(db, key, group.name, group.display_name, group.hidden_from_address_list);
    DB_QUEUE(db, &update_detail, key->organization_id, key->entity_id, group.description);
    edge_queue_touch_resources(db, key);
    return entity_touch_and_show(db, change, key, pending + 3);
}

enum code group_update(struct db *db, struct change *change, const struct entity_key *key,
                       const struct mail_group *patch, uint64_t set)
{
    struct work work = {.key = *key, .group = patch, .set = set};
    enum code code = patch->name != NULL ? entity_need_unreserved(db, change, patch->name) : CODE_OK;
    return code == CODE_OK ? tx_run(db, change, update_body, &work) : code;
}

/* --- members --- */

#define MEMBER_COLUMNS(via)                                                                 \
    "e.entity_id AS member_id, e.kind AS member_kind, e.name, e.display_name," ENTITY_EMAIL \
    ", e.state, " via " AS via"
#define NOT_VIA "NULL::uuid[]"
/* Looked up one by one, whatever the planner thinks of their number: a join with all entities of a large organization
 * would cost more than the group is worth. OFFSET keeps the two apart. */
#define EACH(id)                                                                                 \
    " CROSS JOIN LATERAL (SELECT x.organization_id, x.entity_id, x.kind, x.name, x.name_folded," \
    " x.display_name, x.display_name_folded, x.state FROM entity x WHERE x.organization_id = $1" \
    " AND x.entity_id = " id " OFFSET 0) e WHERE true"
#define OF_MEMBERS EACH("v.member_id")

static const struct statement get_member = {
    "SELECT " MEMBER_COLUMNS(
        NOT_VIA) " FROM (SELECT m.member_id FROM entity_edge m"
                 " WHERE m.organization_id = $1 AND m.relation = 'MEMBER' AND m.owner_id = $2 AND m.member_id = $3) v" OF_MEMBERS,
    3};

/* The groups on the way from the new member to the group it would go into: each of these is in the one before. */
static enum code check_no_cycle(struct db *db, struct change *change, const struct entity_key *owner,
                                const char *member_id, bool is_group)
{
    /* What the group is in, then a walk through these alone: it must end at the group, for they form no cycle. */
    static const struct statement find = {
        "WITH RECURSIVE above (group_id) AS (SELECT $2::uuid UNION SELECT m.owner_id FROM above a JOIN entity_edge m"
        "  ON m.organization_id = $1 AND m.relation = 'MEMBER' AND m.member_id = a.group_id),"
        " way (group_id, place) AS (SELECT group_id, 1 FROM above WHERE group_id = $3 UNION ALL SELECT ("
        "  SELECT m.member_id FROM entity_edge m JOIN above a ON a.group_id = m.member_id"
        "   WHERE m.organization_id = $1 AND m.relation = 'MEMBER' AND m.owner_id = w.group_id"
        "   AND m.member_kind = 'GROUP' ORDER BY m.member_id LIMIT 1), w.place + 1"
        "  FROM way w WHERE w.group_id <> $2)"
        " SELECT e.name FROM way w JOIN entity e ON e.organization_id = $1 AND e.entity_id = w.group_id"
        " ORDER BY w.place",
        3};
    enum { MOST_NAMES = 20 };
    DB_RESULT result = NULL;
    if (!is_group)
        return CODE_OK;
    enum code code =
        DB_RUN(db, change->problem, &result, &find, owner->organization_id, owner->entity_id, member_id);
    int count = code == CODE_OK ? PQntuples(result) : 0;
    if (count == 0)
        return code;
    struct buffer path = {.arena = change->arena};
    buffer_printf(&path, "\"%s\"", PQgetvalue(result, count - 1, 0));
    for (int i = 0; i < count; i++) {
        if (i < MOST_NAMES || i == count - 1)
            buffer_printf(&path, " > \"%s\"", PQgetvalue(result, i, 0));
        else if (i == MOST_NAMES)
            buffer_text(&path, " > …");
    }
    return problem_set(
        change->problem, CODE_MEMBERSHIP_CYCLE,
        "The group would contain itself: %s. Take one of these out of the one before it first.",
        buffer_string(&path));
}

const struct edge_kind edge_member = {
    .relation = "MEMBER",
    .table = &member_table,
    .get = &get_member,
    .nests = true,
    .check = check_no_cycle,
};

/* --- lists --- */

static const struct field member_query_fields[] = {
    LIST_PAGE_ROWS(struct member_query),
    LIST_ORDER_ROW(struct member_query),
    FIELD_BOOLEAN_ROW(struct member_query, effective, 0),
    FIELD_ENUM_ROW(struct member_query, kind, 0, member_kinds),
};
const struct field_table member_query_table = FIELD_TABLE("list_group_members_query", member_query_fields);

static const struct field membership_query_fields[] = {
    LIST_PAGE_ROWS(struct membership_query),
    LIST_ORDER_ROW(struct membership_query),
    FIELD_BOOLEAN_ROW(struct membership_query, effective, 0),
};
const struct field_table membership_query_table =
    FIELD_TABLE("list_groups_for_entity_query", membership_query_fields);

#define MEMBER_LIST                                                                                 \
    .fixed = 2,                                                                                     \
    .orders = {{"member_id", "v.member_id", "uuid"}, ENTITY_ORDER_NAME, ENTITY_ORDER_DISPLAY_NAME}, \
    .id = "v.member_id", .id_type = "uuid"

/* A filter that filters nothing: it binds page tokens to the one of two lists that they come from. */
#define IS_EFFECTIVE " AND true"

#define DIRECT                                                   \
    "FROM (SELECT m.member_id, m.member_kind FROM entity_edge m" \
    " WHERE m.organization_id = $1 AND m.relation = 'MEMBER' AND m.owner_id = $2) v"
#define EFFECTIVE                                                                       \
    "FROM (SELECT DISTINCT m.member_id, m.member_kind FROM nested n JOIN entity_edge m" \
    " ON m.organization_id = $1 AND m.relation = 'MEMBER' AND m.owner_id = n.group_id) v"

enum code group_list_members(struct db *db, const char *account_id, const struct entity_key *key,
                             struct member_query *query, struct problem *problem, struct buffer *out,
                             const char **ret_next_token)
{
    static const struct list_spec direct = {
        .table = &member_table,
        .columns = MEMBER_COLUMNS(NOT_VIA),
        .from = DIRECT OF_MEMBERS,
        .counted = DIRECT " WHERE true",
        .filters = {" AND v.member_kind = $?"},
        .default_order = "name",
        MEMBER_LIST,
    };
    /* The groups first, which are few; then all that is in one of them; by id, so that only what is on the page is looked
     * up. */
    static const struct list_spec effective = {
        .table = &member_table,
        .with = "WITH RECURSIVE nested (group_id) AS (SELECT $2::uuid UNION SELECT m.member_id"
                " FROM nested n JOIN entity_edge m ON m.organization_id = $1 AND m.relation = 'MEMBER'"
                "  AND m.owner_id = n.group_id AND m.member_kind = 'GROUP') ",
        .columns = MEMBER_COLUMNS(
            "ARRAY(SELECT m.owner_id FROM entity_edge m WHERE m.organization_id = $1 AND m.relation = 'MEMBER'"
            " AND m.member_id = e.entity_id AND m.owner_id IN (SELECT n.group_id FROM nested n)"
            " ORDER BY m.owner_id)"),
        .from = EFFECTIVE OF_MEMBERS,
        .counted = EFFECTIVE " WHERE true",
        .filters = {" AND v.member_kind = $?", IS_EFFECTIVE},
        .default_order = "member_id",
        MEMBER_LIST,
    };
    query->page.filters[0] = query->kind;
    query->page.filters[1] = query->effective ? "effective" : NULL;
    return entity_list_parts(db, account_id, key, query->effective ? &effective : &direct, &query->page,
                             problem, out, ret_next_token);
}

#define MEMBERSHIP_LIST                                                                            \
    .fixed = 2, .orders = {ENTITY_ORDER_NAME, ENTITY_ORDER_DISPLAY_NAME}, .default_order = "name", \
    .id = "e.entity_id", .id_type = "uuid"
#define MEMBERSHIP_COLUMNS "e.entity_id AS group_id, e.name, e.display_name," ENTITY_EMAIL ", e.state"
#define OF_GROUPS          EACH("v.group_id")

enum code group_list_of_entity(struct db *db, const char *account_id, const struct entity_key *key,
                               struct membership_query *query, struct problem *problem, struct buffer *out,
                               const char **ret_next_token)
{
    static const struct list_spec direct = {
        .table = &membership_table,
        .columns = MEMBERSHIP_COLUMNS,
        .from = "FROM (SELECT m.owner_id AS group_id FROM entity_edge m"
                " WHERE m.organization_id = $1 AND m.relation = 'MEMBER' AND m.member_id = $2) v" OF_GROUPS,
        MEMBERSHIP_LIST,
    };
    static const struct list_spec effective = {
        .table = &membership_table,
        .columns = MEMBERSHIP_COLUMNS,
        .from = "FROM (WITH RECURSIVE above (group_id) AS (SELECT m.owner_id FROM entity_edge m"
                "   WHERE m.organization_id = $1 AND m.relation = 'MEMBER' AND m.member_id = $2"
                "  UNION SELECT m.owner_id FROM above a JOIN entity_edge m ON m.organization_id = $1"
                "   AND m.relation = 'MEMBER' AND m.member_id = a.group_id)"
                " SELECT a.group_id FROM above a) v" OF_GROUPS,
        .filters = {IS_EFFECTIVE},
        MEMBERSHIP_LIST,
    };
    query->page.filters[0] = query->effective ? "effective" : NULL;
    return entity_list_parts(db, account_id, key, query->effective ? &effective : &direct, &query->page,
                             problem, out, ret_next_token);
}
