#include "db/search.h"

#include "db/entity_sql.h"
#include "db/organization.h"

static const struct field search_query_fields[] = {
    LIST_PAGE_ROWS(struct search_query),
    FIELD_STRING_ROW(struct search_query, q, FIELD_REQUIRED, 1, 256),
};
const struct field_table search_query_table = FIELD_TABLE("search_directory_query", search_query_fields);

static const struct field address_book_query_fields[] = {
    LIST_PAGE_ROWS(struct address_book_query),
    FIELD_ENUM_ROW(struct address_book_query, kind, 0, entity_kinds),
    FIELD_STRING_ROW(struct address_book_query, q, 0, 1, 256),
};
const struct field_table address_book_query_table =
    FIELD_TABLE("list_address_book_query", address_book_query_fields);

/* --- searching --- */

/* What a search looks at is bounded, however many have what it asks for: of those of which a name or address begins with
 * the text, and of those that contain it, MOST each. */
#define MOST "500"
/* The trigram index has to look at all that contain a text before it answers the first. What more than 2 in 100 contain is
 * so common that what there is among SAMPLED of them, by id and so at random, does. */
#define SAMPLED "1000"
#define COMMON  "20"

#define MORE_IS_WANTED "(SELECT count(*) FROM beginning) < " MOST
/* But not at the beginning. */
#define IS_INSIDE                                                          \
    "e.kind <> 'RESOURCE' AND e.state <> 'DELETED'"                        \
    " AND e.search_text LIKE (SELECT '%' || t.pattern || '%' FROM term t)" \
    " AND e.search_text NOT LIKE (SELECT E'%\\n' || t.pattern || '%' FROM term t) "

/* Of nothing but accents there is no text to look for. */
#define TERM                                                                                              \
    "WITH term AS MATERIALIZED (SELECT left(search_fold($2), 256) AS text, search_pattern($2) AS pattern" \
    "  WHERE search_fold($2) <> ''),"
/* The exact matches first: a text comes before all that begin with it. */
#define BEGINNING                                                                                     \
    " beginning AS MATERIALIZED (SELECT b.entity_id, b.term, b.term = t.text AS is_exact FROM term t" \
    "  CROSS JOIN LATERAL (SELECT i.entity_id, i.term FROM entity_term i"                             \
    "   WHERE i.organization_id = $1 AND i.term >= t.text AND i.term < t.text || E'\\U0010FFFF'"      \
    "   ORDER BY i.term, i.entity_id LIMIT " MOST ") b),"
#define SAMPLE                                                                                     \
    " sample AS MATERIALIZED (SELECT e.entity_id, e.name_folded FROM (SELECT x.entity_id, x.kind," \
    "   x.name_folded, x.state, x.search_text FROM entity x WHERE x.organization_id = $1"          \
    "   AND " MORE_IS_WANTED " ORDER BY x.entity_id LIMIT " SAMPLED ") e WHERE " IS_INSIDE "),"
/* Fewer than three characters make no trigram: what has them inside is in the sample only. */
#define RARE                                                                                              \
    " rare AS MATERIALIZED (SELECT '%' || t.pattern || '%' AS pattern FROM term t"                        \
    "  WHERE char_length(t.text) >= 3 AND " MORE_IS_WANTED " AND (SELECT count(*) FROM sample) < " COMMON \
    "),"
/* Exact matches by name, as they have the same term; beginnings by what begins; the others by name. */
#define FOUND                                                                                            \
    " found AS (SELECT b.entity_id, CASE WHEN bool_or(b.is_exact) THEN 0 ELSE 1 END AS relevance,"       \
    "   CASE WHEN bool_or(b.is_exact) THEN (SELECT e.name_folded FROM entity e"                          \
    "    WHERE e.organization_id = $1 AND e.entity_id = b.entity_id) ELSE min(b.term) END AS place"      \
    "   FROM beginning b GROUP BY b.entity_id"                                                           \
    "  UNION ALL SELECT s.entity_id, 2, s.name_folded FROM sample s WHERE NOT EXISTS (SELECT FROM rare)" \
    "  UNION ALL (SELECT e.entity_id, 2, e.name_folded FROM entity e WHERE e.organization_id = $1"       \
    "   AND e.search_text LIKE (SELECT r.pattern FROM rare r) AND " IS_INSIDE " LIMIT " MOST "))"
/* Whether there may be others that have the text: what was not looked at is not known. */
#define IS_INCOMPLETE                                                                                      \
    "CASE WHEN NOT EXISTS (SELECT FROM term) THEN false WHEN NOT " MORE_IS_WANTED " THEN true"             \
    " WHEN EXISTS (SELECT FROM rare) THEN (SELECT count(*) FROM found f WHERE f.relevance = 2) >= " MOST   \
    " ELSE EXISTS (SELECT FROM entity x WHERE x.organization_id = $1 ORDER BY x.entity_id OFFSET " SAMPLED \
    ") END"
