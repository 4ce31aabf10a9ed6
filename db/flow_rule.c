#include "db/flow_rule.h"

#include <string.h>

#include "db/limit.h"
#include "db/organization.h"
#include "db/row.h"
#include "model/flow_explain.h"
#include "model/id.h"

#define COLUMNS \
    "r.flow_rule_id, r.name, r.sender_patterns, r.action, r.description, r.warnings, r.created_at, r.updated_at"
/* Neither patterns nor warnings hold a newline: lists of them travel as lines. */
#define LINES(column) "array_to_string(" column ", E'\\n')"
#define ARRAY(lines)  "coalesce(string_to_array(nullif(" lines ", ''), E'\\n'), '{}')"

static enum code not_found(struct problem *problem)
{
    return problem_set(problem, CODE_FLOW_RULE_NOT_FOUND,
                       "No email flow rule of this organization has this id.");
}

/* --- lines --- */

static const char *join_lines(struct arena *arena, const char *const *lines)
{
    struct buffer out = {.arena = arena};
    for (size_t i = 0; lines[i] != NULL; i++)
        buffer_printf(&out, "%s%s", i > 0 ? "\n" : "", lines[i]);
    return buffer_string(&out);
}

static const char *const *split_lines(struct arena *arena, const char *text)
{
    size_t count = 1;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == '\n';
    const char **lines = arena_alloc(arena, (count + 1) * sizeof(*lines));
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(text, "\n");
        lines[i] = arena_copy(arena, text, length);
        text += length + 1;
    }
    return lines;
}

/* --- reading --- */

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct flow_rule_query),
    LIST_ORDER_ROW(struct flow_rule_query),
    FIELD_ENUM_ROW(struct flow_rule_query, action, 0, flow_actions),
    FIELD_STRING_ROW(struct flow_rule_query, q, 0, 1, 256),
};
const struct field_table flow_rule_query_table = FIELD_TABLE("list_flow_rules_query", query_fields);

enum code flow_rule_list(struct db *db, const char *account_id, const char *organization_id,
                         struct flow_rule_query *query, struct problem *problem, struct buffer *out,
                         const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &flow_rule_table,
        .columns = COLUMNS,
        .from = "FROM flow_rule r WHERE r.organization_id = $1",
        .fixed = 1,
        .filters =
            {" AND r.action = $?",
             " AND strpos(lower(concat_ws(E'\\n', r.name, r.description, " LINES(
                 "r.sender_patterns") ") COLLATE \"und-x-icu\"), lower($? COLLATE \"und-x-icu\")) > 0"},
        .orders = {{"name", "r.name_folded", "text"}, {"created_at", "r.created_at", "timestamptz"}},
        .default_order = "name",
        .id = "r.flow_rule_id",
        .id_type = "uuid",
    };
    query->page.filters[0] = query->action;
    query->page.filters[1] = query->q;
    return organization_list_parts(db, account_id, organization_id, &list, &query->page, problem, out,
                                   ret_next_token);
}

enum { COLUMN_RULE = ORGANIZATION_SEEN_COLUMNS };
#define OF_ORGANIZATION "SELECT " ORGANIZATION_SEEN
#define JOIN_RULE       " FROM organization o LEFT JOIN flow_rule r ON r.organization_id = o.organization_id"
#define OF_ACCOUNT      " WHERE o.organization_id = $2 AND o.account_id = $1"

void flow_rule_queue(struct db *db, const char *account_id, const char *organization_id,
                     const char *flow_rule_id)
{
    static const struct statement get = {
        OF_ORGANIZATION COLUMNS ", r.version" JOIN_RULE " AND r.flow_rule_id = $3" OF_ACCOUNT, 3};
    DB_QUEUE(db, &get, account_id, organization_id, flow_rule_id);
}

enum code flow_rule_collect(struct db *db, struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = organization_collect_seen(db, problem, &result);
    if (code != CODE_OK)
        return code;
    if (PQgetisnull(result, 0, COLUMN_RULE))
        return not_found(problem);
    answer->etag = tx_etag(problem->arena, PQgetvalue(result, 0, PQfnumber(result, "version")));
    return row_write(result, 0, COLUMN_RULE, &flow_rule_table, &answer->body);
}

/* --- all rules --- */

