#include "db/mail_domain.h"

#include <string.h>

#include "db/row.h"
#include "model/json_out.h"

/* The rows of mail_domain_table. */
#define COLUMNS(records, advice)                                                                     \
    "m.domain, coalesce(m.unicode_name, m.domain) AS unicode_name, m.domain = o.default_domain AS"   \
    " is_default, m.is_test_domain, m.allow_subdomains, m.ownership_status,"                         \
    " CASE WHEN NOT m.is_test_domain THEN (SELECT"                                                   \
    "  CASE WHEN count(*) FILTER (WHERE r.status = 'VERIFIED') = cardinality(m.dkim_selectors) THEN" \
    "   'VERIFIED' WHEN count(*) FILTER (WHERE r.status = 'INCONSISTENT') > 0 THEN 'FAILED'"         \
    "   ELSE 'PENDING' END FROM mail_domain_record r WHERE r.organization_id = m.organization_id"    \
    "   AND r.domain = m.domain AND r.purpose = 'DKIM') END AS dkim_status,"                         \
    " m.verified_at, m.proof_lost_at, m.last_checked_at,"                                            \
    " CASE WHEN m.check_started_at IS NULL THEN m.next_check_at END AS next_check_at," records       \
    " AS records," advice " AS advice, m.created_at, m.updated_at"
#define NO_JSON " NULL::json"
/* Addresses that every domain should have (RFC 2142). */
#define ADVICE                                                                                              \
    " (SELECT coalesce(json_agg(json_build_object('code', 'address_missing', 'address', w.email, 'detail'," \
    "   'People expect ' || w.email || ' to reach somebody: make it an alias of a user or a group.')"       \
    "   ORDER BY w.email), '[]') FROM (SELECT l || '@' || m.domain AS email"                                \
    "   FROM unnest(ARRAY['abuse', 'postmaster']) AS l WHERE NOT m.is_test_domain) w"                       \
    "  WHERE NOT EXISTS (SELECT FROM address_registry a WHERE a.email = w.email"                            \
    "   AND a.organization_id = m.organization_id))"

enum code mail_domain_not_found(struct problem *problem)
{
    return problem_set(problem, CODE_MAIL_DOMAIN_NOT_FOUND, "The organization has no such domain.");
}

const char *mail_domain_path(struct arena *arena, const char *organization_id, const char *domain)
{
    return arena_printf(arena, "/v1/organizations/%s/domains/%s", organization_id, domain);
}

/* --- what is above --- */

/* All domains that it is below, as an array literal: those of one label are nobody's. */
static const char *above(struct arena *arena, const char *domain)
{
    struct buffer list = {.arena = arena};
    buffer_text(&list, "{");
    for (const char *dot = strchr(domain, '.'); dot != NULL && strchr(dot + 1, '.') != NULL;
         dot = strchr(dot + 1, '.'))
        buffer_printf(&list, "%s%s", list.length > 1 ? "," : "", dot + 1);
    buffer_text(&list, "}");
    return buffer_string(&list);
}

enum code mail_domain_find_above(struct db *db, struct problem *problem, const char *organization_id,
                                 const char *domain, const char **ret_above)
{
    static const struct statement find = {
        "SELECT v.domain, v.organization_id = $1 OR m.allow_subdomains AS is_free FROM verified_domain v"
        " JOIN mail_domain m ON m.organization_id = v.organization_id AND m.domain = v.domain"
        " WHERE v.domain = ANY ($2::text[]) ORDER BY length(v.domain) DESC LIMIT 1",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &find, organization_id, above(problem->arena, domain));
    if (code == CODE_OK)
        *ret_above = PQntuples(result) == 0 || row_flag(result, 0, "is_free")
                         ? NULL
                         : row_text(problem->arena, result, 0, "domain");
    return code;
}

/* --- what is expected, and what was seen of it --- */

