#include "db/availability.h"

#include <string.h>

#include "db/data_key.h"
#include "db/limit.h"
#include "db/row.h"
#include "model/text.h"

/* The rows of availability_configuration_table that answers have, in its order. */
#define COLUMNS                                                                        \
    "a.domain, a.ews_url, a.username, a.last_test_outcome AS \"last_test.outcome\","   \
    " a.last_test_at AS \"last_test.at\", a.last_test_detail AS \"last_test.detail\"," \
    " a.last_test_help AS \"last_test.help\", a.created_at, a.updated_at"
/* Of an organization, whether or not it has the configuration. */
#define FROM                                                                                               \
    " FROM organization o LEFT JOIN availability_configuration a ON a.organization_id = o.organization_id" \
    " AND a.domain = $3 WHERE o.organization_id = $2 AND o.account_id = $1"

enum code availability_not_found(struct problem *problem)
{
    return problem_set(problem, CODE_AVAILABILITY_CONFIGURATION_NOT_FOUND,
                       "The organization has no availability configuration for this domain.");
}

static const char *secret_name(struct arena *arena, const char *domain)
{
    return arena_printf(arena, "availability_configuration\n%s", domain);
}

/* --- reading --- */

enum { COLUMN_VERSION = ORGANIZATION_SEEN_COLUMNS, COLUMN_VIEW };
#define HEAD "SELECT " ORGANIZATION_SEEN "a.version, "

void availability_queue(struct db *db, const char *account_id, const struct availability_key *key)
{
    static const struct statement get = {HEAD COLUMNS FROM, 3};
    DB_QUEUE(db, &get, account_id, key->organization_id, key->domain);
}

enum code availability_collect(struct db *db, struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = organization_collect_seen(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQgetisnull(result, 0, COLUMN_VERSION))
        return availability_not_found(problem);
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, COLUMN_VERSION));
    return row_write(result, 0, COLUMN_VIEW, &availability_configuration_table, &answer->body);
}

static const struct field query_fields[] = {LIST_PAGE_ROWS(struct availability_query)};
const struct field_table availability_query_table =
    FIELD_TABLE("list_availability_configurations_query", query_fields);

enum code availability_list(struct db *db, const char *account_id, const char *organization_id,
                            struct availability_query *query, struct problem *problem, struct buffer *out,
                            const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &availability_configuration_table,
        .columns = COLUMNS,
        .from = "FROM availability_configuration a WHERE a.organization_id = $1",
        .fixed = 1,
        .orders = {{"domain", "a.domain", "text"}},
        .default_order = "domain",
        .id = "a.domain",
        .id_type = "text",
    };
    return organization_list_parts(db, account_id, organization_id, &list, &query->page, problem, out,
                                   ret_next_token);
}

enum code availability_find(struct db *db, const char *account_id, const struct availability_key *key,
                            struct problem *problem, struct availability_row *ret_row)
{
    static const struct statement get = {HEAD "a.ews_url, a.username, a.sealed_password" FROM, 3};
    DB_RESULT result = NULL;
    DB_QUEUE(db, &get, account_id, key->organization_id, key->domain);
    enum code code = organization_collect_seen(db, problem, &result);
    if (code != CODE_OK)
        return code;
    *ret_row = (struct availability_row){
        .is_there = !PQgetisnull(result, 0, COLUMN_VERSION),
        .ews_url = row_text(problem->arena, result, 0, "ews_url"),
        .username = row_text(problem->arena, result, 0, "username"),
        .sealed_password = row_text(problem->arena, result, 0, "sealed_password"),
        .version = row_text(problem->arena, result, 0, "version"),
    };
    return CODE_OK;
}

enum code availability_open_password(struct db *db, const struct availability_key *key,
                                     const struct availability_row *row, struct problem *problem,
                                     const char **ret_password)
{
    size_t size;
    return data_key_open(db, key->organization_id, secret_name(problem->arena, key->domain),
                         row->sealed_password, problem, ret_password, &size);
}

/* --- changing --- */

