/* THE table of operations: what is not here does not exist. */
#include "api/account.h"
#include "api/attachment.h"
#include "api/audit.h"
#include "api/autodiscover.h"
#include "api/availability.h"
#include "api/directory.h"
#include "api/dkim.h"
#include "api/docs.h"
#include "api/entity.h"
#include "api/flow_rule.h"
#include "api/group.h"
#include "api/iam.h"
#include "api/import.h"
#include "api/key.h"
#include "api/mail_domain.h"
#include "api/metrics.h"
#include "api/mobile_device.h"
#include "api/mobile_policy.h"
#include "api/operation.h"
#include "api/organization.h"
#include "api/request.h"
#include "api/resource.h"
#include "api/search.h"
#include "api/service.h"
#include "api/session.h"
#include "api/setting.h"
#include "api/user.h"
#include "db/account.h"
#include "db/audit.h"
#include "db/availability.h"
#include "db/directory.h"
#include "db/dkim.h"
#include "db/flow_rule.h"
#include "db/group.h"
#include "db/iam.h"
#include "db/iam_session.h"
#include "db/import.h"
#include "db/mail_domain.h"
#include "db/master_key.h"
#include "db/mobile_device.h"
#include "db/mobile_policy.h"
#include "db/operation.h"
#include "db/organization.h"
#include "db/resource.h"
#include "db/search.h"
#include "db/usage.h"
#include "db/user.h"
#include "model/attachment.h"
#include "model/autodiscover.h"
#include "model/identity_policy.h"
#include "model/interoperability.h"
#include "model/journaling.h"
#include "model/migration_setting.h"

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
/* Answers about those of these that the caller may see. */
#define LISTS(resource) .lists = RESOURCE_##resource

