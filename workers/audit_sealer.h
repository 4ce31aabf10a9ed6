/* The thread that seals the audit log, about once a second. */
#pragma once

#include "db/conn.h"
#include "model/secret.h"

struct audit_sealer;

/* The key signs heads and is kept, not copied. NULL when there is no thread to be had. */
struct audit_sealer *audit_sealer_start(const struct db_environment *environment,
                                        const uint8_t key[static SECRET_KEY_SIZE]);

/* Seals what is there, then ends the thread. Accepts NULL. */
void audit_sealer_stop(struct audit_sealer *sealer);
