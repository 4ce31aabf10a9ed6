/* What an operation can answer. The names are the `code` member of problem documents;
 * api/problem.c alone knows their HTTP statuses. */
#pragma once

/* X(constant, name, title) */
#define CODE_LIST(X)                                                                                      \
    X(CODE_BAD_REQUEST, "bad_request", "The request is malformed")                                        \
    X(CODE_MALFORMED_JSON, "malformed_json", "The body is not valid JSON")                                \
    X(CODE_VALIDATION_FAILED, "validation_failed", "The request has invalid members")                     \
    X(CODE_INVALID_PAGE_TOKEN, "invalid_page_token", "The page token does not fit this list")             \
    X(CODE_CONFIRMATION_MISMATCH, "confirmation_mismatch", "The confirmation does not match")             \
    X(CODE_UNAUTHENTICATED, "unauthenticated", "The credential is missing or not valid")                  \
    X(CODE_ACCESS_DENIED, "access_denied", "The policies of this identity do not allow it")               \
    X(CODE_CSRF_TOKEN, "csrf_token", "The session's token is missing or wrong")                           \
    X(CODE_NOT_HELD, "not_held", "It would give away more than you may do")                               \
    X(CODE_ROUTE_NOT_FOUND, "route_not_found", "There is no such path")                                   \
    X(CODE_ORGANIZATION_NOT_FOUND, "organization_not_found", "There is no such organization")             \
    X(CODE_USER_NOT_FOUND, "user_not_found", "There is no such user")                                     \
    X(CODE_DIRECTORY_NOT_FOUND, "directory_not_found", "There is no such directory")                      \
    X(CODE_GROUP_NOT_FOUND, "group_not_found", "There is no such group")                                  \
    X(CODE_RESOURCE_NOT_FOUND, "resource_not_found", "There is no such resource")                         \
    X(CODE_ENTITY_NOT_FOUND, "entity_not_found", "There is no such user or group")                        \
    X(CODE_MOBILE_DEVICE_NOT_FOUND, "mobile_device_not_found", "There is no such device")                 \
    X(CODE_AVAILABILITY_CONFIGURATION_NOT_FOUND, "availability_configuration_not_found",                  \
      "There is no such availability configuration")                                                      \
    X(CODE_FLOW_RULE_NOT_FOUND, "flow_rule_not_found", "There is no such email flow rule")                \
    X(CODE_OPERATION_NOT_FOUND, "operation_not_found", "There is no such operation")                      \
    X(CODE_KEY_NOT_FOUND, "key_not_found", "There is no such key")                                        \
    X(CODE_IAM_USER_NOT_FOUND, "iam_user_not_found", "There is no such IAM user")                         \
    X(CODE_IAM_GROUP_NOT_FOUND, "iam_group_not_found", "There is no such IAM group")                      \
    X(CODE_POLICY_NOT_FOUND, "policy_not_found", "There is no such policy")                               \
    X(CODE_ACCESS_KEY_NOT_FOUND, "access_key_not_found", "There is no such access key")                   \
    X(CODE_SESSION_NOT_FOUND, "session_not_found", "There is no such session")                            \
    X(CODE_METHOD_NOT_ALLOWED, "method_not_allowed", "The path does not have this method")                \
    X(CODE_NAME_TAKEN, "name_taken", "The name is taken")                                                 \
    X(CODE_ALIAS_TAKEN, "alias_taken", "The alias is taken")                                              \
    X(CODE_EMAIL_ADDRESS_IN_USE, "email_address_in_use", "The email address is in use")                   \
    X(CODE_RESERVED_NAME, "reserved_name", "The name is reserved")                                        \
    X(CODE_ORGANIZATION_STATE, "organization_state", "The organization's state forbids it")               \
    X(CODE_INTEROPERABILITY_MODE, "interoperability_mode", "The interoperability mode forbids it")        \
    X(CODE_ENTITY_STATE, "entity_state", "The entity's state forbids it")                                 \
    X(CODE_MOBILE_DEVICE_STATE, "mobile_device_state", "The device's state forbids it")                   \
    X(CODE_OPERATION_STATE, "operation_state", "The operation cannot be canceled")                        \
    X(CODE_ORGANIZATION_IN_USE, "organization_in_use", "The organization has enabled users")              \
    X(CODE_DIRECTORY_IN_USE, "directory_in_use", "An organization uses the directory")                    \
    X(CODE_DIRECTORY_STATE, "directory_state", "The directory's state forbids it")                        \
    X(CODE_DIRECTORY_READ_ONLY, "directory_read_only", "It is changed in its directory only")             \
    X(CODE_DIRECTORY_REFUSED, "directory_refused", "The directory refused it")                            \
    X(CODE_DIRECTORY_PASSWORD_POLICY, "directory_password_policy", "The directory refuses the password")  \
    X(CODE_ACCOUNT_IN_USE, "account_in_use", "The account is not empty")                                  \
    X(CODE_KEY_STATE, "key_state", "The master key's state forbids it")                                   \
    X(CODE_IAM_IN_USE, "iam_in_use", "It is in use")                                                      \
    X(CODE_MANAGED_POLICY, "managed_policy", "A managed policy cannot be changed")                        \
    X(CODE_PRIMARY_ADDRESS, "primary_address", "The primary address cannot be removed")                   \
    X(CODE_MEMBERSHIP_CYCLE, "membership_cycle", "The group would contain itself")                        \
    X(CODE_BOOKING_OPTIONS, "booking_options", "Delegates and automatic acceptance at once")              \
    X(CODE_AVAILABILITY_TEST_FAILED, "availability_test_failed", "The EWS endpoint fails its test")       \
    X(CODE_MAIL_DOMAIN_NOT_FOUND, "mail_domain_not_found", "There is no such mail domain")                \
    X(CODE_MAIL_DOMAIN_NOT_REGISTERED, "mail_domain_not_registered", "The mail domain is not registered") \
    X(CODE_MAIL_DOMAIN_STATE, "mail_domain_state", "The mail domain's state forbids it")                  \
    X(CODE_MAIL_DOMAIN_IN_USE, "mail_domain_in_use", "The mail domain is in use")                         \
    X(CODE_LIMIT_EXCEEDED, "limit_exceeded", "A limit is reached")                                        \
    X(CODE_IDEMPOTENCY_IN_PROGRESS, "idempotency_in_progress", "The first request still runs")            \
    X(CODE_PRECONDITION_FAILED, "precondition_failed", "The resource has changed")                        \
    X(CODE_IDEMPOTENCY_MISMATCH, "idempotency_mismatch", "The key belongs to another request")            \
    X(CODE_PAYLOAD_TOO_LARGE, "payload_too_large", "The body is too large")                               \
    X(CODE_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body's type is not accepted")           \
    X(CODE_RATE_LIMITED, "rate_limited", "Too many requests")                                             \
    X(CODE_INTERNAL_ERROR, "internal_error", "The service failed")                                        \
    X(CODE_OVERLOADED, "overloaded", "The service is busy")                                               \
    X(CODE_NOT_READY, "not_ready", "The service is not ready")                                            \
    X(CODE_DIRECTORY_UNREACHABLE, "directory_unreachable", "The directory cannot be asked")               \
    X(CODE_DATABASE_UNAVAILABLE, "database_unavailable", "The database does not answer")                  \
    X(CODE_OUTCOME_UNKNOWN, "outcome_unknown", "Whether the change was made is not known")

enum code {
    CODE_OK,
#define CODE_CONSTANT(constant, name, title) constant,
    CODE_LIST(CODE_CONSTANT)
#undef CODE_CONSTANT
        CODE_COUNT,
    /* Never leave the service: */
    CODE_RETRY = CODE_COUNT, /* the transaction met another one; tx_run runs it again */
    CODE_REPLAY,             /* the Idempotency-Key has an answer already */
    CODE_ANSWERED,           /* the answer is made already */
    CODE_CONTINUE,           /* the handler wants more of the body, or has more of the answer (api/route.h) */
    CODE_MOVE_LANE,          /* the handler wants to run in request.lane, and has done nothing yet */
};

/* The name, and a title in a few plain words. Not for CODE_OK. */
const char *code_name(enum code code);
const char *code_title(enum code code);

/* The code of a name; CODE_OK: there is none. */
enum code code_of(const char *name);