/* In order before they are looked up, so that only what is on the page is. */
#define EACH_FOUND                                                                                                     \
    "FROM (SELECT o.entity_id, o.relevance, o.place FROM found o"                                                      \
    "  ORDER BY o.relevance, o.place, o.entity_id OFFSET 0) f CROSS JOIN LATERAL (SELECT x.entity_id, x.kind, x.name," \
    "  x.display_name, x.state, x.hidden_from_address_list FROM entity x WHERE x.organization_id = $1"                 \
    "  AND x.entity_id = f.entity_id OFFSET 0) e WHERE true"

#define DETAIL(member)  \
    "(SELECT d." member \
    " FROM user_detail d WHERE d.organization_id = $1 AND d.entity_id = e.entity_id) AS " member

enum code search_queue_directory(struct db *db, const char *account_id, const char *organization_id,
                                 const struct search_query *query, struct problem *problem,
                                 struct list_pending *ret_pending)
{
    static const struct list_spec list = {
        .table = &found_entity_table,
        .with = TERM BEGINNING SAMPLE RARE FOUND,
        .columns = "e.entity_id, e.kind, e.name, " DETAIL("first_name") ", " DETAIL(
            "last_name") ", e.display_name,"
                         " (SELECT a.email FROM email_address a WHERE a.organization_id = $1 AND a.entity_id = e.entity_id"
                         "  AND a.is_primary) AS email, e.state, e.hidden_from_address_list,"
                         " (ARRAY['EXACT', 'BEGINNING', 'PART'])[f.relevance + 1] AS match",
        .from = EACH_FOUND,
        .counted = "FROM found f WHERE true",
        .fixed = 2,
        .orders = {{"relevance", "f.relevance", "integer"}, {"place", "f.place", "text"}},
        .default_order = "relevance,place",
        .id = "f.entity_id",
        .id_type = "uuid",
        .flag_name = "is_incomplete",
        .flag = IS_INCOMPLETE,
    };
    const char *const fixed[] = {organization_id, query->q};
    organization_queue(db, account_id, organization_id, ORGANIZATION_READ);
    return list_queue(db, &list, &query->page, fixed, problem->arena, problem, ret_pending);
}

/* --- the address book --- */

#define IN_BOOK(state) \
    " WHERE e.organization_id = $1 AND e.state = '" state "' AND NOT e.hidden_from_address_list"
#define BOOK_JOINS                               \
    ENTITY_JOIN("LEFT JOIN", "user_detail", "u") \
    ENTITY_JOIN("LEFT JOIN", "group_detail", "g") ENTITY_JOIN("LEFT JOIN", "resource_detail", "r")
/* Beside Exchange: what the directory has otherwise, but for its own accounts. Elsewhere these rows are not looked at. */
#define BESIDE_EXCHANGE                                                                         \
    " AND (SELECT o.interoperability_enabled FROM organization o WHERE o.organization_id = $1)" \
    " AND e.kind <> 'RESOURCE' AND coalesce(u.type, g.type) NOT IN ('SYSTEM_USER', 'SYSTEM_GROUP')"

enum code search_queue_address_book(struct db *db, const char *account_id, const char *organization_id,
                                    struct address_book_query *query, struct problem *problem,
                                    struct list_pending *ret_pending)
{
    static const struct list_spec list = {
        .table = &address_book_entry_table,
        .columns =
            "CASE e.kind WHEN 'RESOURCE' THEN 'r-' || replace(e.entity_id::text, '-', '')"
            "  ELSE e.entity_id::text END AS entity_id, e.kind, coalesce(u.type, g.type, r.type) AS type, e.name,"
            " e.display_name, coalesce((SELECT a.email FROM email_address a WHERE a.organization_id = $1"
            "  AND a.entity_id = e.entity_id AND a.is_primary), (SELECT x.proposed_email FROM external_entry x"
            "  WHERE x.organization_id = $1 AND x.entity_id = e.entity_id)) AS email,"
            " u.first_name, u.last_name, u.telephone, u.job_title, u.department,"
            " u.company, u.office, coalesce(g.description, r.description) AS description",
        .from = "FROM entity e" BOOK_JOINS IN_BOOK("ENABLED"),
        .counted = "FROM entity e" IN_BOOK("ENABLED"),
        .besides = "FROM entity e" BOOK_JOINS IN_BOOK("DISABLED") BESIDE_EXCHANGE,
        .fixed = 1,
        .filters = {" AND e.kind = $?", ENTITY_CONTAINS},
        .orders = {ENTITY_ORDER_DISPLAY_NAME},
        .default_order = "display_name",
        .id = "e.entity_id",
        .id_type = "uuid",
    };
    query->page.filters[0] = query->kind;
    query->page.filters[1] = query->q;
    return organization_queue_list(db, account_id, organization_id, &list, &query->page, problem,
                                   ret_pending);
}
