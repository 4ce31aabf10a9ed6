#include "db/dkim.h"

#include <string.h>

#include "db/data_key.h"
#include "db/mail_domain.h"
#include "db/row.h"
#include "model/json_out.h"

/* --- the keys of a domain --- */

/* The key of the same algorithm in that state. */
#define JOIN_OTHER(name, state)                                                              \
    " LEFT JOIN dkim_key " name " ON " name ".organization_id = k.organization_id AND " name \
    ".domain = k.domain AND " name ".algorithm = k.algorithm AND " name ".state = '" state "'"

static void queue_view(struct db *db, struct arena *arena, const char *account_id,
                       const char *organization_id, const char *domain)
{
    static const struct statement get = {
        "SELECT k.slot, k.selector, k.algorithm, k.state, k.value, k.published_at, k.active_at, k.retired_at,"
        " CASE k.state WHEN 'PUBLISHED' THEN 'ACTIVE' WHEN 'ACTIVE' THEN 'RETIRED' WHEN 'RETIRED' THEN 'REMOVED' END"
        "  AS next_state,"
        " CASE k.state WHEN 'RETIRED' THEN k.remove_at ELSE greatest(a.retire_at,"
        "  p.published_at + make_interval(secs => $4::bigint)) END AS next_state_at,"
        " o.state AS organization_state, o.is_serving, m.domain, m.is_test_domain, m.ownership_status, (SELECT md5(string_agg("
        "  concat_ws(' ', v.slot, v.state, v.value, v.retire_at, v.remove_at, $4::bigint), ',' ORDER BY v.slot))"
        "  FROM dkim_key v WHERE v.organization_id = m.organization_id AND v.domain = m.domain) AS version"
        " FROM organization o LEFT JOIN mail_domain m ON m.organization_id = o.organization_id AND m.domain = $3"
        " LEFT JOIN dkim_key k ON k.organization_id = m.organization_id AND k.domain = m.domain" JOIN_OTHER(
            "a", "ACTIVE")
            JOIN_OTHER("p",
                       "PUBLISHED") " WHERE o.account_id = $1 AND o.organization_id = $2 ORDER BY k.slot",
        4};
    DB_QUEUE(db, &get, account_id, organization_id, domain,
             row_integer(arena, db_settings(db)->dkim_publication_s));
}

static enum code collect_view(struct db *db, const char *organization_id, struct problem *problem,
                              PGresult **ret_result)
{
    enum code code = db_collect(db, problem, ret_result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(*ret_result) == 0)
        return organization_not_found(problem);
    if (!row_flag(*ret_result, 0, "is_serving"))
        return organization_not_serving(
            organization_id, row_text(problem->arena, *ret_result, 0, "organization_state"), problem);
    if (PQgetisnull(*ret_result, 0, PQfnumber(*ret_result, "domain")))
        return mail_domain_not_found(problem);
    return CODE_OK;
}

static const char *version_of(const PGresult *view)
{
    return PQgetvalue(view, 0, PQfnumber(view, "version"));
}

static enum code write_view(const PGresult *view, struct buffer *out)
{
    enum code code = CODE_OK;
    out_begin_object(out);
    out_member(out, "domain", PQgetvalue(view, 0, PQfnumber(view, "domain")));
    out_name(out, "keys");
    out_begin_array(out);
    if (!PQgetisnull(view, 0, 0))
        code = row_write_all(view, PQntuples(view), &dkim_key_table, out);
    out_end_array(out);
    out_end_object(out);
    return code;
}

static enum code answer_view(struct db *db, const char *organization_id, struct problem *problem,
                             struct answer *answer)
{
    DB_RESULT view = NULL;
    enum code code = collect_view(db, organization_id, problem, &view);
    if (code != CODE_OK)
        return code;
    answer->etag = tx_etag(problem->arena, version_of(view));
    return write_view(view, &answer->body);
}

enum code dkim_get(struct db *db, const char *account_id, const char *organization_id, const char *domain,
                   struct problem *problem, struct answer *answer)
{
    queue_view(db, problem->arena, account_id, organization_id, domain);
    return answer_view(db, organization_id, problem, answer);
}

/* --- changes --- */

struct work {
    const char *organization_id;
    const char *domain;
    const struct dkim_rotation *rotation;
    const char *known_tags;
};

static enum code no_keys(const struct work *work, const PGresult *view, struct problem *problem)
{
    return problem_set(problem, CODE_MAIL_DOMAIN_STATE, "%s %s", work->domain,
                       row_flag(view, 0, "is_test_domain")
                           ? "is a test domain: its mail is not signed."
                           : "has no keys yet: they are being made. Try again in a moment.");
}

/* Locks the organization alone: nobody takes a step with its keys meanwhile. */
static enum code lock(struct db *db, struct change *change, const struct work *work,
                      enum organization_lock how)
{
    struct organization_row organization;
    organization_queue(db, change->account_id, work->organization_id, how);
    return organization_collect(db, change->arena, change->problem, &organization);
}

static enum code see_before(struct db *db, struct change *change, const struct work *work)
{
    DB_RESULT view = NULL;
    queue_view(db, change->arena, change->account_id, work->organization_id, work->domain);
    enum code code = collect_view(db, work->organization_id, change->problem, &view);
    if (code == CODE_OK && PQgetisnull(view, 0, 0))
        code = no_keys(work, view, change->problem);
    if (code == CODE_OK)
        code = tx_match(change, version_of(view));
    if (code != CODE_OK)
        return code;
    change->audit.before = (struct buffer){.arena = change->arena};
    return write_view(view, &change->audit.before);
}

