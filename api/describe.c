#include "api/describe.h"

#include <stdio.h>
#include <string.h>

#include "api/route.h"
#include "model/account.h"
#include "model/attachment.h"
#include "model/audit.h"
#include "model/availability.h"
#include "model/directory.h"
#include "model/dkim.h"
#include "model/entity.h"
#include "model/flow_rule.h"
#include "model/group.h"
#include "model/health.h"
#include "model/iam.h"
#include "model/identity_policy.h"
#include "model/import.h"
#include "model/interoperability.h"
#include "model/journaling.h"
#include "model/json_out.h"
#include "model/key.h"
#include "model/limit.h"
#include "model/mail_domain.h"
#include "model/migration_setting.h"
#include "model/mobile_device.h"
#include "model/mobile_policy.h"
#include "model/operation.h"
#include "model/organization.h"
#include "model/region.h"
#include "model/resource.h"
#include "model/search.h"
#include "model/user.h"

#define MAX_TABLES 128

/* Tables of answers; those of bodies and queries are found in the routes. */
static const struct field_table *const answers[] = {
    &organization_table,
    &transition_table,
    &health_table,
    &directory_table,
    &directory_error_table,
    &operation_table,
    &user_table,
    &alias_table,
    &limit_table,
    &region_table,
    &account_table,
    &usage_table,
    &key_table,
    &audit_event_table,
    &audit_verification_table,
    &iam_user_table,
    &iam_group_table,
    &iam_member_table,
    &policy_table,
    &access_key_table,
    &session_table,
    &simulation_result_table,
    &group_table,
    &member_table,
    &membership_table,
    &entity_result_table,
    &resource_table,
    &booking_options_table,
    &delegate_table,
    &booking_decision_table,
    &mail_domain_table,
    &identity_policy_table,
    &default_domain_table,
    &interoperability_table,
    &journaling_table,
    &migration_setting_table,
    &mobile_policy_table,
    &mobile_device_table,
    &availability_configuration_table,
    &availability_test_table,
    &mobile_device_sync_table,
    &flow_rule_table,
    &flow_test_result_table,
    &attachment_type_table,
    &attachment_result_table,
    &found_entity_table,
    &address_book_entry_table,
    &dkim_key_table,
    &dkim_signing_key_table,
    &dkim_record_table,
    &import_entry_table,
    &import_result_table,
};

static void member_or_null(struct buffer *out, const char *name, const char *text)
{
    out_name(out, name);
    if (text != NULL)
        out_string(out, text);
    else
        out_raw(out, "null", 4);
}

static void describe_route(const struct route *route, struct buffer *out)
{
    static const char *const lanes[] = {
        [LANE_FAST] = "fast",       [LANE_SLOW] = "slow",     [LANE_HASH] = "hash",
        [LANE_OUTSIDE] = "outside", [LANE_INLINE] = "inline",
    };
    static const char *const modes[] = {"create", "update"};

    out_begin_object(out);
    out_member(out, "method", method_name(route->method));
    out_member(out, "path", route->path);
    out_member(out, "operation", route->operation);
    out_member(out, "action", route->action != NULL ? route->action : "public");
    out_member_boolean(out, "changes", route_changes(route));
    out_member_boolean(out, "for_everybody", route->for_everybody);
    out_member_boolean(out, "for_operator", route->for_operator);
    out_member_boolean(out, "shows_all", route->shows_all);
    out_member_boolean(out, "lists", route->lists != RESOURCE_ACCOUNT);
    out_member(out, "lane", lanes[route->lane]);
    out_member_integer(out, "success", route->status);
    member_or_null(out, "body", route->body != NULL ? route->body->name : NULL);
    member_or_null(out, "body_mode", route->body != NULL ? modes[route->body_mode] : NULL);
    out_name(out, "uploads");
    out_begin_array(out);
    for (const char *const *type = route->uploads; type != NULL && *type != NULL; type++)
        out_string(out, *type);
    out_end_array(out);
    out_member_boolean(out, "body_optional", route->body_optional);
    out_member_boolean(out, "raw_body", route->for_mail_user && route->method != METHOD_GET);
    member_or_null(out, "query", route->query != NULL ? route->query->name : NULL);
    out_end_object(out);
}

static size_t add_table(const struct field_table **tables, size_t count, const struct field_table *table)
{
    if (table == NULL || count == MAX_TABLES)
        return count;
    for (size_t i = 0; i < count; i++)
        if (tables[i] == table)
            return count;
    tables[count] = table;
    return count + 1;
}

void describe_api(void)
{
    struct arena *arena = arena_new();
    struct buffer out = {.arena = arena};
    const struct field_table *tables[MAX_TABLES];
    size_t count = 0;

    out_begin_object(&out);
    out_name(&out, "routes");
    out_begin_array(&out);
    for (size_t i = 0; i < route_count; i++) {
        describe_route(&routes[i], &out);
        count = add_table(tables, count, routes[i].body);
        count = add_table(tables, count, routes[i].query);
    }
    out_end_array(&out);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        count = add_table(tables, count, answers[i]);
    out_name(&out, "tables");
    out_begin_object(&out);
    for (size_t i = 0; i < count; i++) {
        out_name(&out, tables[i]->name);
        field_describe(tables[i], &out);
    }
    out_end_object(&out);
    out_end_object(&out);
    puts(buffer_string(&out));
    arena_free(arena);
}
