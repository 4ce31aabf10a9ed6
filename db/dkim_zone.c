#include <string.h>

#include "db/dkim.h"
#include "db/row.h"

enum code dkim_zone_find_tag(struct db *db, struct problem *problem, const char **ret_etag)
{
    static const struct statement find = {"SELECT serial FROM dkim_zone", 0};
    DB_RESULT result = NULL;
    db_queue_parameters(db, &find, NULL, 0);
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    *ret_etag = tx_etag(problem->arena, PQgetvalue(result, 0, 0));
    return CODE_OK;
}

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct dkim_zone_query),
};
const struct field_table dkim_zone_query_table = FIELD_TABLE("get_dkim_zone_query", query_fields);

enum code dkim_zone_list(struct db *db, struct dkim_zone_query *query, struct problem *problem,
                         struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &dkim_record_table,
        .columns = "k.selector || z.suffix AS name, 'TXT' AS type, " DKIM_TTL " AS ttl, k.value",
        .from = "FROM dkim_key k CROSS JOIN (SELECT '.dkim.' || $1::text AS suffix) z WHERE true",
        .fixed = 1,
        .orders = {{"name", "k.selector", "text"}},
        .default_order = "name",
        .id = "k.selector",
        .id_type = "text",
    };
    return list_run(db, &list, &query->page, &db_settings(db)->service_domain, problem, out, ret_next_token);
}

enum code dkim_zone_write_file(struct db *db, const struct dkim_zone_part *part, struct problem *problem,
                               struct buffer *out)
{
    /* One row more than is shown tells whether there is another part. */
    static const struct statement read = {"SELECT selector || '.dkim.' || $3::text, value FROM dkim_key"
                                          " WHERE selector > $1 ORDER BY selector LIMIT $2::bigint + 1",
                                          3};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &read, part->after != NULL ? part->after : "",
                            row_integer(out->arena, part->limit), db_settings(db)->service_domain);
    if (code != CODE_OK)
        return code;
    bool more = PQntuples(result) > part->limit;
    int rows = more ? (int)part->limit : PQntuples(result);
    for (int row = 0; row < rows; row++)
        dkim_write_record(PQgetvalue(result, row, 0), PQgetvalue(result, row, 1), out);
    if (!more)
        buffer_text(out, "; end\n");
    return CODE_OK;
}
