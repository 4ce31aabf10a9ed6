/* THE table of operations: what is not here does not exist. */
#include "api/audit.h"
#include "api/directory.h"
#include "api/docs.h"
#include "api/entity.h"
#include "api/group.h"
#include "api/metrics.h"
#include "api/operation.h"
#include "api/organization.h"
#include "api/request.h"
#include "api/resource.h"
#include "api/service.h"
#include "api/user.h"
#include "db/audit.h"
#include "db/directory.h"
#include "db/group.h"
#include "db/operation.h"
#include "db/organization.h"
#include "db/resource.h"
#include "db/user.h"

/* A route cannot be written without an action; what is open says so. */
#define ROUTE(route_method, route_path, prefix, name, route_lane, success, function, ...) \
    SHARED_ROUTE(route_method, route_path, prefix ":" name, name, route_lane, success, function, __VA_ARGS__)
/* Of an operation that stands on several routes: they share its action. */
#define SHARED_ROUTE(route_method, route_path, route_action, name, route_lane, success, function, ...) \
    {                                                                                                  \
        .method = METHOD_##route_method, .path = (route_path), .operation = (name),                    \
        .action = (route_action), .lane = (route_lane), .status = (success), .handler = (function),    \
        __VA_ARGS__                                                                                    \
    }
#define OPEN_ROUTE(route_path, name, function)                                                               \
    {                                                                                                        \
        .method = METHOD_GET, .path = (route_path), .operation = (name), .lane = LANE_INLINE, .status = 200, \
        .handler = (function)                                                                                \
    }

/* A read whose statements share a round trip with those of others. */
#define QUEUE(function)   .queue = (function)
#define BODY(table, mode) .body = &(table), .body_mode = (mode)
#define QUERY(table)      .query = (&(table))
#define OF(kind)          .entity = (&(kind))
#define ONLY_READS        .only_reads = true
#define PLAIN             .body = NULL

#define ORGANIZATION "/v1/organizations/{organization_id}"
#define DIRECTORY    "/v1/directories/{directory_id}"
#define USER         ORGANIZATION "/users/{user_id}"
#define GROUP        ORGANIZATION "/groups/{group_id}"
#define RESOURCE     ORGANIZATION "/resources/{resource_id}"

/* What users, groups and resources have alike; users under the plain names. */
#define ENTITY_ROUTES(path, suffix, kind)                                                                  \
    SHARED_ROUTE(POST, path "/enable", "workmail:RegisterToWorkMail", "RegisterToWorkMail" suffix,         \
                 LANE_FAST, 200, register_to_workmail, BODY(enable_table, FIELD_CREATE),                   \
                 .body_optional = true, OF(kind)),                                                         \
        SHARED_ROUTE(POST, path "/disable", "workmail:DeregisterFromWorkMail",                             \
                     "DeregisterFromWorkMail" suffix, LANE_FAST, 200, deregister_from_workmail, OF(kind)), \
        SHARED_ROUTE(GET, path "/aliases", "workmail:ListAliases", "ListAliases" suffix, LANE_FAST, 200,   \
                     list_aliases, QUERY(alias_query_table), OF(kind)),                                    \
        SHARED_ROUTE(POST, path "/aliases", "workmail:CreateAlias", "CreateAlias" suffix, LANE_FAST, 201,  \
                     create_alias, BODY(alias_table, FIELD_CREATE), OF(kind)),                             \
        SHARED_ROUTE(DELETE, path "/aliases/{email}", "workmail:DeleteAlias", "DeleteAlias" suffix,        \
                     LANE_FAST, 204, delete_alias, OF(kind)),                                              \
        SHARED_ROUTE(PUT, path "/primary-email", "workmail:UpdatePrimaryEmailAddress",                     \
                     "UpdatePrimaryEmailAddress" suffix, LANE_FAST, 200, update_primary_email_address,     \
                     BODY(primary_email_table, FIELD_CREATE), OF(kind))

