/* What sealing, verifying, exporting and removing events of the audit log have in common. */
#pragma once

#include <libpq-fe.h>

#include "model/audit.h"

/* The columns that a hash is made of, in the order of audit_values. Text of the database's making would change with its
 * settings: times are microseconds since 1970. */
#define AUDIT_VALUES                                                                                     \
    "chain, (extract(epoch FROM at) * 1000000)::bigint AS at_us, organization_id, actor, access_key_id," \
    " source_address, request_id, action, target, outcome, reason, omitted, changes"
#define AUDIT_VALUE_AT 1

/* The columns of a sealed event. */
#define AUDIT_RECORD       "sequence, hash, " AUDIT_VALUES
#define AUDIT_RECORD_COUNT (2 + AUDIT_VALUE_COUNT)

/* The columns of a head or checkpoint: a row of this alias. */
#define AUDIT_MARK(alias)                                                                                  \
    alias ".sequence, " alias ".hash, (extract(epoch FROM " alias ".signed_at) * 1000000)::bigint, " alias \
          ".signature"
#define AUDIT_MARK_COUNT 4

/* A bigint column. */
int64_t audit_number(const PGresult *result, int row, int column);

/* The values of a row whose AUDIT_VALUES begin at a column. They live as long as the result. */
void audit_read_values(const PGresult *result, int row, int first_column,
                       const char *ret_values[static AUDIT_VALUE_COUNT]);

/* All rows of a result, each of whose AUDIT_RECORD begins at a column; the texts live as long as the result. */
struct audit_record *audit_read_records(struct arena *arena, const PGresult *result, int first_column);

/* The mark whose AUDIT_MARK begins at a column: copied. Without one there is no signature. */
void audit_read_mark(struct arena *arena, const char *chain, const PGresult *result, int row,
                     int first_column, struct audit_head *ret_mark, const char **ret_signature);
