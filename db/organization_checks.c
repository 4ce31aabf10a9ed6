/* THE table of health checks. A row finds what is wrong, says how bad it is, and what to do. */
#include "db/data_key.h"
#include "db/dkim.h"
#include "db/limit.h"
#include "db/organization_health.h"
#include "db/row.h"
#include "db/sealed.h"

#define MAX_ISSUES 20 /* of one check */
#define LIMIT      " LIMIT 21"

struct check {
    const char *code;
    enum health_severity severity;
    const char *help;
    /* $1 is the organization. Each row is an issue: `subject` and `detail`, a sentence. */
    struct statement find;
    /* With a $2: the default of this limit, or how long a domain may lack its proof. */
    enum limit limit;
    bool takes_grace;
    /* Where SQL cannot tell: whether the row is an issue indeed. */
    bool (*is_issue)(struct db *db, struct arena *arena, const PGresult *result, int row);
};

static bool does_not_open(struct db *db, struct arena *arena, const PGresult *result, int row)
{
    size_t size;
    return sealed_open(arena, db_secret_key(db), row_text(arena, result, row, "subject"),
                       row_text(arena, result, row, "sealed"), &size) == NULL;
}

static bool dkim_key_is_lost(struct db *db, struct arena *arena, const PGresult *result, int row)
{
    return !data_key_opens_secret(db, arena, result, row);
}

static bool data_key_is_lost(struct db *db, struct arena *arena, const PGresult *result, int row)
{
    return PQgetisnull(result, row, PQfnumber(result, "wrapped_key")) ||
           !data_key_opens(db, arena, result, row);
}

#define RESTORE                                                                                                \
    "The service never leaves this behind: somebody changed the database by hand, or it was restored in part." \
    " Ask the operator to restore it from a backup."

#define PROVE_AGAIN                                                                                      \
    "Look at the records of the domain (GetMailDomain): they say what is wrong and how to mend it; then" \
    " VerifyMailDomain. Or remove the domain."

