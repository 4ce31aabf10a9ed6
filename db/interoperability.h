/* Interoperability mode in the database: the organization works beside an Exchange server, which its directory tells of. */
#pragma once

#include "db/organization.h"

/* Reading, in two halves; the entity tag is the organization's. */
void interoperability_queue(struct db *db, const char *account_id, const char *organization_id);
enum code interoperability_collect(struct db *db, struct problem *problem, struct answer *answer);

/* Each answers what it is then; one that is so already changes nothing. */
/* For good; `confirm` is the organization's alias. */
enum code interoperability_disable(struct db *db, struct change *change, const char *organization_id,
                                   const char *confirm);
/* The operator's: CODE_INTEROPERABILITY_MODE without a directory of type AD_CONNECTOR, and once it was disabled. */
enum code interoperability_enable(struct db *db, struct change *change, const char *organization_id);

/* CODE_INTEROPERABILITY_MODE, while the mode is on, for what is done in Exchange: "users are created". */
enum code interoperability_refuse(const struct organization_row *organization, const char *what,
                                  struct problem *problem);
