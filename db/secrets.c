#include "db/secrets.h"

#include "db/data_key.h"
#include "db/dkim.h"
#include "db/master_key.h"
#include "db/row.h"
#include "model/json_out.h"

#define BATCH     1000
#define MAX_SHOWN 100

static const char *value(const PGresult *result, int row, const char *column)
{
    return PQgetvalue(result, row, PQfnumber(result, column));
}

static bool opens_text(struct db *db, struct arena *arena, const PGresult *result, int row)
{
    size_t size;
    return sealed_open(arena, db_secret_key(db), value(result, row, "bound_to"), value(result, row, "sealed"),
                       &size) != NULL;
}

static bool opens_material(struct db *db, struct arena *arena, const PGresult *result, int row)
{
    struct secret_key material;
    bool good = master_key_open(arena, db_secret_key(db), value(result, row, "account_id"),
                                value(result, row, "key_id"), value(result, row, "generation"),
                                value(result, row, "sealed"), &material);
    secret_wipe(&material, sizeof(material));
    return good;
}

/* One row for each table that holds sealed values. $1 is the name of the last row of the batch before. */
static const struct {
    const char *table;
    struct statement batch; /* `row_name` and what `opens` looks at */
    bool (*opens)(struct db *db, struct arena *arena, const PGresult *result, int row);
} tables[] = {
    {"access_key",
     {"SELECT access_key_id AS row_name, access_key_id AS bound_to, sealed_secret AS sealed FROM access_key"
      " WHERE access_key_id > $1 ORDER BY access_key_id LIMIT 1000",
      1},
     opens_text},
    {"idempotency_record",
     {"SELECT concat_ws(E'\n', account_id, actor, operation, idempotency_key) AS row_name,"
      " concat_ws(E'\n', account_id, actor, operation, idempotency_key) AS bound_to, sealed_body AS sealed"
      " FROM idempotency_record WHERE (account_id, actor, operation, idempotency_key) > (split_part($1, E'\n', 1),"
      "  split_part($1, E'\n', 2), split_part($1, E'\n', 3), split_part($1, E'\n', 4))"
      " ORDER BY account_id, actor, operation, idempotency_key LIMIT 1000",
      1},
     opens_text},
    {"master_key_material",
     {"SELECT concat_ws(E'\n', account_id, key_id, generation) AS row_name, account_id, key_id, generation,"
      " sealed_material AS sealed FROM master_key_material WHERE (account_id, key_id, generation) >"
      "  (split_part($1, E'\n', 1), nullif(split_part($1, E'\n', 2), '')::uuid,"
      "   nullif(split_part($1, E'\n', 3), '')::integer)"
      " ORDER BY account_id, key_id, generation LIMIT 1000",
      1},
     opens_material},
    {"data_key",
     {"SELECT d.organization_id AS row_name, " DATA_KEY_COLUMNS " FROM data_key d JOIN " DATA_KEY_MATERIAL
      " WHERE d.organization_id > $1 ORDER BY d.organization_id LIMIT 1000",
      1},
     data_key_opens},
    {"availability_configuration",
     {"SELECT concat_ws(E'\n', a.organization_id, a.domain) AS row_name,"
      " concat_ws(E'\n', 'availability_configuration', a.domain) AS bound_to, a.sealed_password AS sealed,"
      " " DATA_KEY_COLUMNS " FROM availability_configuration a"
      " JOIN data_key d ON d.organization_id = a.organization_id JOIN " DATA_KEY_MATERIAL
      " WHERE (a.organization_id, a.domain) > (split_part($1, E'\n', 1), split_part($1, E'\n', 2))"
      " ORDER BY a.organization_id, a.domain LIMIT 1000",
      1},
     data_key_opens_secret},
    {"dkim_key",
     {"SELECT k.selector AS row_name, " DKIM_KEY_BOUND_TO
      ", k.sealed_private_key AS sealed, " DATA_KEY_COLUMNS
      " FROM dkim_key k LEFT JOIN (data_key d JOIN " DATA_KEY_MATERIAL
      ") ON d.organization_id = k.organization_id"
      " WHERE k.selector > $1 ORDER BY k.selector LIMIT 1000",
      1},
     data_key_opens_secret},
};
#define TABLE_COUNT (sizeof(tables) / sizeof(tables[0]))

/* Adds a table's unreadable rows; counts its rows. */
static enum code verify_table(struct db *db, struct problem *problem, size_t table, struct buffer *out,
                              int64_t *ret_checked, int64_t *unreadable)
{
    char *last = arena_string(problem->arena, "");
    int rows = BATCH;
    int64_t checked = 0;
    while (rows == BATCH) {
        /* What is opened goes with its batch. */
        struct arena *arena = arena_new();
        DB_RESULT result = NULL;
        enum code code = DB_RUN(db, problem, &result, &tables[table].batch, last);
        if (code != CODE_OK) {
            arena_free(arena);
            return code;
        }
        rows = PQntuples(result);
        for (int row = 0; row < rows; row++) {
            if (tables[table].opens(db, arena, result, row) || ++*unreadable > MAX_SHOWN)
                continue;
            out_begin_object(out);
            out_member(out, "table", tables[table].table);
            out_member(out, "row", value(result, row, "row_name"));
            out_end_object(out);
        }
        if (rows > 0)
            last = arena_string(problem->arena, value(result, rows - 1, "row_name"));
        checked += rows;
        arena_free(arena);
    }
    *ret_checked = checked;
    return CODE_OK;
}

enum code secrets_verify(struct db *db, struct problem *problem, struct buffer *out, bool *ret_whole)
{
    int64_t checked[TABLE_COUNT] = {0};
    int64_t unreadable = 0;

    out_begin_object(out);
    out_name(out, "unreadable");
    out_begin_array(out);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        enum code code = verify_table(db, problem, i, out, &checked[i], &unreadable);
        if (code != CODE_OK)
            return code;
    }
    out_end_array(out);
    out_name(out, "checked");
    out_begin_object(out);
    for (size_t i = 0; i < TABLE_COUNT; i++)
        out_member_integer(out, tables[i].table, checked[i]);
    out_end_object(out);
    out_member_integer(out, "unreadable_count", unreadable);
    out_end_object(out);
    *ret_whole = unreadable == 0;
    return CODE_OK;
}
