/* Refused requests on their way to the audit log: noted without waiting, written by a thread of its own. So many a minute
 * of one caller are told one by one; how many more there were is told when his minute is over. */
#pragma once

#include "db/audit.h"

struct refusals;

/* NULL when there is no thread to be had. */
struct refusals *refusals_start(const struct db_environment *environment);

/* Copies. `action` and `reason` are constants. */
void refusals_add(struct refusals *refusals, const struct audit_refusal *refusal);

/* Writes what was noted, then ends the thread. Accepts NULL. */
void refusals_stop(struct refusals *refusals);
