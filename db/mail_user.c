#include "db/mail_user.h"

#include <string.h>

#include "db/row.h"
#include "model/email.h"

#define COLUMNS                                                                                 \
    "SELECT o.account_id, o.organization_id, o.region, e.entity_id AS user_id, e.display_name," \
    " a.email, d.password_hash"
/* Who may use mail: an own, enabled user of an organization that serves. */
#define JOINS                                                                                             \
    " JOIN account c ON c.account_id = o.account_id AND c.status = 'ACTIVE'"                              \
    " JOIN entity e ON e.organization_id = o.organization_id AND e.kind = 'USER' AND e.state = 'ENABLED'" \
    " JOIN user_detail d ON d.organization_id = e.organization_id AND d.entity_id = e.entity_id"          \
    " AND d.type = 'USER'"                                                                                \
    " JOIN email_address a ON a.organization_id = e.organization_id AND a.entity_id = e.entity_id AND a.is_primary"

static void queue_by_address(struct db *db, const char *email)
{
    static const struct statement find = {
        COLUMNS " FROM address_registry r JOIN organization o ON o.organization_id = r.organization_id" JOINS
                " WHERE r.email = $1 AND e.entity_id = r.entity_id AND a.email = r.email AND o.is_serving",
        1};
    DB_QUEUE(db, &find, email);
}

static void queue_by_name(struct db *db, const char *test_domain, const char *name)
{
    static const struct statement find = {
        COLUMNS " FROM verified_domain v JOIN organization o ON o.organization_id = v.organization_id" JOINS
                " WHERE v.domain = $1 AND o.test_domain = v.domain AND o.is_serving"
                " AND e.name_folded = lower($2 COLLATE \"und-x-icu\")",
        2};
    DB_QUEUE(db, &find, test_domain, name);
}

static void queue_login(struct db *db, struct arena *arena, const char *login)
{
    const char *backslash = strchr(login, '\\');
    const char *domain = "";
    const char *detail;
    struct email email = {.address = ""};
    if (backslash != NULL) {
        if (!email_domain_parse(arena, arena_copy(arena, login, (size_t)(backslash - login)), &domain,
                                &detail))
            domain = "";
        queue_by_name(db, domain, backslash + 1);
        return;
    }
    if (strchr(login, '@') == NULL || !email_parse(arena, login, "", &email, &detail))
        email.address = "";
    queue_by_address(db, email.address);
}

enum code mail_user_find(struct db *db, const char *login, struct problem *problem,
                         struct mail_user *ret_user, bool *ret_found)
{
    struct arena *arena = problem->arena;
    DB_RESULT result = NULL;
    queue_login(db, arena, login);
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    *ret_found = PQntuples(result) == 1;
    if (*ret_found)
        *ret_user = (struct mail_user){
            .account_id = row_text(arena, result, 0, "account_id"),
            .organization_id = row_text(arena, result, 0, "organization_id"),
            .user_id = row_text(arena, result, 0, "user_id"),
            .display_name = row_text(arena, result, 0, "display_name"),
            .email = row_text(arena, result, 0, "email"),
            .region = row_text(arena, result, 0, "region"),
            .password_hash = row_text(arena, result, 0, "password_hash"),
        };
    return CODE_OK;
}

enum code mail_user_has_address(struct db *db, const struct mail_user *user, const char *email,
                                struct problem *problem, bool *ret_has)
{
    static const struct statement find = {
        "SELECT FROM email_address WHERE organization_id = $1 AND entity_id = $2 AND email = $3", 3};
    struct email parsed;
    const char *detail;
    DB_RESULT result = NULL;
    *ret_has = false;
    if (strchr(email, '@') == NULL || !email_parse(problem->arena, email, "", &parsed, &detail))
        return CODE_OK;
    enum code code =
        DB_RUN(db, problem, &result, &find, user->organization_id, user->user_id, parsed.address);
    if (code == CODE_OK)
        *ret_has = PQntuples(result) == 1;
    return code;
}

enum code mail_domain_find_region(struct db *db, const char *domain, struct problem *problem,
                                  const char **ret_region)
{
    static const struct statement find = {
        "SELECT o.region FROM verified_domain v JOIN organization o ON o.organization_id = v.organization_id"
        " WHERE v.domain = $1 AND o.is_serving",
        1};
    const char *parsed;
    const char *detail;
    DB_RESULT result = NULL;
    *ret_region = NULL;
    if (!email_domain_parse(problem->arena, domain, &parsed, &detail))
        return CODE_OK;
    enum code code = DB_RUN(db, problem, &result, &find, parsed);
    if (code == CODE_OK && PQntuples(result) == 1)
        *ret_region = row_text(problem->arena, result, 0, "region");
    return code;
}
