#include "db/mail_domain_proof.h"

#include <string.h>

#include "db/mail_domain.h"
#include "db/row.h"
#include "model/json_out.h"

struct proving {
    const char *organization_id;
    const char *domain;
    const char *status; /* before */
    bool is_lost;       /* it was VERIFIED, and did no longer prove itself */
};

static enum code lock(struct db *db, struct change *change, struct proving *proving, bool *ret_gone)
{
    static const struct statement find = {
        "SELECT ownership_status, proof_lost_at IS NOT NULL AS is_lost FROM mail_domain"
        " WHERE organization_id = $1 AND domain = $2 FOR NO KEY UPDATE",
        2};
    struct organization_row organization;
    DB_RESULT result = NULL;

    organization_queue(db, change->account_id, proving->organization_id, ORGANIZATION_SHARE);
    DB_QUEUE(db, &find, proving->organization_id, proving->domain);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    *ret_gone = PQntuples(result) == 0 || strcmp(organization.state, "DELETING") == 0;
    if (*ret_gone)
        return CODE_OK;
    proving->status = row_text(change->arena, result, 0, "ownership_status");
    proving->is_lost = row_flag(result, 0, "is_lost");
    return CODE_OK;
}

/* Takes the domain, unless another organization has it, or does not let it go below its own. */
static enum code take(struct db *db, struct change *change, const struct proving *proving, bool *ret_taken)
{
    /* Waits for who takes it just now; then it is a conflict that changes nothing. */
    static const struct statement insert = {
        "INSERT INTO verified_domain (domain, organization_id) VALUES ($1, $2) ON CONFLICT (domain) DO NOTHING",
        2};
    static const struct statement owner = {
        "SELECT organization_id = $2 FROM verified_domain WHERE domain = $1", 2};
    const char *above = NULL;
    DB_RESULT result = NULL;

    enum code code =
        mail_domain_find_above(db, change->problem, proving->organization_id, proving->domain, &above);
    *ret_taken = false;
    if (code != CODE_OK || above != NULL)
        return code;
    DB_QUEUE(db, &insert, proving->domain, proving->organization_id);
    DB_QUEUE(db, &owner, proving->domain, proving->organization_id);
    code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0) /* given up between the two */
        return CODE_RETRY;
    *ret_taken = PQgetvalue(result, 0, 0)[0] == 't';
    return CODE_OK;
}

static struct buffer status_json(struct arena *arena, const char *status, bool is_lost)
{
    struct buffer json = {.arena = arena};
    out_begin_object(&json);
    out_member(&json, "ownership_status", status);
    out_member_boolean(&json, "is_proven", strcmp(status, "VERIFIED") == 0 && !is_lost);
    out_end_object(&json);
    return json;
}

static enum code set(struct db *db, struct change *change, const struct proving *proving, const char *status,
                     bool is_lost)
{
    static const struct statement update = {
        "UPDATE mail_domain SET ownership_status = $3, proof_lost_at = CASE WHEN $4 THEN now() END,"
        " verified_at = CASE WHEN $3 = 'VERIFIED' AND ownership_status = 'VERIFIED' THEN verified_at"
        "  WHEN $3 = 'VERIFIED' THEN now() END,"
        " next_check_at = CASE WHEN $3 <> 'FAILED' OR wanted_operation_id IS NOT NULL THEN next_check_at END,"
        " check_attempts = 0, version = version + 1, updated_at = now()"
        " WHERE organization_id = $1 AND domain = $2",
        4};
    change->audit.organization_id = proving->organization_id;
    change->audit.target = mail_domain_path(change->arena, proving->organization_id, proving->domain);
    change->audit.before = status_json(change->arena, proving->status, proving->is_lost);
    change->audit.after = status_json(change->arena, status, is_lost);
    return DB_RUN(db, change->problem, NULL, &update, proving->organization_id, proving->domain, status,
                  row_boolean(is_lost));
}

enum code mail_domain_prove(struct db *db, struct change *change, const char *organization_id,
                            const char *domain, enum mail_domain_proof proof,
                            enum mail_domain_owner *ret_owner)
{
    struct proving proving = {.organization_id = organization_id, .domain = domain};
    bool gone = false;
    bool taken = false;

    enum code code = lock(db, change, &proving, &gone);
    if (code != CODE_OK || gone) {
        *ret_owner = MAIL_DOMAIN_GONE;
        return code;
    }
    bool was_owned = strcmp(proving.status, "VERIFIED") == 0;
    bool is_proven = proof == MAIL_DOMAIN_PROVEN;
    *ret_owner = was_owned ? MAIL_DOMAIN_OWNED : MAIL_DOMAIN_NOT_OWNED;
    if (was_owned)
        return proving.is_lost == !is_proven ? CODE_OK : set(db, change, &proving, "VERIFIED", !is_proven);
    if (is_proven) {
        code = take(db, change, &proving, &taken);
        *ret_owner = taken ? MAIL_DOMAIN_OWNED : MAIL_DOMAIN_VERIFIED_ELSEWHERE;
        return code == CODE_OK && taken ? set(db, change, &proving, "VERIFIED", false) : code;
    }
    return proof == MAIL_DOMAIN_EXPIRED && strcmp(proving.status, "PENDING") == 0
               ? set(db, change, &proving, "FAILED", false)
               : CODE_OK;
}
