#include "db/mail_domain.h"

#include <string.h>

#include "db/row.h"

const char *mail_domain_path(struct arena *arena, const char *organization_id, const char *domain)
{
    return arena_printf(arena, "/v1/organizations/%s/domains/%s", organization_id, domain);
}

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