/* In the order that decides between rules that are alike otherwise. */
static struct flow_source *read_sources(struct arena *arena, const PGresult *result, size_t *ret_count)
{
    int rows = PQntuples(result);
    struct flow_source *sources = arena_alloc(arena, ((size_t)rows + 1) * sizeof(*sources));
    *ret_count = 0;
    for (int row = 0; row < rows; row++) {
        const char *id = row_text(arena, result, row, "flow_rule_id");
        if (id != NULL) /* NULL: the organization has none */
            sources[(*ret_count)++] = (struct flow_source){
                .flow_rule_id = id,
                .name = row_text(arena, result, row, "name"),
                .action = flow_action_of(row_text(arena, result, row, "action")),
                .patterns = split_lines(arena, row_text(arena, result, row, "patterns")),
            };
    }
    return sources;
}

#define SOURCE_COLUMNS "r.flow_rule_id, r.name, r.action, " LINES("r.sender_patterns") " AS patterns"
#define IN_ORDER       " ORDER BY r.name_folded"

void flow_rule_queue_matcher(struct db *db, const char *account_id, const char *organization_id)
{
    static const struct statement read = {OF_ORGANIZATION SOURCE_COLUMNS JOIN_RULE OF_ACCOUNT IN_ORDER, 2};
    DB_QUEUE(db, &read, account_id, organization_id);
}

enum code flow_rule_collect_matcher(struct db *db, struct problem *problem, struct flow_matcher **ret_matcher)
{
    DB_RESULT result = NULL;
    size_t count;
    enum code code = organization_collect_seen(db, problem, &result);
    if (code != CODE_OK)
        return code;
    const struct flow_source *sources = read_sources(problem->arena, result, &count);
    *ret_matcher = flow_matcher_new(sources, count);
    return CODE_OK;
}

/* --- changing --- */

struct work {
    const char *organization_id;
    const char *flow_rule_id;
    const struct flow_rule *rule; /* new, or a patch */
    uint64_t set;
};

/* After the organization: who comes here is alone with its rules. */
static enum code begin(struct db *db, struct change *change, const struct work *work)
{
    static const struct statement lock = {"SELECT pg_advisory_xact_lock(hashtextextended($1, 7267))", 1};
    struct organization_row organization;
    organization_queue(db, change->account_id, work->organization_id, ORGANIZATION_SHARE);
    db_queue_silently(db, &lock, &work->organization_id, 1);
    enum code code = organization_collect(db, change->arena, change->problem, &organization);
    if (code == CODE_OK)
        code = organization_need_serving(&organization, change->problem);
    return code;
}

/* Those of others, too: what they are told about this rule may be another. The version of the rule itself is one of this
 * change already. */
static enum code refresh_warnings(struct db *db, struct change *change, const struct work *work)
{
    static const struct statement read = {"SELECT " SOURCE_COLUMNS
                                          ", " LINES("r.warnings") " AS warnings FROM flow_rule r"
                                                                   " WHERE r.organization_id = $1" IN_ORDER,
                                          1};
    static const struct statement update = {
        "UPDATE flow_rule SET warnings = " ARRAY(
            "$3::text") ", version = version + (flow_rule_id <> $4)::int"
                        " WHERE organization_id = $1 AND flow_rule_id = $2",
        4};
    DB_RESULT result = NULL;
    size_t count;
    enum code code = DB_RUN(db, change->problem, &result, &read, work->organization_id);
    if (code != CODE_OK)
        return code;
    const struct flow_source *sources = read_sources(change->arena, result, &count);
    struct flow_matcher *matcher = flow_matcher_new(sources, count);
    const char *const *warnings = flow_warnings(change->arena, matcher, sources, count);
    flow_matcher_free(matcher);
    for (size_t i = 0; i < count; i++)
        if (strcmp(warnings[i], PQgetvalue(result, (int)i, PQfnumber(result, "warnings"))) != 0)
            DB_QUEUE(db, &update, work->organization_id, sources[i].flow_rule_id, warnings[i],
                     work->flow_rule_id);
    db_note_flow_rules(db, work->organization_id);
    return CODE_OK;
}

/* Once it is written: what it comes to. */
static enum code finish(struct db *db, struct change *change, const struct work *work)
{
    limit_queue_sender_patterns(db, change->account_id, work->organization_id, work->flow_rule_id);
    enum code code = db_collect(db, change->problem, NULL); /* of the statement that wrote it */
    if (code == CODE_OK)
        code = limit_collect(db, LIMIT_SENDER_PATTERNS_PER_RULE, change->problem);
    if (code == CODE_OK)
        code = limit_collect(db, LIMIT_SENDER_PATTERNS_PER_ORGANIZATION, change->problem);
    if (code == CODE_OK)
        code = refresh_warnings(db, change, work);
    if (code == CODE_OK)
        code = db_finish(db, change->problem);
    if (code != CODE_OK)
        return code;
    flow_rule_queue(db, change->account_id, work->organization_id, work->flow_rule_id);
    return flow_rule_collect(db, change->problem, &change->answer);
}