static const struct check checks[] = {
    {.code = "directory_missing",
     .severity = HEALTH_ERROR,
     .help = RESTORE,
     .find = {"SELECT o.directory_id AS subject, 'The directory of the organization is not there.' AS detail"
              " FROM organization o WHERE o.organization_id = $1 AND NOT EXISTS (SELECT FROM directory d"
              "  WHERE d.directory_id = o.directory_id AND d.organization_id = o.organization_id)",
              1}},
    {.code = "directory_not_followed",
     .severity = HEALTH_ERROR,
     .help =
         "TestDirectory tells what is wrong, DescribeDirectory since when; mend the directory server or the"
         " connection (UpdateDirectory). It is tried again and again, and followed once it can be.",
     .find = {"SELECT d.directory_id AS subject, 'The directory ' || d.name || ' cannot be followed ('"
              "  || d.sync_error_code || '): ' || d.sync_error AS detail"
              " FROM organization o JOIN directory d ON d.directory_id = o.directory_id"
              " WHERE o.organization_id = $1 AND d.sync_failures >= 3 AND d.sync_error_code IS NOT NULL",
              1}},
    {.code = "alias_not_registered",
     .severity = HEALTH_ERROR,
     .help = RESTORE,
     .find =
         {"SELECT o.alias AS subject, 'The alias ' || o.alias || ' is not registered for the organization:"
          " another one could take it.' AS detail"
          " FROM organization o WHERE o.organization_id = $1 AND NOT EXISTS (SELECT FROM organization_alias a"
          "  WHERE a.alias = o.alias AND a.organization_id = o.organization_id)",
          1}},
    {.code = "mobile_policy_missing",
     .severity = HEALTH_ERROR,
     .help = RESTORE,
     .find = {"SELECT NULL AS subject, 'The organization has no mobile device policy.' AS detail"
              " FROM organization o WHERE o.organization_id = $1"
              " AND NOT EXISTS (SELECT FROM mobile_policy p WHERE p.organization_id = $1)",
              1}},
    {.code = "default_domain_not_verified",
     .severity = HEALTH_ERROR,
     .help = RESTORE,
     .find =
         {"SELECT o.default_domain AS subject, 'The default domain ' || o.default_domain || ' is not a verified"
          " domain of the organization: users cannot get addresses in it.' AS detail"
          " FROM organization o WHERE o.organization_id = $1 AND NOT EXISTS (SELECT FROM mail_domain m"
          "  WHERE m.organization_id = $1 AND m.domain = o.default_domain AND m.ownership_status = 'VERIFIED')",
          1}},
    {.code = "test_domain_missing",
     .severity = HEALTH_ERROR,
     .help = RESTORE,
     .find =
         {"SELECT o.test_domain AS subject, 'The test domain ' || o.test_domain || ' is not a domain of the"
          " organization any more.' AS detail"
          " FROM organization o WHERE o.organization_id = $1 AND NOT EXISTS (SELECT FROM mail_domain m"
          "  WHERE m.organization_id = $1 AND m.domain = o.test_domain AND m.is_test_domain)",
          1}},
    {.code = "domain_not_registered",
     .severity = HEALTH_ERROR,
     .help = RESTORE,
     .find =
         {"SELECT m.domain AS subject, 'The domain ' || m.domain || ' is verified, but not registered for the"
          " organization: another one could take it.' AS detail"
          " FROM mail_domain m WHERE m.organization_id = $1 AND m.ownership_status = 'VERIFIED'"
          " AND NOT EXISTS (SELECT FROM verified_domain v WHERE v.domain = m.domain AND v.organization_id = $1)"
          " ORDER BY m.domain" LIMIT,
          1}},
    {.code = "address_not_registered",
     .severity = HEALTH_ERROR,
     .help = "Take the address away from its owner and add it again.",
     .find =
         {"SELECT a.email AS subject, 'The address ' || a.email || ' is not registered for its owner: mail to it"
          " goes astray, and another one could take it.' AS detail"
          " FROM email_address a WHERE a.organization_id = $1 AND NOT EXISTS (SELECT FROM address_registry r"
          "  WHERE r.email = a.email AND r.organization_id = $1 AND r.entity_id = a.entity_id)" LIMIT,
          1}},
    {.code = "address_of_nobody",
     .severity = HEALTH_WARNING,
     .help = RESTORE,
     .find =
         {"SELECT r.email AS subject, 'The address ' || r.email || ' is registered, but nobody has it; nobody else"
          " can get it.' AS detail"
          " FROM address_registry r WHERE r.organization_id = $1 AND NOT EXISTS (SELECT FROM email_address a"
          "  WHERE a.organization_id = $1 AND a.entity_id = r.entity_id AND a.email = r.email)" LIMIT,
          1}},
    {.code = "address_without_domain",
     .severity = HEALTH_ERROR,
     .help = RESTORE,
     .find =
         {"SELECT a.email AS subject, 'The address ' || a.email || ' is in a domain that is not a verified one of"
          " the organization.' AS detail"
          " FROM email_address a WHERE a.organization_id = $1 AND NOT EXISTS (SELECT FROM mail_domain m"
          "  WHERE m.organization_id = $1 AND m.domain = split_part(a.email, '@', 2)"
          "  AND m.ownership_status = 'VERIFIED')" LIMIT,
          1}},
    {.code = "user_without_mailbox",
     .severity = HEALTH_ERROR,
     .help = "Disable the user and enable it again.",
     .find =
         {"SELECT e.name AS subject, 'The user ' || e.name || ' is enabled, but has no mailbox or no primary"
          " address.' AS detail"
          " FROM entity e WHERE e.organization_id = $1 AND e.kind = 'USER' AND e.state = 'ENABLED'"
          " AND (NOT EXISTS (SELECT FROM mailbox m WHERE m.organization_id = $1 AND m.entity_id = e.entity_id)"
          "  OR NOT EXISTS (SELECT FROM email_address a WHERE a.organization_id = $1"
          "   AND a.entity_id = e.entity_id AND a.is_primary))" LIMIT,
          1}},
    {.code = "mailbox_never_purged",
     .severity = HEALTH_WARNING,
     .help = "Enable the user and disable it again, or enable it for good.",
     .find =
         {"SELECT e.name AS subject, 'The mailbox of ' || e.name || ' is kept without end, although the user is "
          "not enabled.' AS detail"
          " FROM mailbox m JOIN entity e ON e.organization_id = $1 AND e.entity_id = m.entity_id"
          " WHERE m.organization_id = $1 AND e.state <> 'ENABLED' AND e.purge_at IS NULL" LIMIT,
          1}},
    {.code = "too_many_aliases",
     .severity = HEALTH_WARNING,
     .help = "Take addresses away, or ask the operator for a higher limit (aliases_per_user).",
     .limit = LIMIT_ALIASES_PER_USER,
     .find =
         {"SELECT e.name AS subject, 'The user ' || e.name || ' has more aliases than the limit allows.' AS detail"
          " FROM entity e JOIN (SELECT a.entity_id FROM email_address a"
          "  WHERE a.organization_id = $1 AND NOT a.is_primary GROUP BY a.entity_id"
          "  HAVING count(*) > coalesce((SELECT l.value FROM account_limit l JOIN organization o"
          "   ON o.account_id = l.account_id WHERE o.organization_id = $1 AND l.code = 'aliases_per_user'),"
          "   $2::bigint)) a ON a.entity_id = e.entity_id"
          " WHERE e.organization_id = $1" LIMIT,
          2}},
    {.code = "domain_proof_missing",
     .severity = HEALTH_WARNING,
     .help = PROVE_AGAIN,
     .takes_grace = true,
     .find =
         {"SELECT domain AS subject, 'The proof that ' || domain || ' is the organization''s is no longer published.'"
          "  AS detail FROM mail_domain WHERE organization_id = $1"
          "  AND proof_lost_at > now() - make_interval(secs => $2::bigint) ORDER BY domain" LIMIT,
          2}},
    {.code = "domain_proof_lost",
     .severity = HEALTH_ERROR,
     .help = PROVE_AGAIN,
     .takes_grace = true,
     .find =
         {"SELECT domain AS subject, 'The proof that ' || domain || ' is the organization''s has not been published"
          " for longer than is tolerated.' AS detail FROM mail_domain WHERE organization_id = $1"
          "  AND proof_lost_at <= now() - make_interval(secs => $2::bigint) ORDER BY domain" LIMIT,
          2}},
    {.code = "key_disabled",
     .severity = HEALTH_ERROR,
     .help = "Enable the key (UpdateKey); the organization is checked again at once.",
     .find =
         {"SELECT k.key_id AS subject, 'The master key ' || k.key_id || ' of the organization is disabled: no"
          " secret of the organization can be used.' AS detail"
          " FROM organization o JOIN master_key k ON k.account_id = o.account_id AND k.key_id = o.key_id"
          " WHERE o.organization_id = $1 AND k.status = 'DISABLED'",
          1}},
    {.code = "data_key_unreadable",
     .severity = HEALTH_ERROR,
     .help = RESTORE,
     .find =
         {"SELECT o.key_id AS subject, 'The data key of the organization is lost, or cannot be opened with the"
          " master key ' || o.key_id || ': no secret of the organization can be used.' AS detail," DATA_KEY_COLUMNS
          " FROM organization o LEFT JOIN (data_key d JOIN " DATA_KEY_MATERIAL ")"
          " ON d.organization_id = o.organization_id AND d.key_id = o.key_id"
          " WHERE o.organization_id = $1 AND o.key_id IS NOT NULL",
          1},
     .is_issue = data_key_is_lost},
    {.code = "dkim_key_unreadable",
     .severity = HEALTH_ERROR,
     .help =
         "Rotate the keys of the domain with `compromised` (RotateMailDomainDkim): others take their place.",
     .find =
         {"SELECT k.domain AS subject, 'The private key of the DKIM selector ' || k.selector || ' of ' || k.domain ||"
          " ' is lost, or was altered: it cannot sign.' AS detail, k.sealed_private_key AS sealed, " DKIM_KEY_BOUND_TO
          ", " DATA_KEY_COLUMNS " FROM dkim_key k LEFT JOIN (data_key d JOIN " DATA_KEY_MATERIAL
          ") ON d.organization_id = k.organization_id"
          " WHERE k.organization_id = $1 AND k.state <> 'RETIRED' ORDER BY k.domain, k.slot",
          1},
     .is_issue = dkim_key_is_lost},
    {.code = "dkim_keys_missing",
     .severity = HEALTH_WARNING,
     .help =
         "Enable the master key of the organization if it is disabled; else ask the operator whether the job dkim_rotation was given up (admin retry-jobs).",
     .find =
         {"SELECT m.domain AS subject, 'The domain ' || m.domain || ' has no DKIM keys: its mail cannot be"
          " signed.' AS detail FROM mail_domain m WHERE m.organization_id = $1 AND NOT m.is_test_domain"
          " AND m.created_at < now() - interval '1 hour' AND (SELECT count(*) FROM dkim_key k"
          "  WHERE k.organization_id = $1 AND k.domain = m.domain AND k.state = 'ACTIVE') < 2"
          " ORDER BY m.domain" LIMIT,
          1}},
    {.code = "access_key_unreadable",
     .severity = HEALTH_WARNING,
     .help = "Ask the operator to disable the access key and to make another.",
     .find =
         {"SELECT k.access_key_id AS subject, 'The secret of access key ' || k.access_key_id || ' cannot be"
          " opened with the root key of the service: the key cannot be used.' AS detail, k.sealed_secret AS sealed"
          " FROM access_key k JOIN organization o ON o.account_id = k.account_id"
          " WHERE o.organization_id = $1 AND k.status = 'ACTIVE' ORDER BY k.access_key_id LIMIT 1000",
          1},
     .is_issue = does_not_open},
};

