/* Not a test itself: says what a look at the DNS found of a domain's ownership, as the worker does, for
 * tests/api/test_domain_ownership.py.
 *
 *   domain_tool CONNINFO
 *
 * Reads lines `ACCOUNT ORGANIZATION DOMAIN PROOF`, where the proof is proven, not_proven or expired, and answers each with
 * a line: owned, not_owned, verified_elsewhere or gone; or the name of a code. */
#include <stdio.h>
#include <string.h>

#include "db/mail_domain_proof.h"

struct look {
    const char *organization_id;
    const char *domain;
    enum mail_domain_proof proof;
    enum mail_domain_owner owner;
};

static enum code body(struct db *db, struct change *change, void *argument)
{
    struct look *look = argument;
    return mail_domain_prove(db, change, look->organization_id, look->domain, look->proof, &look->owner);
}

static void answer(struct db *db, const char *account_id, struct look *look)
{
    static const char *const owners[] = {"owned", "not_owned", "verified_elsewhere", "gone"};
    struct problem problem = {.arena = arena_new()};
    struct change change = {
        .arena = problem.arena,
        .problem = &problem,
        .account_id = account_id,
        .actor = "service",
        .asked = {.action = "service:CheckMailDomain"},
    };
    enum code code = tx_run(db, &change, body, look);
    printf("%s\n", code == CODE_OK ? owners[look->owner] : code_name(code));
    fflush(stdout);
    arena_free(problem.arena);
}

int main(int argc, char **argv)
{
    static const struct settings settings = {.service_domain = "postreeve.test"};
    char account_id[16], organization_id[64], domain[256], proof[16];
    if (argc != 2)
        return 2;
    const struct db_environment environment = {.conninfo = argv[1], .settings = &settings};
    struct db *db = db_new(&environment, 5000);
    while (scanf("%15s %63s %255s %15s", account_id, organization_id, domain, proof) == 4) {
        struct look look = {organization_id, domain,
                            strcmp(proof, "proven") == 0    ? MAIL_DOMAIN_PROVEN
                            : strcmp(proof, "expired") == 0 ? MAIL_DOMAIN_EXPIRED
                                                            : MAIL_DOMAIN_NOT_PROVEN,
                            MAIL_DOMAIN_GONE};
        answer(db, account_id, &look);
    }
    db_free(db);
    return 0;
}
