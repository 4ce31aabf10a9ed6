/* The statements of a kind, put together from its columns and what they are read from. `kind` is a literal. The tables
 * are called e (entity), o (organization), d (detail). */
#pragma once

#define ENTITY_EMAIL                                                                    \
    " (SELECT a.email FROM email_address a WHERE a.organization_id = e.organization_id" \
    "  AND a.entity_id = e.entity_id AND a.is_primary) AS email"
#define ENTITY_ALIASES                                                                       \
    " ARRAY(SELECT a.email FROM email_address a WHERE a.organization_id = e.organization_id" \
    "  AND a.entity_id = e.entity_id AND NOT a.is_primary ORDER BY a.email) AS aliases"

/* What users and groups are in an external directory, of which n has a row; EXTERNAL_ROWS. */
#define ENTITY_EXTERNAL                                                                         \
    " coalesce(n.is_read_only, false) AS read_only, n.external_id AS \"external.external_id\"," \
    " n.dn AS \"external.dn\", n.is_disabled AS \"external.disabled\","                         \
    " n.proposed_email AS \"external.proposed_email\""
#define ENTITY_JOIN_EXTERNAL ENTITY_JOIN("LEFT JOIN", "external_entry", "n")

/* A join with a table that has a row, or none, for each entity. */
#define ENTITY_JOIN(join, table, as)                                                   \
    " " join " " table " " as " ON " as ".organization_id = e.organization_id AND " as \
    ".entity_id = e.entity_id"

#define ENTITY_DESCRIBE(kind, columns, joins)                                                              \
    {                                                                                                      \
        "SELECT " ORGANIZATION_SEEN "e.version, " columns " FROM organization o LEFT JOIN (entity e" joins \
        ")"                                                                                                \
        " ON e.organization_id = o.organization_id AND e.entity_id = $3 AND e.kind = "                     \
        "'" kind "' WHERE o.organization_id = $2 AND o.account_id = $1",                                   \
            3                                                                                              \
    }
#define ENTITY_FROM(kind, joins)                                                          \
    "FROM entity e" joins " JOIN organization o ON o.organization_id = e.organization_id" \
    " WHERE e.organization_id = $1 AND e.kind = '" kind "'"
#define ENTITY_SEE(kind, columns, joins)                                                     \
    {                                                                                        \
        "SELECT " columns ", e.version " ENTITY_FROM(kind, joins) " AND e.entity_id = $2", 2 \
    }

/* Whether a name or address contains a text, in any case and with or without accents. */
#define ENTITY_CONTAINS " AND e.search_text LIKE '%' || search_pattern($?) || '%'"

/* What entity_queue_list filters by, in its order. A name is compared by the collation of its index. */
#define ENTITY_FILTERS(of_type)                                                                             \
    {                                                                                                       \
        " AND e.state = $?", of_type, " AND e.name_folded = lower($? COLLATE \"und-x-icu\") COLLATE \"C\"", \
            (" AND e.entity_id = (SELECT r.entity_id FROM address_registry r"                               \
             " WHERE r.email = lower($? COLLATE \"C\") AND r.organization_id = $1)"),                       \
            ENTITY_CONTAINS, " AND e.state <> 'DELETED'"                                                    \
    }
#define ENTITY_ORDER_NAME               \
    {                                   \
        "name", "e.name_folded", "text" \
    }
#define ENTITY_ORDER_DISPLAY_NAME                       \
    {                                                   \
        "display_name", "e.display_name_folded", "text" \
    }
#define ENTITY_ORDER_CREATED_AT                     \
    {                                               \
        "created_at", "e.created_at", "timestamptz" \
    }
/* The members of a list_spec that all kinds have alike. */
#define ENTITY_LIST .fixed = 1, .default_order = "name", .id = "e.entity_id", .id_type = "uuid"
/* Few are of another type than the kind's own: they are looked up one by one, not looked for among all. */
#define ENTITY_FROM_OTHERS(kind, detail, joins)                                                   \
    "FROM " detail " x CROSS JOIN LATERAL (SELECT y.* FROM entity y WHERE y.organization_id = $1" \
    " AND y.entity_id = x.entity_id OFFSET 0) e" joins                                            \
    " JOIN organization o ON o.organization_id = e.organization_id"                               \
    " WHERE x.organization_id = $1 AND x.type <> '" kind "'"
