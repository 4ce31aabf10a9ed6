#include "db/iam_session.h"

#include "db/iam.h"
#include "db/row.h"
#include "model/id.h"

#define COLUMNS                                                                                              \
    "s.session_id, s.iam_user_id, NULL::text AS csrf_token, s.source_address, s.created_at, s.last_used_at," \
    " s.expires_at"
/* Those that are over count as gone before they are. */
#define ALIVE " s.expires_at > now() AND s.last_used_at > now() - interval '" SESSION_IDLE "'"

enum code iam_find_password(struct db *db, const struct sign_in *sign_in, struct problem *problem,
                            const char **ret_iam_user_id, const char **ret_hash)
{
    static const struct statement find = {
        "SELECT u.iam_user_id, u.password_hash FROM iam_user u JOIN account a ON a.account_id = u.account_id"
        " WHERE u.account_id = $1 AND u.name = $2 AND a.status = 'ACTIVE'",
        2};
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &find, sign_in->account_id, sign_in->name);
    if (code != CODE_OK)
        return code;
    bool found = PQntuples(result) == 1;
    *ret_iam_user_id = found ? row_text(problem->arena, result, 0, "iam_user_id") : NULL;
    *ret_hash = found ? row_text(problem->arena, result, 0, "password_hash") : NULL;
    return CODE_OK;
}

static const struct statement describe = {
    "SELECT " COLUMNS " FROM iam_session s WHERE s.account_id = $1 AND s.session_id = $2 AND" ALIVE, 2};

enum code iam_describe_session(struct db *db, const char *account_id, const char *session_id,
                               struct problem *problem, struct answer *answer)
{
    DB_RESULT result = NULL;
    enum code code = DB_RUN(db, problem, &result, &describe, account_id, session_id);
    if (code != CODE_OK)
        return code;
    if (PQntuples(result) == 0)
        return CODE_SESSION_NOT_FOUND;
    return row_write(result, 0, 0, &session_table, &answer->body);
}

static bool check_user_id(const char *text, const char **ret_detail)
{
    *ret_detail = "An id is a UUID in lower case.";
    return id_is_uuid(text);
}

static const struct field query_fields[] = {
    LIST_PAGE_ROWS(struct session_query),
    {.name = "iam_user_id",
     .kind = FIELD_STRING,
     .min = 36,
     .max = 36,
     .check = check_user_id,
     .offset = FIELD_OFFSET(struct session_query, iam_user_id, const char *)},
};
const struct field_table session_query_table = FIELD_TABLE("list_sessions_query", query_fields);

enum code iam_list_sessions(struct db *db, const char *account_id, void *asked, struct problem *problem,
                            struct buffer *out, const char **ret_next_token)
{
    static const struct list_spec list = {
        .table = &session_table,
        .columns = COLUMNS,
        .from = "FROM iam_session s WHERE s.account_id = $1 AND" ALIVE,
        .fixed = 1,
        .filters = {" AND s.iam_user_id = $?::uuid"},
        .visible = " AND s.iam_user_id = ANY($?::uuid[])",
        .orders = {{"created_at", "s.created_at", "timestamptz"}},
        .default_order = "created_at",
        .id = "s.session_id",
        .id_type = "uuid",
    };
    struct session_query *query = asked;
    query->page.filters[0] = query->iam_user_id;
    return list_run(db, &list, &query->page, &account_id, problem, out, ret_next_token);
}

struct work {
    const struct new_session *session;
    const char *session_id;
    const char *visible;
};

/* The hash is compared again: what was verified may have been replaced meanwhile. Who is replacing it is waited for (a lock of
 * the key alone would pass him by): he has ended the sessions that he saw, and would not see this one. */
static enum code create_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement insert = {
        "INSERT INTO iam_session (account_id, session_id, iam_user_id, token_digest, source_address, expires_at)"
        " SELECT u.account_id, $2, u.iam_user_id, decode($4, 'hex'), $5, now() + interval '" SESSION_LIFETIME
        "'"
        " FROM iam_user u WHERE u.account_id = $1 AND u.iam_user_id = $3 AND u.password_hash = $6 FOR SHARE OF u",
        6};
    static const struct statement clean = {
        "DELETE FROM iam_session s WHERE s.account_id = $1 AND s.iam_user_id = $2 AND NOT (" ALIVE ")", 2};
    const struct work *work = argument;
    const struct new_session *session = work->session;
    change->audit.target = arena_printf(change->arena, "/v1/sessions/%s", work->session_id);
    DB_QUEUE(db, &insert, change->account_id, work->session_id, session->iam_user_id, session->token_digest,
             session->source_address, session->password_hash);
    DB_QUEUE(db, &clean, change->account_id, session->iam_user_id);
    enum code code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code = db_collect(db, change->problem, NULL);
    if (code == CODE_OK)
        code =
            iam_describe_session(db, change->account_id, work->session_id, change->problem, &change->answer);
    return code == CODE_SESSION_NOT_FOUND ? CODE_UNAUTHENTICATED : code;
}

enum code iam_create_session(struct db *db, struct change *change, const struct new_session *session)
{
    struct work work = {.session = session, .session_id = id_new_uuid(change->arena)};
    return tx_run(db, change, create_body, &work);
}

static enum code delete_body(struct db *db, struct change *change, void *argument)
{
    static const struct statement delete = {
        "DELETE FROM iam_session s WHERE s.account_id = $1 AND s.session_id = $2"
        " AND ($3::uuid[] IS NULL OR s.iam_user_id = ANY($3::uuid[])) AND" ALIVE " RETURNING " COLUMNS,
        3};
    const struct work *work = argument;
    DB_RESULT result = NULL;
    iam_queue_begin(db, change, NULL);
    enum code code =
        DB_RUN(db, change->problem, &result, &delete, change->account_id, work->session_id, work->visible);
    if (code != CODE_OK)
        return code;
    return PQntuples(result) == 0 ? CODE_SESSION_NOT_FOUND : tx_before(change, result, &session_table);
}

enum code iam_delete_session(struct db *db, struct change *change, const char *visible,
                             const char *session_id)
{
    struct work work = {.session_id = session_id, .visible = visible};
    return tx_run(db, change, delete_body, &work);
}