static enum code rotate_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement rotate = {
        "UPDATE dkim_key SET retire_at = least(retire_at, now()), is_compromised = is_compromised OR $4::boolean"
        " WHERE organization_id = $1 AND domain = $2 AND ($3::text IS NULL OR algorithm = $3) AND state = 'ACTIVE'",
        4};
    /* It leaves the zone, and makes room for the key that comes next. */
    static const struct statement remove_retired = {
        "UPDATE dkim_key SET remove_at = least(remove_at, now()), is_compromised = true"
        " WHERE organization_id = $1 AND domain = $2 AND state = 'RETIRED'",
        2};
    const struct work *work = argument;
    enum code code = lock(db, change, work, ORGANIZATION_UPDATE);
    if (code == CODE_OK)
        code = see_before(db, change, work);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &rotate, work->organization_id, work->domain, work->rotation->algorithm,
             row_boolean(work->rotation->compromised));
    if (work->rotation->compromised)
        DB_QUEUE(db, &remove_retired, work->organization_id, work->domain);
    dkim_hurry(db, change->arena, work->organization_id);
    code = db_finish(db, change->problem);
    if (code != CODE_OK)
        return code;
    queue_view(db, change->arena, change->account_id, work->organization_id, work->domain);
    return answer_view(db, work->organization_id, change->problem, &change->answer);
}

enum code dkim_rotate(struct db *db, struct change *change, const char *organization_id, const char *domain,
                      const struct dkim_rotation *rotation)
{
    struct work work = {.organization_id = organization_id, .domain = domain, .rotation = rotation};
    return tx_run(db, change, rotate_body, &work);
}

/* --- private keys --- */

const char *dkim_sealed_row(struct arena *arena, const char *domain, const char *selector, const char *value)
{
    return arena_printf(arena, "dkim_key\n%s\n%s\n%s", domain, selector, value);
}

static enum code write_key(struct db *db, struct change *change, const struct work *work,
                           const PGresult *keys, int row, struct buffer *out)
{
    const char *selector = PQgetvalue(keys, row, PQfnumber(keys, "selector"));
    const char *bound_to = dkim_sealed_row(change->arena, work->domain, selector,
                                           PQgetvalue(keys, row, PQfnumber(keys, "value")));
    const char *plain = NULL;
    size_t size = 0;
    enum code code = data_key_open(db, work->organization_id, bound_to,
                                   PQgetvalue(keys, row, PQfnumber(keys, "sealed_private_key")),
                                   change->problem, &plain, &size);
    if (code != CODE_OK)
        return code;
    const char *pem = dkim_private_pem(plain, size, change->arena);
    if (pem == NULL)
        return CODE_INTERNAL_ERROR;
    out_begin_object(out);
    out_member(out, "selector", selector);
    out_member(out, "algorithm", PQgetvalue(keys, row, PQfnumber(keys, "algorithm")));
    out_member(out, "private_key", pem);
    out_end_object(out);
    return CODE_OK;
}

static enum code write_keys(struct db *db, struct change *change, const struct work *work,
                            const PGresult *keys)
{
    struct buffer *out = &change->answer.body;
    struct buffer *noted = &change->audit.after; /* the answer's body is secret */
    enum code code = CODE_OK;

    *noted = (struct buffer){.arena = change->arena};
    out_begin_object(noted);
    out_name(noted, "selectors");
    out_begin_array(noted);
    out_begin_object(out);
    out_member(out, "domain", work->domain);
    out_name(out, "keys");
    out_begin_array(out);
    for (int row = 0; row < PQntuples(keys) && code == CODE_OK; row++) {
        out_string(noted, PQgetvalue(keys, row, PQfnumber(keys, "selector")));
        code = write_key(db, change, work, keys, row, out);
    }
    out_end_array(out);
    out_end_object(out);
    out_end_array(noted);
    out_end_object(noted);
    return code;
}

static enum code need_keys(const struct work *work, const PGresult *view, struct problem *problem)
{
    const char *status = PQgetvalue(view, 0, PQfnumber(view, "ownership_status"));
    if (PQgetisnull(view, 0, 0))
        return no_keys(work, view, problem);
    if (strcmp(status, "VERIFIED") == 0)
        return CODE_OK;
    return problem_set(problem, CODE_MAIL_DOMAIN_STATE,
                       "%s is %s. Mail is signed for a domain that is VERIFIED.", work->domain, status);
}

static enum code export_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement get = {
        "SELECT k.selector, k.algorithm, k.value, k.sealed_private_key,"
        " md5(string_agg(k.value, ',') OVER (PARTITION BY k.domain)) AS version FROM dkim_key k"
        " WHERE k.organization_id = $1 AND k.domain = $2 AND k.state = 'ACTIVE' ORDER BY k.algorithm DESC",
        2};
    const struct work *work = argument;
    DB_RESULT view = NULL;
    DB_RESULT keys = NULL;
    enum code code = lock(db, change, work, ORGANIZATION_SHARE);
    if (code != CODE_OK)
        return code;
    queue_view(db, change->arena, change->account_id, work->organization_id, work->domain);
    code = collect_view(db, work->organization_id, change->problem, &view);
    if (code == CODE_OK)
        code = need_keys(work, view, change->problem);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &keys, &get, work->organization_id, work->domain);
    if (code != CODE_OK)
        return code;
    if (PQntuples(keys) == 0)
        return CODE_INTERNAL_ERROR;
    change->answer.etag = tx_etag(change->arena, version_of(keys));
    if (work->known_tags == NULL || !tx_names(work->known_tags, change->answer.etag, true))
        return write_keys(db, change, work, keys);
    change->audit.action = NULL;
    return CODE_OK;
}

enum code dkim_export_keys(struct db *db, struct change *change, const char *organization_id,
                           const char *domain, const char *known_tags)
{
    struct work work = {.organization_id = organization_id, .domain = domain, .known_tags = known_tags};
    return tx_run(db, change, export_body, &work);
}