struct known {
    struct mail_domain_facts facts;
    struct domain_record records[MAIL_DOMAIN_RECORDS];
    int count; /* of records: those of a test domain the operator publishes */
    const char *ownership_status;
    const char *owner_code; /* why it cannot be the organization's; NULL: it can */
    const char *owner_help;
    PGresult *seen;
};

static void read_facts(struct arena *arena, const PGresult *result, const char *domain, struct known *known)
{
    known->ownership_status = row_text(arena, result, 0, "ownership_status");
    known->count = row_flag(result, 0, "is_test_domain") ? 0 : MAIL_DOMAIN_RECORDS;
    known->facts = (struct mail_domain_facts){
        .domain = domain,
        .region = row_text(arena, result, 0, "region"),
        .ownership_token = row_text(arena, result, 0, "ownership_token"),
        .dkim_selectors = {row_text(arena, result, 0, "selector_1"), row_text(arena, result, 0, "selector_2"),
                           row_text(arena, result, 0, "selector_3")},
        .is_interoperable = row_flag(result, 0, "interoperability_enabled"),
    };
}

static enum code find_owner(struct db *db, struct problem *problem, const char *organization_id,
                            bool is_elsewhere, struct known *known)
{
    const char *parent = NULL;
    if (is_elsewhere) {
        known->owner_code = "verified_elsewhere";
        known->owner_help =
            "Another organization of this service has proved that the domain is its own. It must "
            "give it up before it can be verified here.";
        return CODE_OK;
    }
    if (strcmp(known->ownership_status, "VERIFIED") == 0)
        return CODE_OK;
    enum code code = mail_domain_find_above(db, problem, organization_id, known->facts.domain, &parent);
    if (code == CODE_OK && parent != NULL) {
        known->owner_code = "subdomain_not_allowed";
        known->owner_help =
            arena_printf(problem->arena,
                         "%s is a verified domain of another organization, which must allow subdomains "
                         "before this one can be verified here.",
                         parent);
    }
    return code;
}

static enum code find(struct db *db, const char *account_id, const char *organization_id, const char *domain,
                      struct problem *problem, struct known *ret_known)
{
    static const struct statement get_facts = {
        "SELECT " ORGANIZATION_SEEN "o.region, o.interoperability_enabled, m.domain, m.is_test_domain,"
        " m.ownership_status, m.ownership_token, m.dkim_selectors[1] AS selector_1, m.dkim_selectors[2] AS selector_2,"
        " m.dkim_selectors[3] AS selector_3, EXISTS (SELECT FROM verified_domain v WHERE v.domain = $3"
        "  AND v.organization_id <> $2) AS is_elsewhere"
        " FROM organization o LEFT JOIN mail_domain m ON m.organization_id = o.organization_id AND m.domain = $3"
        " WHERE o.organization_id = $2 AND o.account_id = $1",
        3};
    static const struct statement get_seen = {
        "SELECT purpose, name, value, status, code, help, observed,"
        " to_char(checked_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS checked_at"
        " FROM mail_domain_record WHERE organization_id = $1 AND domain = $2",
        2};
    DB_RESULT result = NULL;
    *ret_known = (struct known){0};
    DB_QUEUE(db, &get_facts, account_id, organization_id, domain);
    DB_QUEUE(db, &get_seen, organization_id, domain);
    enum code code = organization_collect_seen(db, problem, &result);
    if (code == CODE_OK && PQgetisnull(result, 0, PQfnumber(result, "domain")))
        return mail_domain_not_found(problem);
    if (code == CODE_OK)
        code = db_collect(db, problem, &ret_known->seen);
    if (code != CODE_OK)
        return code;
    read_facts(problem->arena, result, domain, ret_known);
    mail_domain_expect(problem->arena, db_settings(db), &ret_known->facts, ret_known->records);
    return find_owner(db, problem, organization_id, row_flag(result, 0, "is_elsewhere"), ret_known);
}

