#include "db/mail_domain_check.h"

#include <stdlib.h>
#include <string.h>

#include "db/mail_domain_proof.h"
#include "db/operation.h"
#include "db/organization_health.h"
#include "db/row.h"

#define TEXT_OF(number)   #number
#define DIGITS_OF(number) TEXT_OF(number)
#define FIRST_ONES        DIGITS_OF(MAIL_DOMAIN_FIRST_CHECKS) /* as the index mail_domain_awaited has it */
/* More than a check and its storing take. */
#define LEASE_S "60"
#define CLAIM(condition, order)                                                                           \
    "WITH due AS (SELECT organization_id, domain FROM mail_domain WHERE next_check_at <= now()" condition \
    " ORDER BY next_check_at " order " LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)"                           \
    " UPDATE mail_domain m SET next_check_at = clock_timestamp() + interval '" LEASE_S " s',"             \
    " check_started_at = clock_timestamp(), check_claims = m.check_claims + 1,"                           \
    " check_operation_id = coalesce(m.check_operation_id, m.wanted_operation_id),"                        \
    " wanted_operation_id = CASE WHEN m.check_operation_id IS NOT NULL THEN m.wanted_operation_id END"    \
    " FROM due, organization o WHERE m.organization_id = due.organization_id AND m.domain = due.domain"   \
    " AND o.organization_id = m.organization_id"                                                          \
    " RETURNING o.account_id, o.organization_id, o.region, o.interoperability_enabled, m.domain,"         \
    " m.ownership_token, m.dkim_selectors[1] AS selector_1, m.dkim_selectors[2] AS selector_2,"           \
    " m.dkim_selectors[3] AS selector_3, m.check_claims, m.check_operation_id, m.check_attempts,"         \
    " m.ownership_status = 'VERIFIED' AS is_verified, m.proof_lost_at IS NOT NULL AS is_lost,"            \
    " o.state = 'ACTIVE' AND m.proof_lost_at + make_interval(secs => $3::bigint) <= now() AS is_overdue," \
    " m.ownership_status = 'PENDING' AND m.pending_since + make_interval(secs => $2::bigint) <= now()"    \
    "  AS is_expired, extract(epoch FROM now() - m.pending_since)::bigint AS pending_s"

static int64_t integer(const PGresult *result, int row, const char *column)
{
    return strtoll(PQgetvalue(result, row, PQfnumber(result, column)), NULL, 10);
}

static void read_claim(struct arena *arena, const PGresult *result, int row, struct mail_domain_claim *claim)
{
    *claim = (struct mail_domain_claim){
        .account_id = row_text(arena, result, row, "account_id"),
        .organization_id = row_text(arena, result, row, "organization_id"),
        .claims = row_text(arena, result, row, "check_claims"),
        .operation_id = row_text(arena, result, row, "check_operation_id"),
        .facts = {.domain = row_text(arena, result, row, "domain"),
                  .region = row_text(arena, result, row, "region"),
                  .ownership_token = row_text(arena, result, row, "ownership_token"),
                  .dkim_selectors = {row_text(arena, result, row, "selector_1"),
                                     row_text(arena, result, row, "selector_2"),
                                     row_text(arena, result, row, "selector_3")},
                  .is_interoperable = row_flag(result, row, "interoperability_enabled")},
        .is_verified = row_flag(result, row, "is_verified"),
        .is_lost = row_flag(result, row, "is_lost"),
        .is_overdue = row_flag(result, row, "is_overdue"),
        .is_expired = row_flag(result, row, "is_expired"),
        .pending_s = integer(result, row, "pending_s"),
        .attempts = integer(result, row, "check_attempts"),
    };
}

enum code mail_domain_claim_due(struct db *db, struct arena *arena, struct problem *problem, bool is_awaited,
                                int64_t limit, struct mail_domain_claim **ret_claims, size_t *ret_count)
{
    static const struct statement awaited = {CLAIM(" AND check_attempts < " FIRST_ONES, "DESC"), 3};
    static const struct statement others = {CLAIM("", "ASC"), 3};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, is_awaited ? &awaited : &others, row_integer(arena, limit),
                            row_integer(arena, db_settings(db)->domain_verification_timeout_s),
                            row_integer(arena, db_settings(db)->domain_proof_grace_s));
    if (code != CODE_OK)
        return code;
    size_t count = (size_t)PQntuples(result);
    struct mail_domain_claim *claims = arena_alloc(arena, count * sizeof(claims[0]));
    for (size_t i = 0; i < count; i++)
        read_claim(arena, result, (int)i, &claims[i]);
    *ret_claims = claims;
    *ret_count = count;
    return CODE_OK;
}