const struct route routes[] = {
    OPEN_ROUTE("/healthz", "GetHealth", get_health),
    OPEN_ROUTE("/readyz", "GetReadiness", get_readiness),
    OPEN_ROUTE("/version", "GetVersion", get_version),
    OPEN_ROUTE("/openapi.yaml", "GetOpenApi", get_openapi),
    OPEN_ROUTE("/docs", "GetDocs", get_docs),
    OPEN_ROUTE("/docs/{file}", "GetDocsFile", get_docs_file),
    ROUTE(GET, "/metrics", "workmail", "GetMetrics", LANE_SLOW, 200, get_metrics, PLAIN),
    OPEN_ROUTE("/problems/{code}", "GetProblem", get_problem),

    ROUTE(GET, "/v1/account/limits", "workmail", "ListLimits", LANE_FAST, 200, list_limits, PLAIN),
    ROUTE(GET, "/v1/regions", "workmail", "ListRegions", LANE_FAST, 200, list_regions, PLAIN),

    ROUTE(POST, "/v1/organizations", "workmail", "CreateOrganization", LANE_FAST, 202, create_organization,
          BODY(organization_table, FIELD_CREATE)),
    ROUTE(GET, "/v1/organizations", "workmail", "ListOrganizations", LANE_FAST, 200, list_organizations,
          QUERY(organization_query_table)),
    ROUTE(GET, ORGANIZATION, "workmail", "DescribeOrganization", LANE_FAST, 200, describe_organization,
          PLAIN),
    ROUTE(DELETE, ORGANIZATION, "workmail", "DeleteOrganization", LANE_FAST, 202, delete_organization,
          QUERY(organization_removal_query)),
    ROUTE(POST, ORGANIZATION "/retry", "workmail", "RetryOrganization", LANE_FAST, 202, retry_organization,
          PLAIN),
    ROUTE(POST, ORGANIZATION "/validate", "workmail", "ValidateOrganization", LANE_FAST, 202,
          validate_organization, PLAIN),
    ROUTE(POST, ORGANIZATION "/deactivate", "workmail", "DeactivateOrganization", LANE_FAST, 200,
          deactivate_organization, PLAIN),
    ROUTE(POST, ORGANIZATION "/activate", "workmail", "ActivateOrganization", LANE_FAST, 202,
          activate_organization, PLAIN),
    ROUTE(GET, ORGANIZATION "/health", "workmail", "GetOrganizationHealth", LANE_FAST, 200,
          get_organization_health, PLAIN),
    ROUTE(GET, ORGANIZATION "/transitions", "workmail", "ListOrganizationTransitions", LANE_FAST, 200,
          list_organization_transitions, QUERY(transition_query_table)),

    ROUTE(GET, "/v1/directories", "ds", "ListDirectories", LANE_FAST, 200, list_directories,
          QUERY(directory_query_table)),
    ROUTE(GET, DIRECTORY, "ds", "DescribeDirectory", LANE_FAST, 200, describe_directory, PLAIN),
    ROUTE(DELETE, DIRECTORY, "ds", "DeleteDirectory", LANE_SLOW, 204, delete_directory, PLAIN),

    ROUTE(GET, "/v1/operations", "workmail", "ListOperations", LANE_FAST, 200, list_operations,
          QUERY(operation_query_table)),
    ROUTE(GET, "/v1/operations/{operation_id}", "workmail", "DescribeOperation", LANE_FAST, 200,
          describe_operation, PLAIN),
    ROUTE(POST, "/v1/operations/{operation_id}/cancel", "workmail", "CancelOperation", LANE_FAST, 200,
          cancel_operation, PLAIN),

    ROUTE(POST, ORGANIZATION "/users", "workmail", "CreateUser", LANE_FAST, 201, create_user,
          BODY(user_table, FIELD_CREATE)),
    ROUTE(GET, ORGANIZATION "/users", "workmail", "ListUsers", LANE_FAST, 200, list_entities,
          QUEUE(queue_entities), QUERY(user_query_table), OF(user_kind)),
    ROUTE(GET, USER, "workmail", "DescribeUser", LANE_FAST, 200, describe_entity, QUEUE(queue_entity),
          OF(user_kind)),
    ROUTE(PATCH, USER, "workmail", "UpdateUser", LANE_FAST, 200, update_user, BODY(user_table, FIELD_UPDATE),
          OF(user_kind)),
    ROUTE(DELETE, USER, "workmail", "DeleteUser", LANE_FAST, 204, delete_entity, OF(user_kind)),
    ROUTE(POST, USER "/reset-password", "workmail", "ResetPassword", LANE_FAST, 204, reset_password,
          BODY(reset_password_table, FIELD_CREATE), OF(user_kind)),
    ENTITY_ROUTES(USER, "", user_kind),
    ROUTE(GET, USER "/groups", "workmail", "ListGroupsForEntity", LANE_FAST, 200, list_groups_for_entity,
          QUERY(membership_query_table), OF(user_kind)),
    SHARED_ROUTE(POST, ORGANIZATION "/users/enable", "workmail:RegisterToWorkMail",
                 "RegisterToWorkMailForUsers", LANE_SLOW, 200, register_several,
                 BODY(entity_ids_table, FIELD_CREATE), OF(user_kind)),
    SHARED_ROUTE(POST, ORGANIZATION "/users/disable", "workmail:DeregisterFromWorkMail",
                 "DeregisterFromWorkMailForUsers", LANE_SLOW, 200, deregister_several,
                 BODY(entity_ids_table, FIELD_CREATE), OF(user_kind)),

    ROUTE(POST, ORGANIZATION "/groups", "workmail", "CreateGroup", LANE_FAST, 201, create_group,
          BODY(group_table, FIELD_CREATE)),
    ROUTE(GET, ORGANIZATION "/groups", "workmail", "ListGroups", LANE_FAST, 200, list_entities,
          QUEUE(queue_entities), QUERY(group_query_table), OF(group_kind)),
    ROUTE(GET, GROUP, "workmail", "DescribeGroup", LANE_FAST, 200, describe_entity, QUEUE(queue_entity),
          OF(group_kind)),
    ROUTE(PATCH, GROUP, "workmail", "UpdateGroup", LANE_FAST, 200, update_group,
          BODY(group_table, FIELD_UPDATE), OF(group_kind)),
    ROUTE(DELETE, GROUP, "workmail", "DeleteGroup", LANE_FAST, 204, delete_entity, OF(group_kind)),
    ROUTE(GET, GROUP "/members", "workmail", "ListGroupMembers", LANE_FAST, 200, list_group_members,
          QUERY(member_query_table), OF(group_kind)),
    ROUTE(PUT, GROUP "/members/{member_id}", "workmail", "AssociateMemberToGroup", LANE_FAST, 200,
          associate_member_to_group, OF(group_kind)),
    ROUTE(DELETE, GROUP "/members/{member_id}", "workmail", "DisassociateMemberFromGroup", LANE_FAST, 204,
          disassociate_member_from_group, OF(group_kind)),
    SHARED_ROUTE(GET, GROUP "/groups", "workmail:ListGroupsForEntity", "ListGroupsForEntityForGroup",
                 LANE_FAST, 200, list_groups_for_entity, QUERY(membership_query_table), OF(group_kind)),
    SHARED_ROUTE(POST, ORGANIZATION "/groups/enable", "workmail:RegisterToWorkMail",
                 "RegisterToWorkMailForGroups", LANE_SLOW, 200, register_several,
                 BODY(entity_ids_table, FIELD_CREATE), OF(group_kind)),
    SHARED_ROUTE(POST, ORGANIZATION "/groups/disable", "workmail:DeregisterFromWorkMail",
                 "DeregisterFromWorkMailForGroups", LANE_SLOW, 200, deregister_several,
                 BODY(entity_ids_table, FIELD_CREATE), OF(group_kind)),
    ENTITY_ROUTES(GROUP, "ForGroup", group_kind),

    ROUTE(POST, ORGANIZATION "/resources", "workmail", "CreateResource", LANE_FAST, 201, create_resource,
          BODY(resource_table, FIELD_CREATE)),
    ROUTE(GET, ORGANIZATION "/resources", "workmail", "ListResources", LANE_FAST, 200, list_entities,
          QUEUE(queue_entities), QUERY(resource_query_table), OF(resource_kind)),
    ROUTE(GET, RESOURCE, "workmail", "DescribeResource", LANE_FAST, 200, describe_entity, QUEUE(queue_entity),
          OF(resource_kind)),
    ROUTE(PATCH, RESOURCE, "workmail", "UpdateResource", LANE_FAST, 200, update_resource,
          BODY(resource_table, FIELD_UPDATE), OF(resource_kind)),
    ROUTE(DELETE, RESOURCE, "workmail", "DeleteResource", LANE_FAST, 204, delete_entity, OF(resource_kind)),
    SHARED_ROUTE(POST, ORGANIZATION "/resources/remove", "workmail:DeleteResource", "DeleteResources",
                 LANE_SLOW, 200, delete_several, BODY(entity_ids_table, FIELD_CREATE), OF(resource_kind)),
    ROUTE(GET, RESOURCE "/booking-options", "workmail", "GetBookingOptions", LANE_FAST, 200,
          get_booking_options, OF(resource_kind)),
    ROUTE(PUT, RESOURCE "/booking-options", "workmail", "PutBookingOptions", LANE_FAST, 200,
          put_booking_options, BODY(booking_options_table, FIELD_CREATE), OF(resource_kind)),
    ROUTE(POST, RESOURCE "/booking-decisions", "workmail", "TestBookingRequest", LANE_FAST, 200,
          test_booking_request, BODY(booking_request_table, FIELD_CREATE), ONLY_READS, OF(resource_kind)),
    ROUTE(GET, RESOURCE "/delegates", "workmail", "ListResourceDelegates", LANE_FAST, 200,
          list_resource_delegates, QUERY(delegate_query_table), OF(resource_kind)),
    ROUTE(PUT, RESOURCE "/delegates/{entity_id}", "workmail", "AssociateDelegateToResource", LANE_FAST, 200,
          associate_delegate_to_resource, OF(resource_kind)),
    ROUTE(DELETE, RESOURCE "/delegates/{entity_id}", "workmail", "DisassociateDelegateFromResource",
          LANE_FAST, 204, disassociate_delegate_from_resource, OF(resource_kind)),
    ENTITY_ROUTES(RESOURCE, "ForResource", resource_kind),

    ROUTE(GET, "/v1/audit-events", "workmail", "ListAuditEvents", LANE_FAST, 200, list_audit_events,
          QUERY(audit_query_table)),
    SHARED_ROUTE(GET, ORGANIZATION "/audit-events", "workmail:ListAuditEvents",
                 "ListAuditEventsForOrganization", LANE_FAST, 200, list_audit_events_for_organization,
                 QUERY(organization_audit_query_table)),
    ROUTE(POST, "/v1/audit-events/verify", "workmail", "VerifyAuditLog", LANE_SLOW, 200, verify_audit_log,
          BODY(audit_verify_table, FIELD_CREATE), .body_optional = true, .only_reads = true),
};
const size_t route_count = sizeof(routes) / sizeof(routes[0]);