/* The row of what was seen; -1: not looked at, or when something else was expected. */
static int seen_of(const struct known *known, const struct domain_record *record)
{
    const PGresult *seen = known->seen;
    for (int row = 0; row < PQntuples(seen); row++)
        if (strcmp(PQgetvalue(seen, row, 0), domain_purposes[record->purpose]) == 0 &&
            strcmp(PQgetvalue(seen, row, 1), record->name) == 0)
            return strcmp(PQgetvalue(seen, row, 2), record->value) == 0 ? row : -1;
    return -1;
}

/* What is said of a record that nobody looked at, and of the proof: when its time is over that is so at once. */
static const char *status_of(const struct known *known, const struct domain_record *record, const char *seen)
{
    bool is_ownership = record->purpose == DOMAIN_OWNERSHIP;
    if (is_ownership && known->owner_code != NULL)
        return domain_statuses[DOMAIN_FAILED];
    if (is_ownership && (seen == NULL || strcmp(known->ownership_status, "FAILED") == 0))
        return known->ownership_status;
    if (!mail_domain_expects(&known->facts, record->purpose))
        return domain_statuses[DOMAIN_NOT_EXPECTED];
    return seen != NULL ? seen : domain_statuses[DOMAIN_PENDING];
}

static void write_record(struct arena *arena, const struct known *known, const struct domain_record *record,
                         struct buffer *out)
{
    const PGresult *seen = known->seen;
    int row = seen_of(known, record);
    bool is_refused = record->purpose == DOMAIN_OWNERSHIP && known->owner_code != NULL;

    out_begin_object(out);
    out_member(out, "purpose", domain_purposes[record->purpose]);
    out_member(out, "type", record->type);
    out_member(out, "name", record->name);
    out_member(out, "value", record->value);
    out_member_integer(out, "ttl", record->ttl);
    out_member(out, "status", status_of(known, record, row < 0 ? NULL : PQgetvalue(seen, row, 3)));
    if (is_refused) {
        out_member(out, "code", known->owner_code);
        out_member(out, "help", known->owner_help);
    } else if (row >= 0) {
        out_member(out, "code", row_text(arena, seen, row, "code"));
        out_member(out, "help", row_text(arena, seen, row, "help"));
    }
    out_name(out, "observed");
    if (row >= 0)
        out_raw(out, PQgetvalue(seen, row, 6), strlen(PQgetvalue(seen, row, 6)));
    else
        out_raw(out, "[]", 2);
    if (row >= 0)
        out_member(out, "checked_at", PQgetvalue(seen, row, 7));
    out_end_object(out);
}

enum code mail_domain_describe(struct db *db, const char *account_id, const char *organization_id,
                               const char *domain, struct problem *problem, struct answer *answer)
{
    static const struct statement get = {
        "SELECT " COLUMNS(" $3::json", ADVICE) ", m.version FROM mail_domain m"
                                               " JOIN organization o ON o.organization_id = m.organization_id"
                                               " WHERE m.organization_id = $1 AND m.domain = $2",
        3};
    struct known known;
    struct buffer records = {.arena = problem->arena};
    DB_RESULT result = NULL;

    enum code code = find(db, account_id, organization_id, domain, problem, &known);
    out_begin_array(&records);
    for (int i = 0; code == CODE_OK && i < known.count; i++)
        write_record(problem->arena, &known, &known.records[i], &records);
    out_end_array(&records);
    db_clear_result(&known.seen);
    if (code == CODE_OK)
        code = DB_RUN(db, problem, &result, &get, organization_id, domain, buffer_string(&records));
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0) /* removed between the two */
        return mail_domain_not_found(problem);
    code = row_write(result, 0, 0, &mail_domain_table, &answer->body);
    answer->etag =
        tx_etag_observed(problem->arena, row_text(problem->arena, result, 0, "version"), &answer->body);
    return code;
}

enum code mail_domain_zone_file(struct db *db, const char *account_id, const char *organization_id,
                                const char *domain, struct problem *problem, struct answer *answer)
{
    struct known known;
    enum code code = find(db, account_id, organization_id, domain, problem, &known);
    db_clear_result(&known.seen);
    if (code != CODE_OK)
        return code;
    if (known.count == 0)
        buffer_printf(&answer->body,
                      "; %s is the service's own: there is nothing for the organization to publish.\n",
                      domain);
    else
        mail_domain_write_zone(&known.facts, known.records, &answer->body);
    return CODE_OK;
}

