#include "model/identity_policy.h"

#include <string.h>
#include <time.h>

#include "model/json_out.h"
#include "model/policy.h"

static const struct field fields[] = {
    FIELD_JSON_ROW(struct identity_policy, document, FIELD_REQUIRED),
    FIELD_READ_ONLY_ROW("is_default", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("warnings", FIELD_JSON),
};
const struct field_table identity_policy_table = FIELD_TABLE("identity_policy", fields);

static const char *service_of(struct arena *arena, const struct identity_policy_facts *facts)
{
    return arena_printf(arena, "workmail.%s.%s", facts->region, facts->service_domain);
}

static const char *arn_of(struct arena *arena, const struct identity_policy_facts *facts)
{
    return arena_printf(arena, "arn:aws:ses:%s:%s:identity/%s", facts->region, facts->account_id,
                        facts->domain);
}

const char *identity_policy_default(struct arena *arena, const struct identity_policy_facts *facts)
{
    return arena_printf(
        arena,
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"AuthorizeWorkMail\","
        "\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"%s\"},"
        "\"Action\":[\"ses:*\",\"ses:SendBounce\",\"ses:SendRawEmail\"],\"Resource\":\"%s\"}]}",
        service_of(arena, facts), arn_of(arena, facts));
}

enum code identity_policy_check(const struct identity_policy_facts *facts, const char *document,
                                struct problem *problem, struct buffer *warnings)
{
    static const struct {
        const char *action, *code, *detail;
    } needs[] = {
        {"ses:SendRawEmail", "loses_sending",
         "The mail service may no longer send mail of this domain: it needs ses:SendRawEmail."},
        {"ses:SendBounce", "loses_bounces",
         "The mail service may no longer tell senders that mail was not delivered: it needs ses:SendBounce."},
        {"ses:*", "loses_redirection",
         "Mail of this domain can no longer be redirected to other domains: that needs ses:*."},
    };
    struct arena *arena = problem->arena;
    const struct policy *policy = policy_compile_for(arena, document, strlen(document), "/document",
                                                     service_of(arena, facts), problem, warnings);
    if (policy == NULL)
        return CODE_VALIDATION_FAILED;
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        const struct policy_question question = {
            .action = needs[i].action,
            .resource = arn_of(arena, facts),
            .context = {.source_address = "",
                        .now = time(NULL),
                        .is_secure = true,
                        .user_name = "",
                        .user_id = "",
                        .account_id = facts->account_id},
        };
        if (policy_decide(&policy, 1, &question).effect == POLICY_ALLOWED)
            continue;
        out_begin_object(warnings);
        out_member(warnings, "pointer", "/document/Statement");
        out_member(warnings, "code", needs[i].code);
        out_member(warnings, "detail", needs[i].detail);
        out_end_object(warnings);
    }
    return CODE_OK;
}