size_t organization_check_count(void)
{
    return sizeof(checks) / sizeof(checks[0]);
}

enum code organization_check(struct db *db, const char *organization_id, size_t number,
                             struct problem *problem, struct health_report *report)
{
    const struct check *check = &checks[number];
    struct arena *arena = problem->arena;
    int64_t number_given =
        check->takes_grace ? db_settings(db)->domain_proof_grace_s : limit_rows[check->limit].value;
    const char *const parameters[] = {organization_id, row_integer(arena, number_given)};
    DB_RESULT result = NULL;
    int issues = 0;

    db_queue_parameters(db, &check->find, parameters, check->find.parameters);
    enum code code = db_collect(db, problem, &result);
    if (code != CODE_OK)
        return code;
    for (int row = 0; row < PQntuples(result) && issues <= MAX_ISSUES; row++) {
        if (check->is_issue != NULL && !check->is_issue(db, arena, result, row))
            continue;
        bool is_last = ++issues > MAX_ISSUES;
        health_add(report,
                   &(struct health_issue){
                       .code = check->code,
                       .severity = check->severity,
                       .subject = is_last ? NULL : row_text(arena, result, row, "subject"),
                       .detail = is_last ? "There are more of these; they show when those before are mended."
                                         : row_text(arena, result, row, "detail"),
                       .help = check->help});
    }
    return CODE_OK;
}