/* --- lists --- */

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct mail_domain_query),
    LIST_ORDER_ROW(struct mail_domain_query),
    FIELD_ENUM_ROW(struct mail_domain_query, ownership_status, 0, mail_domain_ownership_statuses),
    FIELD_STRING_ROW(struct mail_domain_query, prefix, 0, 1, 253),
};
const struct field_table mail_domain_query_table = FIELD_TABLE("list_mail_domains_query", query_fields);

enum code mail_domain_list(struct db *db, const char *account_id, const char *organization_id,
                           struct mail_domain_query *query, struct problem *problem, struct buffer *out,
                           const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &mail_domain_table,
        .columns = COLUMNS(NO_JSON, NO_JSON),
        .from = "FROM mail_domain m JOIN organization o ON o.organization_id = m.organization_id"
                " WHERE m.organization_id = $1",
        .counted = "FROM mail_domain m WHERE m.organization_id = $1",
        .fixed = 1,
        .filters =
            {" AND m.ownership_status = $?",
             " AND EXISTS (SELECT FROM (SELECT lower($?::text COLLATE \"und-x-icu\") COLLATE \"C\" AS prefix) p"
             "  WHERE starts_with(m.domain, prefix) OR starts_with(m.unicode_name, prefix))"},
        .orders = {{"domain", "m.domain", "text"}, {"created_at", "m.created_at", "timestamptz"}},
        .default_order = "domain",
        .id = "m.domain",
        .id_type = "text",
    };
    query->page.filters[0] = query->ownership_status;
    query->page.filters[1] = query->prefix;
    return organization_list_parts(db, account_id, organization_id, &list, &query->page, problem, out,
                                   ret_next_token);
}

/* --- for changes --- */

enum code mail_domain_lock(struct db *db, struct change *change, const char *organization_id,
                           const char *domain, enum organization_lock lock, struct mail_domain_row *ret_row)
{
    static const struct statement lock_row = {
        "SELECT 1 FROM mail_domain WHERE organization_id = $1 AND domain = $2 FOR NO KEY UPDATE", 2};
    static const struct statement see = {
        "SELECT " COLUMNS(NO_JSON, NO_JSON) ", m.version FROM mail_domain m"
                                            " JOIN organization o ON o.organization_id = m.organization_id"
                                            " WHERE m.organization_id = $1 AND m.domain = $2",
        2};
    const char *const parameters[] = {organization_id, domain};
    struct organization_row *organization = &ret_row->organization;
    DB_RESULT result = NULL;

    organization_queue(db, change->account_id, organization_id, lock);
    db_queue_silently(db, &lock_row, parameters, 2);
    db_queue_parameters(db, &see, parameters, 2);
    enum code code = organization_collect(db, change->arena, change->problem, organization);
    if (code == CODE_OK)
        code = organization_need_serving(organization, change->problem);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return mail_domain_not_found(change->problem);
    ret_row->version = row_text(change->arena, result, 0, "version");
    ret_row->ownership_status = row_text(change->arena, result, 0, "ownership_status");
    ret_row->is_test_domain = row_flag(result, 0, "is_test_domain");
    ret_row->is_default = row_flag(result, 0, "is_default");
    change->audit.target = mail_domain_path(change->arena, organization_id, domain);
    code = tx_before(change, result, &mail_domain_table);
    return code == CODE_OK ? tx_match(change, ret_row->version) : code;
}

enum code mail_domain_show(struct db *db, struct change *change, const char *organization_id,
                           const char *domain)
{
    enum code code = db_finish(db, change->problem);
    return code == CODE_OK ? mail_domain_describe(db, change->account_id, organization_id, domain,
                                                  change->problem, &change->answer)
                           : code;
}
