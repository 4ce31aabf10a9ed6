/* THE table of operations: what is not here does not exist. */
#include "api/audit.h"
#include "api/directory.h"
#include "api/entity.h"
#include "api/operation.h"
#include "api/organization.h"
#include "api/request.h"
#include "api/service.h"
#include "api/user.h"
#include "db/audit.h"
#include "db/directory.h"
#include "db/operation.h"
#include "db/organization.h"
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
#define OF(kind)          .entity = &(kind)
#define PLAIN             .body = NULL

#define ORGANIZATION "/v1/organizations/{organization_id}"
#define DIRECTORY    "/v1/directories/{directory_id}"
#define USER         ORGANIZATION "/users/{user_id}"

const struct route routes[] = {
    OPEN_ROUTE("/healthz", "GetHealth", get_health),
    OPEN_ROUTE("/readyz", "GetReadiness", get_readiness),
    OPEN_ROUTE("/version", "GetVersion", get_version),
    OPEN_ROUTE("/openapi.yaml", "GetOpenApi", get_openapi),

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
    ROUTE(POST, USER "/enable", "workmail", "RegisterToWorkMail", LANE_FAST, 200, register_to_workmail,
          BODY(enable_table, FIELD_CREATE), .body_optional = true, OF(user_kind)),
    ROUTE(POST, USER "/disable", "workmail", "DeregisterFromWorkMail", LANE_FAST, 200,
          deregister_from_workmail, OF(user_kind)),
    ROUTE(POST, USER "/reset-password", "workmail", "ResetPassword", LANE_FAST, 204, reset_password,
          BODY(reset_password_table, FIELD_CREATE), OF(user_kind)),
    ROUTE(GET, USER "/aliases", "workmail", "ListAliases", LANE_FAST, 200, list_aliases,
          QUERY(alias_query_table), OF(user_kind)),
    ROUTE(POST, USER "/aliases", "workmail", "CreateAlias", LANE_FAST, 201, create_alias,
          BODY(alias_table, FIELD_CREATE), OF(user_kind)),
    ROUTE(DELETE, USER "/aliases/{email}", "workmail", "DeleteAlias", LANE_FAST, 204, delete_alias,
          OF(user_kind)),
    ROUTE(PUT, USER "/primary-email", "workmail", "UpdatePrimaryEmailAddress", LANE_FAST, 200,
          update_primary_email_address, BODY(primary_email_table, FIELD_CREATE), OF(user_kind)),

    ROUTE(GET, "/v1/audit-events", "workmail", "ListAuditEvents", LANE_FAST, 200, list_audit_events,
          QUERY(audit_query_table)),
    SHARED_ROUTE(GET, ORGANIZATION "/audit-events", "workmail:ListAuditEvents",
                 "ListAuditEventsForOrganization", LANE_FAST, 200, list_audit_events_for_organization,
                 QUERY(organization_audit_query_table)),
    ROUTE(POST, "/v1/audit-events/verify", "workmail", "VerifyAuditLog", LANE_SLOW, 200, verify_audit_log,
          BODY(audit_verify_table, FIELD_CREATE), .body_optional = true, .only_reads = true),
};
const size_t route_count = sizeof(routes) / sizeof(routes[0]);
