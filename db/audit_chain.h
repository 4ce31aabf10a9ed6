/* What sealing and verifying the audit log have in common. */
#pragma once

#include <libpq-fe.h>

#include "model/audit.h"

/* The columns that a hash is made of, in its order. Text of the database's making would change with its settings: times
 * are microseconds since 1970. */
#define AUDIT_VALUES                                                                                     \
    "chain, (extract(epoch FROM at) * 1000000)::bigint AS at_us, organization_id, actor, access_key_id," \
    " source_address, request_id, action, target, outcome, reason, omitted, changes"
#define AUDIT_VALUE_COUNT 13

/* The hash of the row whose AUDIT_VALUES begin at a column. */
void audit_hash_row(struct buffer *scratch, const char *previous, int64_t sequence, const PGresult *result,
                    int row, int first_column, char ret_hash[static AUDIT_HASH_LENGTH + 1]);

/* A bigint column. */
int64_t audit_number(const PGresult *result, int row, int column);
