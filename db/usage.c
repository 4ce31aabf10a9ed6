#include "db/usage.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/account.h"

void usage_queue_begin(struct db *db, const struct entity_key *key)
{
    static const struct statement begin = {
        "INSERT INTO active_period (organization_id, entity_id) VALUES ($1, $2)"
        " ON CONFLICT (organization_id, entity_id) WHERE ended_at IS NULL DO NOTHING",
        2};
    DB_QUEUE(db, &begin, key->organization_id, key->entity_id);
}

void usage_queue_end(struct db *db, const struct entity_key *key)
{
    static const struct statement end = {
        "UPDATE active_period SET ended_at = clock_timestamp()"
        " WHERE organization_id = $1 AND entity_id = $2 AND ended_at IS NULL",
        2};
    DB_QUEUE(db, &end, key->organization_id, key->entity_id);
}

/* --- report --- */

static bool check_month(const char *month, const char **ret_detail)
{
    *ret_detail = "A month is written YYYY-MM.";
    return strlen(month) == 7 && strspn(month, "0123456789") == 4 && month[4] == '-' && month[0] != '0' &&
           ((month[5] == '0' && month[6] >= '1' && month[6] <= '9') ||
            (month[5] == '1' && month[6] >= '0' && month[6] <= '2'));
}

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct usage_query),
    FIELD_STRING_ROW(struct usage_query, month, 0, 7, 7, .check = check_month),
    FIELD_STRING_ROW(struct usage_query, organization_id, 0, 1, 64),
};
const struct field_table usage_query_table = FIELD_TABLE("get_account_usage_query", query_fields);

#define MONTH_END "($2::date + interval '1 month')"

/* Of the periods that touch the month, the first one of a user counts it for the month, the first one that touches a day
 * for that day. On a day there are those who were active when it began, and those who began and had not been active
 * that day before. */
#define FROM                                                                                        \
    "FROM organization o CROSS JOIN LATERAL ("                                                      \
    " WITH period AS (SELECT began_at, ended_at,"                                                   \
    "   lag(ended_at) OVER (PARTITION BY entity_id ORDER BY began_at) AS before FROM active_period" \
    "   WHERE organization_id = o.organization_id AND began_at < " MONTH_END                        \
    "   AND (ended_at IS NULL OR ended_at >= $2::date)),"                                           \
    "  began AS (SELECT began_at::date AS day, count(*) AS all_began,"                              \
    "   count(*) FILTER (WHERE before IS NULL OR before::date < began_at::date) AS newly"           \
    "   FROM period WHERE began_at >= $2::date GROUP BY 1),"                                        \
    "  ended AS (SELECT ended_at::date AS day, count(*) AS all_ended FROM period GROUP BY 1),"      \
    "  daily AS (SELECT d.day::date AS day, coalesce(b.newly, 0)"                                   \
    "    + (SELECT count(*) FROM period WHERE began_at < $2::date)"                                 \
    "    + coalesce(sum(coalesce(b.all_began, 0) - coalesce(e.all_ended, 0)) OVER ("                \
    "       ORDER BY d.day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS active_users"   \
    "   FROM generate_series($2::date, least(" MONTH_END                                            \
    " - interval '1 day', current_date), '1 day') d(day)"                                           \
    "   LEFT JOIN began b ON b.day = d.day LEFT JOIN ended e ON e.day = d.day)"                     \
    " SELECT (SELECT count(*) FILTER (WHERE before IS NULL) FROM period) AS active_users,"          \
    "  (SELECT json_agg(json_build_object('date', day, 'active_users', active_users) ORDER BY day)" \
    "   FROM daily) AS days) u"                                                                     \
    " WHERE o.account_id = $1 AND o.created_at < " MONTH_END                                        \
    " AND (o.deleted_at IS NULL OR o.deleted_at >= $2::date)"

enum code usage_list(struct db *db, const char *account_id, void *asked, struct problem *problem,
                     struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &usage_table,
        .columns =
            "o.organization_id, o.alias, to_char($2::date, 'YYYY-MM') AS month, u.active_users, u.days",
        .from = FROM,
        .fixed = 2,
        .filters = {" AND o.organization_id = $?"},
        .orders = {{"created_at", "o.created_at", "timestamptz"}},
        .default_order = "created_at",
        .id = "o.organization_id",
        .id_type = "text",
    };
    struct usage_query *query = asked;
    char present[8];
    struct tm utc;
    time_t now = time(NULL);

    gmtime_r(&now, &utc);
    strftime(present, sizeof(present), "%Y-%m", &utc);
    const char *month = query->month != NULL ? query->month : present;
    if (strcmp(month, present) > 0) {
        problem_add_parameter(problem, "month", "invalid_value", "This month has not begun yet.");
        return CODE_VALIDATION_FAILED;
    }
    const char *const fixed[] = {account_id, arena_printf(out->arena, "%s-01", month)};
    query->page.filters[0] = query->organization_id;
    return list_run(db, &list, &query->page, fixed, problem, out, ret_next_token);
}