struct work {
    struct availability_key key;
    const struct availability_configuration *configuration; /* new, or a patch */
    uint64_t set;
    const struct availability_row *seen;
    const struct ews_result *test;
};

static const char *outcome_of(const struct ews_result *test)
{
    return test != NULL ? ews_outcome_names[test->outcome] : NULL;
}

static const char *detail_of(const struct ews_result *test)
{
    return test != NULL ? test->detail : NULL;
}

static const char *help_of(const struct ews_result *test)
{
    return test != NULL ? ews_help(test->outcome) : NULL;
}

static enum code enter(struct db *db, struct change *change, const char *organization_id)
{
    struct organization_row organization;
    organization_queue(db, change->account_id, organization_id, ORGANIZATION_SHARE);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    return code == CODE_OK ? organization_need_serving(&organization, change->problem) : code;
}

/* The guide's prerequisite of interoperability. */
static enum code need_enabled_user(struct db *db, struct change *change, const char *organization_id)
{
    static const struct statement check = {
        "SELECT o.interoperability_enabled AND NOT EXISTS (SELECT FROM entity e WHERE e.organization_id = $1"
        " AND e.kind = 'USER' AND e.state = 'ENABLED') FROM organization o WHERE o.organization_id = $1",
        1};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, change->problem, &result, &check, organization_id);
    if (code == CODE_OK && PQgetvalue(result, 0, 0)[0] == 't')
        return problem_set(
            change->problem, CODE_ORGANIZATION_STATE,
            "The organization works beside Exchange and has no enabled user yet: enable one first.");
    return code;
}

static enum code seal(struct db *db, struct change *change, const struct work *work, const char **ret_sealed)
{
    const char *password = work->configuration->password;
    return data_key_seal(db, work->key.organization_id, secret_name(change->arena, work->key.domain),
                         password, strlen(password), change->problem, ret_sealed);
}

static enum code show(struct db *db, struct change *change, const struct work *work)
{
    availability_queue(db, change->account_id, &work->key);
    return availability_collect(db, change->problem, &change->answer);
}

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "INSERT INTO availability_configuration (organization_id, domain, ews_url, username, sealed_password,"
        " last_test_outcome, last_test_detail, last_test_help, last_test_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $6::text IS NOT NULL THEN now() END)",
        8};
    const struct work *work = argument;
    const struct availability_key *key = &work->key;
    const char *sealed = NULL;

    limit_queue_availability(db, change->account_id, key->organization_id);
    enum code limited = limit_collect(db, LIMIT_AVAILABILITY_CONFIGURATIONS, change->problem);
    if (limited != CODE_OK && limited != CODE_LIMIT_EXCEEDED)
        return limited;
    enum code code = enter(db, change, key->organization_id);
    if (code == CODE_OK)
        code = limited;
    if (code == CODE_OK)
        code = need_enabled_user(db, change, key->organization_id);
    if (code == CODE_OK)
        code = seal(db, change, work, &sealed);
    if (code != CODE_OK)
        return code;
    change->answer.location =
        arena_printf(change->arena, "/v1/organizations/%s/availability-configurations/%s",
                     key->organization_id, key->domain);
    code = DB_RUN(db, change->problem, NULL, &insert, key->organization_id, key->domain,
                  work->configuration->ews_url, work->configuration->username, sealed, outcome_of(work->test),
                  detail_of(work->test), help_of(work->test));
    return code == CODE_OK ? show(db, change, work) : code;
}

enum code availability_create(struct db *db, struct change *change, const char *organization_id,
                              const struct availability_configuration *configuration,
                              const struct ews_result *test)
{
    struct work work = {
        .key = {organization_id, configuration->domain}, .configuration = configuration, .test = test};
    return tx_run(db, change, create_body, &work);
}