static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "INSERT INTO flow_rule (organization_id, flow_rule_id, name, sender_patterns, action, description)"
        " VALUES ($1, $2, $3, " ARRAY("$4::text") ", $5, $6)",
        6};
    const struct work *work = argument;
    const struct flow_rule *rule = work->rule;
    enum code code = begin(db, change, work);
    if (code != CODE_OK)
        return code;
    DB_QUEUE(db, &insert, work->organization_id, work->flow_rule_id, rule->name,
             join_lines(change->arena, rule->sender_patterns), rule->action, rule->description);
    change->answer.location = arena_printf(change->arena, "/v1/organizations/%s/flow-rules/%s",
                                           work->organization_id, work->flow_rule_id);
    return finish(db, change, work);
}

enum code flow_rule_create(struct db *db, struct change *change, const char *organization_id,
                           const struct flow_rule *rule)
{
    struct work work = {
        .organization_id = organization_id, .flow_rule_id = id_new_uuid(change->arena), .rule = rule};
    return tx_run(db, change, create_body, &work);
}

/* The rule as it is, with its patterns as lines. */
static enum code see(struct db *db, struct change *change, const struct work *work, PGresult **ret_result)
{
    static const struct statement read = {
        "SELECT " COLUMNS ", r.version, " LINES("r.sender_patterns") " AS patterns FROM flow_rule r"
                                                                     " WHERE r.organization_id = $1"
                                                                     " AND r.flow_rule_id = $2",
        2};
    enum code code =
        DB_RUN(db, change->problem, ret_result, &read, work->organization_id, work->flow_rule_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(*ret_result) == 0)
        return not_found(change->problem);
    code = tx_before(change, *ret_result, &flow_rule_table);
    return code == CODE_OK ? tx_match(change, row_text(change->arena, *ret_result, 0, "version")) : code;
}

static enum code update_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement update = {
        "UPDATE flow_rule SET name = $3, sender_patterns = " ARRAY(
            "$4::text") ", action = $5, description = $6,"
                        " version = version + 1, updated_at = now()"
                        " WHERE organization_id = $1 AND flow_rule_id = $2",
        6};
    const struct work *work = argument;
    DB_RESULT before = NULL;
    enum code code = begin(db, change, work);
    if (code == CODE_OK)
        code = see(db, change, work, &before);
    if (code != CODE_OK)
        return code;
    struct flow_rule rule = {
        .name = row_text(change->arena, before, 0, "name"),
        .sender_patterns = split_lines(change->arena, row_text(change->arena, before, 0, "patterns")),
        .action = row_text(change->arena, before, 0, "action"),
        .description = row_text(change->arena, before, 0, "description"),
    };
    field_merge(&flow_rule_table, work->set, work->rule, &rule);
    DB_QUEUE(db, &update, work->organization_id, work->flow_rule_id, rule.name,
             join_lines(change->arena, rule.sender_patterns), rule.action, rule.description);
    return finish(db, change, work);
}

enum code flow_rule_update(struct db *db, struct change *change, const char *organization_id,
                           const char *flow_rule_id, const struct flow_rule *patch, uint64_t set)
{
    struct work work = {organization_id, flow_rule_id, patch, set};
    return tx_run(db, change, update_body, &work);
}

static enum code delete_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement delete = {
        "DELETE FROM flow_rule WHERE organization_id = $1 AND flow_rule_id = $2", 2};
    const struct work *work = argument;
    DB_RESULT before = NULL;
    enum code code = begin(db, change, work);
    if (code == CODE_OK)
        code = see(db, change, work, &before);
    if (code == CODE_OK)
        code = DB_RUN(db, change->problem, NULL, &delete, work->organization_id, work->flow_rule_id);
    return code == CODE_OK ? refresh_warnings(db, change, work) : code;
}

enum code flow_rule_delete(struct db *db, struct change *change, const char *organization_id,
                           const char *flow_rule_id)
{
    struct work work = {.organization_id = organization_id, .flow_rule_id = flow_rule_id};
    return tx_run(db, change, delete_body, &work);
}