/* --- what came of them --- */

static void put_result(struct buffer *out, const struct mail_domain_result *result)
{
    const struct mail_domain_claim *claim = result->claim;
    out_begin_object(out);
    out_member(out, "organization_id", claim->organization_id);
    out_member(out, "domain", claim->facts.domain);
    out_member(out, "claims", claim->claims);
    out_member(out, "token", claim->facts.ownership_token);
    out_member_integer(out, "next_s", result->next_s);
    out_name(out, "records");
    out_begin_array(out);
    for (size_t i = 0; i < result->count; i++) {
        const struct domain_record *record = &result->records[i];
        const struct domain_finding *finding = &result->findings[i];
        out_begin_object(out);
        out_member(out, "purpose", domain_purposes[record->purpose]);
        out_member(out, "name", record->name);
        out_member(out, "type", record->type);
        out_member(out, "value", record->value);
        out_member(out, "status", domain_statuses[finding->status]);
        out_member(out, "code", finding->code);
        out_member(out, "help", finding->help);
        out_name(out, "observed");
        out_raw(out, finding->observed.data, finding->observed.length);
        out_end_object(out);
    }
    out_end_array(out);
    out_end_object(out);
}

/* Under the fence. Nothing to collect. */
static void queue_results(struct db *db, struct arena *arena, const struct mail_domain_result *results,
                          size_t count)
{
    static const struct statement store = {
        "WITH input AS (SELECT * FROM json_to_recordset($1::json)"
        "  AS x(organization_id text, domain text, claims bigint, token text, next_s bigint, records json)),"
        " held AS (UPDATE mail_domain m SET check_started_at = NULL, check_operation_id = NULL,"
        "  last_checked_at = now(), check_attempts = m.check_attempts + 1,"
        "  next_check_at = CASE WHEN m.wanted_operation_id IS NOT NULL THEN now()"
        "   WHEN m.ownership_status <> 'FAILED' THEN now() + make_interval(secs => i.next_s) END"
        "  FROM input i WHERE m.organization_id = i.organization_id AND m.domain = i.domain"
        "  AND m.check_claims = i.claims AND m.ownership_token = i.token RETURNING m.organization_id, m.domain, i.records)"
        " INSERT INTO mail_domain_record AS r (organization_id, domain, purpose, name, type, value, status, code, help,"
        "  observed, checked_at)"
        " SELECT h.organization_id, h.domain, s.purpose, s.name, s.type, s.value, s.status, s.code, s.help,"
        "  s.observed, now() FROM held h CROSS JOIN json_to_recordset(h.records) AS s(purpose text, name text,"
        "  type text, value text, status text, code text, help text, observed json)"
        " ON CONFLICT (organization_id, domain, purpose, name) DO UPDATE SET type = excluded.type,"
        "  value = excluded.value, status = excluded.status, code = excluded.code, help = excluded.help,"
        "  observed = excluded.observed, checked_at = excluded.checked_at",
        1};
    struct buffer json = {.arena = arena};
    out_begin_array(&json);
    for (size_t i = 0; i < count; i++)
        put_result(&json, &results[i]);
    out_end_array(&json);
    DB_QUEUE(db, &store, buffer_string(&json));
}

bool mail_domain_result_is_plain(const struct mail_domain_result *result)
{
    const struct mail_domain_claim *claim = result->claim;
    if (claim->operation_id != NULL || claim->is_overdue)
        return false;
    if (result->proof == DOMAIN_PROOF_UNKNOWN)
        return true;
    bool is_proven = result->proof == DOMAIN_PROVEN;
    return claim->is_verified ? claim->is_lost == !is_proven : !is_proven && !claim->is_expired;
}

