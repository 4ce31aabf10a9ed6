#include "db/statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/job.h"
#include "model/organization.h"

#define TEXT_OF(number_text)   #number_text
#define DIGITS_OF(number_text) TEXT_OF(number_text)

static int64_t number(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static size_t position_of_state(const char *state)
{
    size_t i = 0;
    while (organization_states[i] != NULL && strcmp(organization_states[i], state) != 0)
        i++;
    return i;
}

static size_t position_of_kind(const char *name)
{
    const struct job_kind *kind = job_kind_find(name);
    return kind != NULL ? (size_t)(kind - job_kinds) : job_kind_count;
}

static void read_directories(const PGresult *result, struct statistics *statistics)
{
    statistics->directory_count = (size_t)PQntuples(result);
    for (size_t i = 0; i < statistics->directory_count; i++) {
        int row = (int)i;
        struct statistics_directory *directory = &statistics->directories[i];
        snprintf(directory->directory_id, sizeof(directory->directory_id), "%s", PQgetvalue(result, row, 0));
        directory->lag_ms = number(result, row, 1);
        directory->age_s = number(result, row, 2);
        directory->users = number(result, row, 3);
        directory->groups = number(result, row, 4);
        directory->changes = number(result, row, 5);
        directory->errors = number(result, row, 6);
        directory->failures = number(result, row, 7);
    }
}

enum code statistics_read(struct db *db, struct problem *problem, struct statistics *ret_statistics)
{
    static const struct statement count_organizations = {
        "SELECT state, count(*) FROM organization GROUP BY state", 0};
    static const struct statement count_due = {
        "SELECT kind, count(*), (extract(epoch FROM clock_timestamp() - min(run_at)) * 1000)::bigint"
        " FROM (SELECT kind, run_at FROM job WHERE state IN ('PENDING', 'RUNNING') AND run_at <= clock_timestamp()"
        "  ORDER BY run_at LIMIT 10000) due GROUP BY kind",
        0};
    static const struct statement directories = {
        "SELECT directory_id, coalesce(sync_lag_ms, 0),"
        " coalesce(greatest(0, extract(epoch FROM clock_timestamp() - last_synced_at))::bigint, -1), sync_users,"
        " sync_groups, sync_changes, (SELECT count(*) FROM directory_error r WHERE r.directory_id = d.directory_id),"
        " sync_failures FROM directory d WHERE sync_due_at IS NOT NULL ORDER BY directory_id"
        " LIMIT " DIGITS_OF(STATISTICS_DIRECTORIES),
        0};
    struct statistics statistics = {0};
    DB_RESULT followed = NULL;
    DB_RESULT organizations = NULL;
    DB_RESULT due = NULL;

    db_queue_parameters(db, &count_organizations, NULL, 0);
    db_queue_parameters(db, &count_due, NULL, 0);
    db_queue_parameters(db, &directories, NULL, 0);
    enum code code = db_collect(db, problem, &organizations);
    if (code == CODE_OK)
        code = db_collect(db, problem, &due);
    if (code == CODE_OK)
        code = db_collect(db, problem, &followed);
    if (code != CODE_OK)
        return code;
    for (int row = 0; row < PQntuples(organizations); row++) {
        size_t at = position_of_state(PQgetvalue(organizations, row, 0));
        if (at < STATISTICS_MAX)
            statistics.organizations[at] += number(organizations, row, 1);
    }
    for (int row = 0; row < PQntuples(due); row++) {
        size_t at = position_of_kind(PQgetvalue(due, row, 0));
        if (at >= STATISTICS_MAX)
            continue;
        statistics.due_jobs[at] += number(due, row, 1);
        if (number(due, row, 2) > statistics.oldest_due_ms[at])
            statistics.oldest_due_ms[at] = number(due, row, 2);
    }
    read_directories(followed, &statistics);
    *ret_statistics = statistics;
    return CODE_OK;
}