/* Sees it as it is, locked. */
static enum code lock(struct db *db, struct change *change, const struct work *work,
                      struct availability_configuration *ret_configuration, const char **ret_version,
                      const char **ret_sealed)
{
    static const struct statement get = {"SELECT " COLUMNS
                                         ", a.version, a.sealed_password FROM availability_configuration a"
                                         " WHERE a.organization_id = $1 AND a.domain = $2 FOR NO KEY UPDATE",
                                         2};
    DB_RESULT result = NULL;
    enum code code = enter(db, change, work->key.organization_id);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, &result, &get, work->key.organization_id, work->key.domain);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return availability_not_found(change->problem);
    row_read(change->arena, result, 0, &availability_configuration_table, ret_configuration);
    *ret_version = row_text(change->arena, result, 0, "version");
    *ret_sealed = row_text(change->arena, result, 0, "sealed_password");
    code = tx_before(change, result, &availability_configuration_table);
    return code == CODE_OK ? tx_match(change, *ret_version) : code;
}

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE availability_configuration SET ews_url = $3, username = $4, sealed_password = $5,"
        " last_test_outcome = $6, last_test_detail = $7, last_test_help = $8,"
        " last_test_at = CASE WHEN $6::text IS NOT NULL THEN now() END, version = version + 1, updated_at = now()"
        " WHERE organization_id = $1 AND domain = $2",
        8};
    const struct work *work = argument;
    struct availability_configuration now = {0};
    const char *version;
    const char *sealed;

    enum code code = lock(db, change, work, &now, &version, &sealed);
    if (code == CODE_OK && strcmp(version, work->seen->version) != 0)
        code = problem_set(
            change->problem, CODE_PRECONDITION_FAILED,
            "It was changed or tested while this change was being tested: read it and decide anew.");
    if (code == CODE_OK && work->configuration->password != NULL)
        code = seal(db, change, work, &sealed);
    if (code != CODE_OK)
        return code;
    field_merge(&availability_configuration_table, work->set, work->configuration, &now);
    code =
        DB_RUN(db, change->problem, NULL, &update, work->key.organization_id, work->key.domain, now.ews_url,
               now.username, sealed, outcome_of(work->test), detail_of(work->test), help_of(work->test));
    return code == CODE_OK ? show(db, change, work) : code;
}

enum code availability_update(struct db *db, struct change *change, const struct availability_key *key,
                              const struct availability_row *seen,
                              const struct availability_configuration *patch, uint64_t set,
                              const struct ews_result *test)
{
    struct work work = {.key = *key, .configuration = patch, .set = set, .seen = seen, .test = test};
    return tx_run(db, change, update_body, &work);
}

static enum code delete_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement remove = {
        "DELETE FROM availability_configuration WHERE organization_id = $1 AND domain = $2", 2};
    const struct work *work = argument;
    struct availability_configuration now = {0};
    const char *version;
    const char *sealed;
    enum code code = lock(db, change, work, &now, &version, &sealed);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, NULL, &remove, work->key.organization_id, work->key.domain);
    return code;
}

enum code availability_delete(struct db *db, struct change *change, const struct availability_key *key)
{
    struct work work = {.key = *key};
    return tx_run(db, change, delete_body, &work);
}

/* --- testing --- */

static enum code note_test_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement note = {
        "WITH noted AS (UPDATE availability_configuration SET last_test_outcome = $4, last_test_at = now(),"
        " last_test_detail = $5, last_test_help = $6, version = version + 1"
        " WHERE organization_id = $1 AND domain = $2 AND version = $3)"
        " SELECT $4::text AS outcome, now() AS at, $5::text AS detail, $6::text AS help",
        6};
    const struct work *work = argument;
    DB_RESULT result = NULL;
    enum code code =
        DB_RUN(db, change->problem, &result, &note, work->key.organization_id, work->key.domain,
               work->seen->version, outcome_of(work->test), detail_of(work->test), help_of(work->test));
    return code == CODE_OK ? row_write(result, 0, 0, &availability_test_table, &change->answer.body) : code;
}

enum code availability_note_test(struct db *db, struct change *change, const struct availability_key *key,
                                 const struct availability_row *seen, const struct ews_result *test)
{
    struct work work = {.key = *key, .seen = seen, .test = test};
    return tx_run(db, change, note_test_body, &work);
}
