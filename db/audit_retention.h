/* Removing old events from the beginning of the audit log's chains, so that the rest can still be verified. */
#pragma once

#include "db/tx.h"

/* Within a transaction of background work: removes up to a batch of events of one chain, those at its beginning that are
 * older than settings->audit_retention_s, and signs a checkpoint in their place. Only events that are as they were sealed go:
 * what somebody altered stays to be found. The last event of a chain always stays. ret_more: there may be further ones. */
enum code audit_retention_remove(struct db *db, struct change *change, bool *ret_more);