struct storing {
    struct mail_domain_result *result;
    const struct mail_domain_result *plain;
    size_t count;
};

static enum code plain_body(struct db *db, struct change *change, void *argument)
{
    const struct storing *storing = argument;
    queue_results(db, change->arena, storing->plain, storing->count);
    return CODE_OK;
}

enum code mail_domain_store_plain(struct db *db, struct change *change,
                                  const struct mail_domain_result *results, size_t count)
{
    struct storing storing = {.plain = results, .count = count};
    return tx_run(db, change, plain_body, &storing);
}

/* The records say what the domain is: the proof of one that has failed is FAILED. */
static void settle_ownership(const struct mail_domain_result *result, enum domain_status status)
{
    for (size_t i = 0; i < result->count; i++)
        if (result->records[i].purpose == DOMAIN_OWNERSHIP)
            result->findings[i].status = status;
}

/* Whether this claim still holds the domain, which is locked. */
static enum code fence(struct db *db, struct problem *problem, const struct mail_domain_claim *claim,
                       bool *ret_held)
{
    static const struct statement find = {
        "SELECT FROM mail_domain WHERE organization_id = $1 AND domain = $2 AND check_claims = $3"
        " AND ownership_token = $4",
        4};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &find, claim->organization_id, claim->facts.domain,
                            claim->claims, claim->facts.ownership_token);
    *ret_held = code == CODE_OK && PQntuples(result) == 1;
    return code;
}

static enum code prove(struct db *db, struct change *change, const struct mail_domain_result *result,
                       enum mail_domain_owner *ret_owner)
{
    const struct mail_domain_claim *claim = result->claim;
    bool is_proven = result->proof == DOMAIN_PROVEN;
    enum mail_domain_proof proof = is_proven           ? MAIL_DOMAIN_PROVEN
                                   : claim->is_expired ? MAIL_DOMAIN_EXPIRED
                                                       : MAIL_DOMAIN_NOT_PROVEN;
    enum code code =
        mail_domain_prove(db, change, claim->organization_id, claim->facts.domain, proof, ret_owner);
    if (code == CODE_OK && *ret_owner == MAIL_DOMAIN_VERIFIED_ELSEWHERE && claim->is_expired)
        code = mail_domain_prove(db, change, claim->organization_id, claim->facts.domain, MAIL_DOMAIN_EXPIRED,
                                 ret_owner);
    return code;
}

static enum code store_body(struct db *db, struct change *change, void *argument)
{
    struct mail_domain_result *result = ((struct storing *)argument)->result;
    const struct mail_domain_claim *claim = result->claim;
    bool is_known = result->proof != DOMAIN_PROOF_UNKNOWN;
    bool held = true;
    enum code code = CODE_OK;

    if (is_known) {
        enum mail_domain_owner owner;
        code = prove(db, change, result, &owner);
        if (code == CODE_OK)
            code = fence(db, change->problem, claim, &held);
        if (code == CODE_OK &&
            !held) /* what it found is not to count: another check has begun, or it is gone */
            return problem_set(change->problem, CODE_MAIL_DOMAIN_STATE, "Another check has begun.");
        if (code == CODE_OK && owner == MAIL_DOMAIN_VERIFIED_ELSEWHERE)
            settle_ownership(result, DOMAIN_PENDING);
        else if (code == CODE_OK && owner == MAIL_DOMAIN_NOT_OWNED && claim->is_expired)
            settle_ownership(result, DOMAIN_FAILED);
    }
    if (code != CODE_OK)
        return code;
    queue_results(db, change->arena, result, 1);
    if (is_known && claim->is_verified &&
        (claim->is_overdue || claim->is_lost == (result->proof == DOMAIN_PROVEN)))
        organization_health_queue(db, claim->organization_id);
    operation_update(db, change->arena, claim->operation_id, 0, is_known ? "SUCCEEDED" : "FAILED",
                     is_known ? NULL : "No DNS resolver of this service could be reached.",
                     is_known ? "SUCCEEDED" : "FAILED");
    return CODE_OK;
}

enum code mail_domain_store(struct db *db, struct change *change, struct mail_domain_result *result)
{
    struct storing storing = {.result = result};
    return tx_run(db, change, store_body, &storing);
}
