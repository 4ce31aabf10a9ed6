#include "db/audit_chain.h"

#include <stdlib.h>

int64_t audit_number(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

void audit_read_values(const PGresult *result, int row, int first_column,
                       const char *ret_values[static AUDIT_VALUE_COUNT])
{
    for (int i = 0; i < AUDIT_VALUE_COUNT; i++)
        ret_values[i] =
            PQgetisnull(result, row, first_column + i) ? NULL : PQgetvalue(result, row, first_column + i);
}

struct audit_record *audit_read_records(struct arena *arena, const PGresult *result, int first_column)
{
    size_t count = (size_t)PQntuples(result);
    struct audit_record *records = arena_alloc(arena, (count + 1) * sizeof(*records));
    for (int row = 0; row < PQntuples(result); row++) {
        records[row].sequence = audit_number(result, row, first_column);
        records[row].hash = PQgetvalue(result, row, first_column + 1);
        audit_read_values(result, row, first_column + 2, records[row].values);
    }
    return records;
}

void audit_read_mark(struct arena *arena, const char *chain, const PGresult *result, int row,
                     int first_column, struct audit_head *ret_mark, const char **ret_signature)
{
    *ret_mark = (struct audit_head){.chain = chain};
    *ret_signature = NULL;
    if (PQgetisnull(result, row, first_column))
        return;
    ret_mark->sequence = audit_number(result, row, first_column);
    ret_mark->hash = arena_string(arena, PQgetvalue(result, row, first_column + 1));
    ret_mark->signed_at_us = audit_number(result, row, first_column + 2);
    *ret_signature = arena_string(arena, PQgetvalue(result, row, first_column + 3));
}
