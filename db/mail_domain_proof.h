/* Who owns a mail domain: for the worker that looks at the DNS.
 *
 * The worker claims rows of mail_domain whose next_check_at has come: it sets next_check_at to the end of its lease,
 * check_started_at to now, check_claims + 1, and takes wanted_operation_id over into check_operation_id unless that still
 * holds one of a check that was lost. When it writes what it saw (mail_domain_record), under the fence check_claims, it
 * sets check_started_at and check_operation_id to NULL, ends that operation, and sets next_check_at: now when another operation
 * is wanted meanwhile, NULL when the domain has FAILED. None of that changes the domain's version. */
#pragma once

#include "db/tx.h"

/* What a check found out about the ownership. */
enum mail_domain_proof {
    MAIL_DOMAIN_PROVEN,
    MAIL_DOMAIN_NOT_PROVEN, /* looked at, and not there */
    MAIL_DOMAIN_EXPIRED,    /* the same, and the time for it is over: a PENDING one has FAILED */
};

enum mail_domain_owner {
    MAIL_DOMAIN_OWNED,
    MAIL_DOMAIN_NOT_OWNED,
    MAIL_DOMAIN_VERIFIED_ELSEWHERE, /* the proof is there, but another organization owns it, or the domain above it */
    MAIL_DOMAIN_GONE,               /* removed meanwhile, or its organization is being deleted */
};

/* Within a transaction, of which it takes the first locks: the organization's, then the domain's row. Brings the
 * ownership to what the proof says, race-free through verified_domain: of all organizations one owns a domain. A VERIFIED one
 * whose proof is not found stays that, with proof_lost_at. A change is noted for the audit log, if `change` has an action,
 * and changes the domain's version. Who is told MAIL_DOMAIN_VERIFIED_ELSEWHERE may call it again with MAIL_DOMAIN_EXPIRED. */
enum code mail_domain_prove(struct db *db, struct change *change, const char *organization_id,
                            const char *domain, enum mail_domain_proof proof,
                            enum mail_domain_owner *ret_owner);
