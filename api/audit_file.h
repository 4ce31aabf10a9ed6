/* Verifying an export of the audit log, without a database. */
#pragma once

#include <stdio.h>

#include "model/audit.h"

struct audit_file {
    const char *public_key;    /* what signatures are checked with; NULL: what the export itself says */
    const char *chain;         /* whose log it has to be; NULL: any */
    struct audit_verify asked; /* an event that is known, or none */
};

/* Writes the outcome like VerifyAuditLog. NULL, or why nothing can be said. */
const char *audit_file_verify(const struct audit_file *wanted, FILE *file, struct buffer *out,
                              bool *ret_whole);
