/* Health of organizations: what is looked at, what was found, and reading it. */
#pragma once

#include "db/organization.h"
#include "model/health.h"

/* For requests: what the last check found, and when the next one comes. */
enum code organization_health_get(struct db *db, const char *account_id, const char *organization_id,
                                  struct problem *problem, struct answer *answer);

/* Within a transaction: its next check is due now, since something that it looks at has changed. */
void organization_health_queue(struct db *db, const char *organization_id);
/* Within a transaction that changes a master key: the organizations under it that can be checked are checked now. One result
 * to collect. */
void organization_health_queue_under_key(struct db *db, const char *account_id, const char *key_id);

/* --- for the worker --- */

/* How many checks there are, and one of them: adds what it finds to the report. In no transaction; each is one statement,
 * which sees all or nothing of a change that is made meanwhile. */
size_t organization_check_count(void);
enum code organization_check(struct db *db, const char *organization_id, size_t number,
                             struct problem *problem, struct health_report *report);

/* Within a transaction: keeps the report. */
void organization_health_store(struct db *db, struct arena *arena, const struct organization_row *row,
                               const struct health_report *report);

/* Within a transaction: ACTIVE or IMPAIRED, by what is kept. */
enum code organization_health_conclude(struct db *db, struct change *change, struct organization_row *row);

/* Within a transaction: the organization, which is now in this state, will be checked. */
void organization_health_schedule(struct db *db, struct arena *arena, const struct organization_row *row);