#define ORGANIZATION "/v1/organizations/{organization_id}"
#define DIRECTORY    "/v1/directories/{directory_id}"
#define USER         ORGANIZATION "/users/{user_id}"
#define IAM_USER     "/v1/iam/users/{iam_user_id}"
#define IAM_GROUP    "/v1/iam/groups/{iam_group_id}"
#define IAM_POLICY   "/v1/iam/policies/{policy_id}"
#define ACCESS_KEYS  IAM_USER "/access-keys"
#define GROUP        ORGANIZATION "/groups/{group_id}"
#define DEVICE       USER "/devices/{device_id}"
#define FLOW_RULE    ORGANIZATION "/flow-rules/{flow_rule_id}"
#define RESOURCE     ORGANIZATION "/resources/{resource_id}"
#define AVAILABILITY ORGANIZATION "/availability-configurations"
#define MAIL_DOMAIN  ORGANIZATION "/domains/{domain}"

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
    ROUTE(GET, "/metrics", "workmail", "GetMetrics", LANE_SLOW, 200, get_metrics, PLAIN,
          .for_operator = true),
    OPEN_ROUTE("/problems/{code}", "GetProblem", get_problem),
    {.method = METHOD_POST,
     .path = AUTODISCOVER_PATH,
     .any_case = true,
     .operation = "Autodiscover",
     .only_reads = true,
     .for_mail_user = true,
     .body_limit = (size_t)32 * 1024,
     .lane = LANE_FAST,
     .status = 200,
     .handler = autodiscover},
    {.method = METHOD_GET,
     .path = AUTODISCOVER_PATH,
     .any_case = true,
     .operation = "RedirectAutodiscover",
     .lane = LANE_FAST,
     .status = 302,
     .handler = redirect_autodiscover},

    ROUTE(GET, "/v1/account", "workmail", "DescribeAccount", LANE_FAST, 200, describe_account, PLAIN),
    ROUTE(PATCH, "/v1/account", "workmail", "UpdateAccount", LANE_FAST, 200, update_account,
          BODY(account_table, FIELD_UPDATE)),
    /* It ends all identities of the account: full access to mail does not allow it. */
    ROUTE(DELETE, "/v1/account", "iam", "CloseAccount", LANE_FAST, 204, close_account,
          QUERY(account_closing_query)),
    ROUTE(GET, "/v1/account/usage", "workmail", "GetAccountUsage", LANE_SLOW, 200, get_account_usage,
          QUERY(usage_query_table)),
    ROUTE(GET, "/v1/account/limits", "workmail", "ListLimits", LANE_FAST, 200, list_limits, PLAIN),
    ROUTE(GET, "/v1/regions", "workmail", "ListRegions", LANE_FAST, 200, list_regions, PLAIN),

    ROUTE(POST, "/v1/keys", "kms", "CreateKey", LANE_FAST, 201, create_key, BODY(new_key_table, FIELD_CREATE),
          .body_optional = true),
    ROUTE(GET, "/v1/keys", "kms", "ListKeys", LANE_FAST, 200, list_keys, QUERY(key_query_table), LISTS(KEY)),
    ROUTE(GET, "/v1/keys/{key_id}", "kms", "DescribeKey", LANE_FAST, 200, describe_key, PLAIN),
    ROUTE(PATCH, "/v1/keys/{key_id}", "kms", "UpdateKey", LANE_FAST, 200, update_key,
          BODY(key_table, FIELD_UPDATE)),

    ROUTE(POST, "/v1/organizations", "workmail", "CreateOrganization", LANE_FAST, 202, create_organization,
          BODY(organization_table, FIELD_CREATE)),
    ROUTE(GET, "/v1/organizations", "workmail", "ListOrganizations", LANE_FAST, 200, list_organizations,
          QUERY(organization_query_table), LISTS(ORGANIZATION)),
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
    ROUTE(POST, "/v1/directories", "ds", "CreateDirectory", LANE_FAST, 201, create_directory,
          BODY(directory_table, FIELD_CREATE)),
    ROUTE(GET, DIRECTORY, "ds", "DescribeDirectory", LANE_FAST, 200, describe_directory, PLAIN),
    ROUTE(PATCH, DIRECTORY, "ds", "UpdateDirectory", LANE_FAST, 200, update_directory,
          BODY(directory_table, FIELD_UPDATE)),
    ROUTE(DELETE, DIRECTORY, "ds", "DeleteDirectory", LANE_SLOW, 204, delete_directory, PLAIN),
    ROUTE(POST, DIRECTORY "/test", "ds", "TestDirectory", LANE_FAST, 200, test_directory,
          BODY(test_directory_table, FIELD_CREATE), .body_optional = true, ONLY_READS),
    ROUTE(POST, DIRECTORY "/sync", "ds", "SyncDirectory", LANE_FAST, 202, sync_directory, PLAIN),
    ROUTE(GET, DIRECTORY "/errors", "ds", "ListDirectoryErrors", LANE_FAST, 200, list_directory_errors,
          QUERY(directory_error_query_table)),

    ROUTE(GET, "/v1/operations", "workmail", "ListOperations", LANE_FAST, 200, list_operations,
          QUERY(operation_query_table), LISTS(ORGANIZATION)),
    ROUTE(GET, "/v1/operations/{operation_id}", "workmail", "DescribeOperation", LANE_FAST, 200,
          describe_operation, LISTS(ORGANIZATION)),
    ROUTE(POST, "/v1/operations/{operation_id}/cancel", "workmail", "CancelOperation", LANE_FAST, 200,
          cancel_operation, LISTS(ORGANIZATION)),
    ROUTE(GET, "/v1/operations/{operation_id}/results", "workmail", "ListOperationResults", LANE_FAST, 200,
          list_operation_results, QUERY(import_result_query_table), LISTS(ORGANIZATION)),

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
    ROUTE(POST, ORGANIZATION "/users/import", "workmail", "ImportUsers", LANE_SLOW, 202, import_users,
          .uploads = import_types),
    ROUTE(GET, ORGANIZATION "/users/export", "workmail", "ExportUsers", LANE_SLOW, 200, export_users,
          .downloads = true, QUERY(export_query_table)),
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

    ROUTE(POST, ORGANIZATION "/domains", "workmail", "RegisterMailDomain", LANE_FAST, 201,
          register_mail_domain, BODY(mail_domain_table, FIELD_CREATE)),
    ROUTE(GET, ORGANIZATION "/domains", "workmail", "ListMailDomains", LANE_FAST, 200, list_mail_domains,
          QUERY(mail_domain_query_table)),
    ROUTE(GET, MAIL_DOMAIN, "workmail", "GetMailDomain", LANE_FAST, 200, get_mail_domain, PLAIN),
    ROUTE(PATCH, MAIL_DOMAIN, "workmail", "UpdateMailDomain", LANE_FAST, 200, update_mail_domain,
          BODY(mail_domain_table, FIELD_UPDATE)),
    ROUTE(DELETE, MAIL_DOMAIN, "workmail", "DeregisterMailDomain", LANE_FAST, 204, deregister_mail_domain,
          QUERY(mail_domain_removal_query)),
    ROUTE(POST, MAIL_DOMAIN "/verify", "workmail", "VerifyMailDomain", LANE_FAST, 202, verify_mail_domain,
          PLAIN),
    ROUTE(GET, MAIL_DOMAIN "/zone-file", "workmail", "GetMailDomainZoneFile", LANE_FAST, 200,
          get_mail_domain_zone_file, PLAIN),
    ROUTE(GET, MAIL_DOMAIN "/identity-policy", "ses", "GetIdentityPolicy", LANE_FAST, 200,
          get_identity_policy, PLAIN),
    ROUTE(PUT, MAIL_DOMAIN "/identity-policy", "ses", "PutIdentityPolicy", LANE_FAST, 200,
          put_identity_policy, BODY(identity_policy_table, FIELD_CREATE)),
    ROUTE(GET, MAIL_DOMAIN "/dkim", "workmail", "GetMailDomainDkim", LANE_FAST, 200, get_mail_domain_dkim,
          PLAIN),
    ROUTE(POST, MAIL_DOMAIN "/dkim/rotate", "workmail", "RotateMailDomainDkim", LANE_FAST, 200,
          rotate_mail_domain_dkim, BODY(dkim_rotation_table, FIELD_CREATE), .body_optional = true),
    /* Private keys: not by the name of a read, which policies allow all at once. */
    ROUTE(GET, MAIL_DOMAIN "/dkim/signing-keys", "workmail", "ExportDkimSigningKeys", LANE_FAST, 200,
          export_dkim_signing_keys, PLAIN),
    /* The operator's side. */
    ROUTE(GET, "/v1/dkim-zone", "workmail", "GetDkimZone", LANE_FAST, 200, get_dkim_zone,
          QUERY(dkim_zone_query_table), .for_operator = true),
    SHARED_ROUTE(GET, "/v1/dkim-zone/zone-file", "workmail:GetDkimZone", "GetDkimZoneFile", LANE_SLOW, 200,
                 get_dkim_zone_file, QUERY(dkim_zone_part_table), .for_operator = true),
    ROUTE(GET, ORGANIZATION "/default-domain", "workmail", "GetDefaultMailDomain", LANE_FAST, 200,
          get_default_mail_domain, PLAIN),
    ROUTE(PUT, ORGANIZATION "/default-domain", "workmail", "UpdateDefaultMailDomain", LANE_FAST, 200,
          update_default_mail_domain, BODY(default_domain_table, FIELD_CREATE)),

    ROUTE(GET, ORGANIZATION "/mobile-policy", "workmail", "GetMobilePolicy", LANE_FAST, 200,
          get_mobile_policy, QUEUE(queue_mobile_policy)),
    ROUTE(PUT, ORGANIZATION "/mobile-policy", "workmail", "PutMobilePolicy", LANE_FAST, 200,
          put_mobile_policy, BODY(mobile_policy_table, FIELD_CREATE)),
    ROUTE(GET, ORGANIZATION "/mobile-policy/provision-doc", "workmail", "GetMobilePolicyProvisionDoc",
          LANE_FAST, 200, get_mobile_policy_provision_doc, QUEUE(queue_mobile_policy)),
    ROUTE(GET, USER "/devices", "workmail", "ListMobileDevices", LANE_FAST, 200, list_mobile_devices,
          QUERY(mobile_device_query_table), OF(user_kind)),
    ROUTE(GET, DEVICE, "workmail", "DescribeMobileDevice", LANE_FAST, 200, describe_mobile_device,
          QUEUE(queue_mobile_device), OF(user_kind)),
    ROUTE(DELETE, DEVICE, "workmail", "RemoveMobileDevice", LANE_FAST, 204, remove_mobile_device,
          OF(user_kind)),
    ROUTE(POST, DEVICE "/wipe", "workmail", "WipeMobileDevice", LANE_FAST, 200, wipe_mobile_device,
          OF(user_kind)),
    ROUTE(POST, DEVICE "/cancel-wipe", "workmail", "CancelMobileDeviceWipe", LANE_FAST, 200,
          cancel_mobile_device_wipe, OF(user_kind)),
    ROUTE(POST, DEVICE "/provision", "workmail", "ProvisionMobileDevice", LANE_FAST, 200,
          provision_mobile_device, OF(user_kind)),
    /* The gateway's side. */
    ROUTE(PUT, DEVICE, "workmail", "SyncMobileDevice", LANE_FAST, 201, sync_mobile_device,
          BODY(mobile_device_table, FIELD_CREATE), .body_optional = true, OF(user_kind)),
    ROUTE(POST, DEVICE "/acknowledge", "workmail", "AcknowledgeMobileDevice", LANE_FAST, 200,
          acknowledge_mobile_device, BODY(mobile_device_acknowledgement_table, FIELD_CREATE), OF(user_kind)),
    ROUTE(GET, ORGANIZATION "/directory", "workmail", "SearchDirectory", LANE_SLOW, 200, list_entities,
          QUEUE(queue_search), QUERY(search_query_table)),
    ROUTE(GET, ORGANIZATION "/address-book", "workmail", "ListAddressBook", LANE_FAST, 200, list_entities,
          QUEUE(queue_address_book), QUERY(address_book_query_table)),

    ROUTE(POST, AVAILABILITY, "workmail", "CreateAvailabilityConfiguration", LANE_FAST, 201,
          create_availability_configuration, BODY(availability_configuration_table, FIELD_CREATE),
          QUERY(availability_options_query)),
    ROUTE(GET, AVAILABILITY, "workmail", "ListAvailabilityConfigurations", LANE_FAST, 200,
          list_availability_configurations, QUERY(availability_query_table)),
    ROUTE(GET, AVAILABILITY "/{domain}", "workmail", "GetAvailabilityConfiguration", LANE_FAST, 200,
          get_availability_configuration, QUEUE(queue_availability_configuration)),
    ROUTE(PATCH, AVAILABILITY "/{domain}", "workmail", "UpdateAvailabilityConfiguration", LANE_FAST, 200,
          update_availability_configuration, BODY(availability_configuration_table, FIELD_UPDATE),
          QUERY(availability_options_query)),
    ROUTE(DELETE, AVAILABILITY "/{domain}", "workmail", "DeleteAvailabilityConfiguration", LANE_FAST, 204,
          delete_availability_configuration, PLAIN),
    ROUTE(POST, AVAILABILITY "/{domain}/test", "workmail", "TestAvailabilityConfiguration", LANE_FAST, 200,
          test_availability_configuration, ONLY_READS),
    ROUTE(POST, ORGANIZATION "/flow-rules", "workmail", "CreateFlowRule", LANE_FAST, 201, create_flow_rule,
          BODY(flow_rule_table, FIELD_CREATE)),
    ROUTE(GET, ORGANIZATION "/flow-rules", "workmail", "ListFlowRules", LANE_FAST, 200, list_flow_rules,
          QUERY(flow_rule_query_table)),
    ROUTE(POST, ORGANIZATION "/flow-rules/test", "workmail", "TestFlowRules", LANE_FAST, 200, test_flow_rules,
          QUEUE(queue_flow_rules), BODY(flow_test_table, FIELD_CREATE), ONLY_READS),
    ROUTE(GET, FLOW_RULE, "workmail", "GetFlowRule", LANE_FAST, 200, get_flow_rule, QUEUE(queue_flow_rule)),
    ROUTE(PATCH, FLOW_RULE, "workmail", "UpdateFlowRule", LANE_FAST, 200, update_flow_rule,
          BODY(flow_rule_table, FIELD_UPDATE)),
    ROUTE(DELETE, FLOW_RULE, "workmail", "DeleteFlowRule", LANE_FAST, 204, delete_flow_rule, PLAIN),
    ROUTE(GET, ORGANIZATION "/journaling", "workmail", "GetJournaling", LANE_FAST, 200, get_journaling,
          QUEUE(queue_journaling)),
    ROUTE(PUT, ORGANIZATION "/journaling", "workmail", "PutJournaling", LANE_FAST, 200, put_journaling,
          BODY(journaling_table, FIELD_CREATE)),
    ROUTE(GET, ORGANIZATION "/migration", "workmail", "GetMigration", LANE_FAST, 200, get_migration,
          QUEUE(queue_migration)),
    ROUTE(PUT, ORGANIZATION "/migration", "workmail", "PutMigration", LANE_FAST, 200, put_migration,
          BODY(migration_setting_table, FIELD_CREATE)),
    ROUTE(GET, ORGANIZATION "/interoperability", "workmail", "GetInteroperability", LANE_FAST, 200,
          get_interoperability, QUEUE(queue_interoperability)),
    ROUTE(POST, ORGANIZATION "/interoperability/disable", "workmail", "DisableInteroperability", LANE_FAST,
          200, disable_interoperability, QUERY(interoperability_end_query)),
    ROUTE(GET, "/v1/attachment-types", "workmail", "ListUnsupportedAttachmentTypes", LANE_FAST, 200,
          list_unsupported_attachment_types, PLAIN),
    ROUTE(POST, "/v1/attachment-types/test", "workmail", "TestAttachments", LANE_FAST, 200, test_attachments,
          BODY(attachment_test_table, FIELD_CREATE), ONLY_READS),

    ROUTE(GET, "/v1/audit-events", "workmail", "ListAuditEvents", LANE_FAST, 200, list_audit_events,
          QUERY(audit_query_table), LISTS(ORGANIZATION)),
    SHARED_ROUTE(GET, ORGANIZATION "/audit-events", "workmail:ListAuditEvents",
                 "ListAuditEventsForOrganization", LANE_FAST, 200, list_audit_events_for_organization,
                 QUERY(organization_audit_query_table)),
    /* All that is to be listed in one go: the hashes of what one may see fit no head without the others. */
    SHARED_ROUTE(GET, "/v1/audit-events/export", "workmail:ListAuditEvents", "ExportAuditEvents", LANE_SLOW,
                 200, export_audit_events, QUERY(audit_export_query_table), .shows_all = true),
    ROUTE(POST, "/v1/audit-events/verify", "workmail", "VerifyAuditLog", LANE_SLOW, 200, verify_audit_log,
          BODY(audit_verify_table, FIELD_CREATE), .body_optional = true, .only_reads = true),

    ROUTE(POST, "/v1/iam/users", "iam", "CreateIamUser", LANE_FAST, 201, create_iam_user,
          BODY(iam_user_table, FIELD_CREATE)),
    ROUTE(GET, "/v1/iam/users", "iam", "ListIamUsers", LANE_FAST, 200, list_iam_users,
          QUERY(iam_user_query_table), LISTS(IAM_USER)),
    ROUTE(GET, IAM_USER, "iam", "DescribeIamUser", LANE_FAST, 200, describe_iam_user, PLAIN),
    ROUTE(DELETE, IAM_USER, "iam", "DeleteIamUser", LANE_FAST, 204, delete_iam_user, PLAIN),
    ROUTE(PUT, IAM_USER "/password", "iam", "PutIamUserPassword", LANE_FAST, 204, put_iam_user_password,
          BODY(iam_password_table, FIELD_CREATE)),
    ROUTE(DELETE, IAM_USER "/password", "iam", "DeleteIamUserPassword", LANE_FAST, 204,
          delete_iam_user_password, PLAIN),
    ROUTE(PUT, IAM_USER "/policies/{policy_id}", "iam", "AttachPolicy", LANE_FAST, 204, attach_policy, PLAIN),
    ROUTE(DELETE, IAM_USER "/policies/{policy_id}", "iam", "DetachPolicy", LANE_FAST, 204, detach_policy,
          PLAIN),
    ROUTE(POST, ACCESS_KEYS, "iam", "CreateAccessKey", LANE_FAST, 201, create_access_key,
          BODY(access_key_table, FIELD_CREATE), .body_optional = true),
    ROUTE(GET, ACCESS_KEYS, "iam", "ListAccessKeys", LANE_FAST, 200, list_access_keys,
          QUERY(access_key_query_table)),
    ROUTE(GET, ACCESS_KEYS "/{access_key_id}", "iam", "DescribeAccessKey", LANE_FAST, 200,
          describe_access_key, PLAIN),
    ROUTE(PATCH, ACCESS_KEYS "/{access_key_id}", "iam", "UpdateAccessKey", LANE_FAST, 200, update_access_key,
          BODY(access_key_table, FIELD_UPDATE)),
    ROUTE(DELETE, ACCESS_KEYS "/{access_key_id}", "iam", "DeleteAccessKey", LANE_FAST, 204, delete_access_key,
          PLAIN),

    ROUTE(POST, "/v1/iam/groups", "iam", "CreateIamGroup", LANE_FAST, 201, create_iam_group,
          BODY(iam_group_table, FIELD_CREATE)),
    ROUTE(GET, "/v1/iam/groups", "iam", "ListIamGroups", LANE_FAST, 200, list_iam_groups,
          QUERY(iam_group_query_table), LISTS(IAM_GROUP)),
    ROUTE(GET, IAM_GROUP, "iam", "DescribeIamGroup", LANE_FAST, 200, describe_iam_group, PLAIN),
    ROUTE(DELETE, IAM_GROUP, "iam", "DeleteIamGroup", LANE_FAST, 204, delete_iam_group, PLAIN),
    ROUTE(GET, IAM_GROUP "/members", "iam", "ListIamGroupMembers", LANE_FAST, 200, list_iam_group_members,
          QUERY(iam_member_query_table)),
    ROUTE(PUT, IAM_GROUP "/members/{iam_user_id}", "iam", "AddIamGroupMember", LANE_FAST, 204,
          add_iam_group_member, PLAIN),
    ROUTE(DELETE, IAM_GROUP "/members/{iam_user_id}", "iam", "RemoveIamGroupMember", LANE_FAST, 204,
          remove_iam_group_member, PLAIN),
    SHARED_ROUTE(PUT, IAM_GROUP "/policies/{policy_id}", "iam:AttachPolicy", "AttachPolicyForGroup",
                 LANE_FAST, 204, attach_policy_to_group, PLAIN),
    SHARED_ROUTE(DELETE, IAM_GROUP "/policies/{policy_id}", "iam:DetachPolicy", "DetachPolicyForGroup",
                 LANE_FAST, 204, detach_policy_from_group, PLAIN),

    ROUTE(POST, "/v1/iam/policies", "iam", "CreatePolicy", LANE_FAST, 201, create_policy,
          BODY(policy_table, FIELD_CREATE)),
    ROUTE(GET, "/v1/iam/policies", "iam", "ListPolicies", LANE_FAST, 200, list_policies,
          QUERY(policy_query_table), LISTS(POLICY)),
    ROUTE(GET, IAM_POLICY, "iam", "GetPolicy", LANE_FAST, 200, get_policy, PLAIN),
    ROUTE(PATCH, IAM_POLICY, "iam", "UpdatePolicy", LANE_FAST, 200, update_policy,
          BODY(policy_table, FIELD_UPDATE)),
    ROUTE(DELETE, IAM_POLICY, "iam", "DeletePolicy", LANE_FAST, 204, delete_policy, PLAIN),
    ROUTE(POST, "/v1/iam/simulate", "iam", "SimulatePolicy", LANE_FAST, 200, simulate_policy,
          BODY(simulation_table, FIELD_CREATE), .only_reads = true),

    /* Who signs in has no credential but what he sends. */
    {.method = METHOD_POST,
     .path = "/v1/sessions",
     .operation = "CreateSession",
     .lane = LANE_FAST,
     .status = 201,
     .handler = create_session,
     BODY(sign_in_table, FIELD_CREATE)},
    ROUTE(GET, "/v1/sessions", "iam", "ListSessions", LANE_FAST, 200, list_sessions,
          QUERY(session_query_table), LISTS(IAM_USER)),
    ROUTE(GET, "/v1/sessions/current", "iam", "DescribeCurrentSession", LANE_FAST, 200,
          describe_current_session, .for_everybody = true),
    ROUTE(DELETE, "/v1/sessions/current", "iam", "SignOut", LANE_FAST, 204, sign_out, .for_everybody = true),
    ROUTE(DELETE, "/v1/sessions/{session_id}", "iam", "DeleteSession", LANE_FAST, 204, delete_session,
          LISTS(IAM_USER)),
};
const size_t route_count = sizeof(routes) / sizeof(routes[0]);
