/* Checks of mail domains in the database: which are due, and what came of them (db/mail_domain_proof.h has the rules). */
#pragma once

#include "db/tx.h"
#include "model/domain_check.h"
#include "model/mail_domain.h"

/* So many in a row, after a domain was registered or somebody asked for a check, are those that somebody waits for. */
#define MAIL_DOMAIN_FIRST_CHECKS 5

/* A check that this process has claimed, until its lease ends. */
struct mail_domain_claim {
    const char *account_id;
    const char *organization_id;
    const char
        *claims; /* the fence, with the token: a domain that is registered again counts from the start */
    const char *operation_id; /* that ends with it; NULL: none */
    struct mail_domain_facts facts;
    bool is_verified;
    bool is_lost;    /* VERIFIED, without proof … */
    bool is_overdue; /* … for so long that its organization, which is ACTIVE, is to be IMPAIRED */
    bool is_expired; /* PENDING for so long that it is to fail */
    int64_t pending_s;
    int64_t attempts; /* before this one, in a row without a change */
};

/* Claims checks that are due, up to `limit`: those that somebody waits for (the newest first), or others (the oldest
 * first). One statement, in no transaction. */
enum code mail_domain_claim_due(struct db *db, struct arena *arena, struct problem *problem, bool is_awaited,
                                int64_t limit, struct mail_domain_claim **ret_claims, size_t *ret_count);

/* What came of one. */
struct mail_domain_result {
    const struct mail_domain_claim *claim;
    enum domain_proof proof;
    const struct domain_record *records;
    struct domain_finding *findings;
    size_t count;
    int64_t next_s; /* when to look again */
};

/* Whether it changes nothing but what was seen: such results can be stored together. */
bool mail_domain_result_is_plain(const struct mail_domain_result *result);

/* Stores plain ones in one transaction. What another worker has claimed meanwhile is passed over. */
enum code mail_domain_store_plain(struct db *db, struct change *change,
                                  const struct mail_domain_result *results, size_t count);

/* Stores one, with what it means for the ownership and for who waits. */
enum code mail_domain_store(struct db *db, struct change *change, struct mail_domain_result *result);
