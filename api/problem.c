#include "api/problem.h"

#include <string.h>

#include "model/json_out.h"

static const struct {
    int status;
    int retry_after;
    const char *detail; /* when nobody said more */
} rows[CODE_COUNT] = {
    [CODE_BAD_REQUEST] = {400, 0, "Correct the request."},
    [CODE_MALFORMED_JSON] = {400, 0, "Correct the body."},
    [CODE_VALIDATION_FAILED] = {400, 0, "Correct what `errors` lists."},
    [CODE_INVALID_PAGE_TOKEN] = {400, 0, "Start again without the token."},
    [CODE_CONFIRMATION_MISMATCH] = {400, 0, "Repeat the name as `confirm`."},
    [CODE_UNAUTHENTICATED] = {401, 0, "Send an access key."},
    [CODE_ACCESS_DENIED] = {403, 0, "Ask for a policy that allows it."},
    [CODE_CSRF_TOKEN] = {403, 0, "Send the session's csrf_token as X-CSRF-Token with every change."},
    [CODE_NOT_HELD] = {403, 0, "Give only what you may do yourself."},
    [CODE_ROUTE_NOT_FOUND] = {404, 0, "See /openapi.yaml for the paths there are."},
    [CODE_ORGANIZATION_NOT_FOUND] = {404, 0, "No organization has this id, or it is not yours to know."},
    [CODE_USER_NOT_FOUND] = {404, 0, "No user of this organization has this id."},
    [CODE_DIRECTORY_NOT_FOUND] = {404, 0, "No directory of this account has this id."},
    [CODE_GROUP_NOT_FOUND] = {404, 0, "No group of this organization has this id."},
    [CODE_RESOURCE_NOT_FOUND] = {404, 0, "No resource of this organization has this id."},
    [CODE_ENTITY_NOT_FOUND] = {404, 0, "No user or group of this organization has this id."},
    [CODE_AVAILABILITY_CONFIGURATION_NOT_FOUND] =
        {404, 0, "The organization has no availability configuration for this domain."},
    [CODE_MOBILE_DEVICE_NOT_FOUND] = {404, 0, "No device of this user has this id."},
    [CODE_FLOW_RULE_NOT_FOUND] = {404, 0, "No email flow rule of this organization has this id."},
    [CODE_MAIL_DOMAIN_NOT_FOUND] = {404, 0, "The organization has no such domain."},
    [CODE_OPERATION_NOT_FOUND] = {404, 0, "No operation has this id."},
    [CODE_KEY_NOT_FOUND] = {404, 0, "No key of this account has this id."},
    [CODE_IAM_USER_NOT_FOUND] = {404, 0, "No IAM user of this account has this id."},
    [CODE_IAM_GROUP_NOT_FOUND] = {404, 0, "No IAM group of this account has this id."},
    [CODE_POLICY_NOT_FOUND] = {404, 0, "No policy of this account has this id."},
    [CODE_ACCESS_KEY_NOT_FOUND] = {404, 0, "This IAM user has no access key with this id."},
    [CODE_SESSION_NOT_FOUND] = {404, 0, "No session of this account has this id."},
    [CODE_METHOD_NOT_ALLOWED] = {405, 0, "See the Allow header for the methods of this path."},
    [CODE_NAME_TAKEN] = {409, 0, "Choose another name."},
    [CODE_ALIAS_TAKEN] = {409, 0, "Choose another alias."},
    [CODE_EMAIL_ADDRESS_IN_USE] = {409, 0, "Choose another address."},
    [CODE_RESERVED_NAME] = {409, 0, "Choose another name."},
    [CODE_ORGANIZATION_STATE] = {409, 0, "Wait until the organization's state allows it."},
    [CODE_INTEROPERABILITY_MODE] = {409, 0, "The organization works beside Exchange, where this is done."},
    [CODE_ENTITY_STATE] = {409, 0, "The entity's state does not allow it."},
    [CODE_MOBILE_DEVICE_STATE] = {409, 0, "The device's state does not allow it."},
    [CODE_OPERATION_STATE] = {409, 0, "Wait for its end."},
    [CODE_ORGANIZATION_IN_USE] = {409, 0, "Disable its users first."},
    [CODE_DIRECTORY_IN_USE] = {409, 0, "Remove the organization that uses it first."},
    [CODE_DIRECTORY_STATE] = {409, 0, "See DescribeDirectory for what it is and who uses it."},
    [CODE_DIRECTORY_READ_ONLY] = {409, 0, "Change it in the directory; it is seen here a moment later."},
    [CODE_DIRECTORY_REFUSED] = {409, 0, "Ask who administers the directory."},
    [CODE_DIRECTORY_PASSWORD_POLICY] = {409, 0, "Choose a password that the directory's own rules allow."},
    [CODE_ACCOUNT_IN_USE] = {409, 0, "Remove its organizations first."},
    [CODE_KEY_STATE] = {409, 0, "Enable the key first."},
    [CODE_IAM_IN_USE] = {409, 0, "Detach it and empty it first."},
    [CODE_MANAGED_POLICY] = {409, 0, "Make a policy of your own with the document that you want."},
    [CODE_PRIMARY_ADDRESS] = {409, 0, "Make another address the primary one first."},
    [CODE_MEMBERSHIP_CYCLE] = {409, 0, "Take a group on the way out of the one that it is in first."},
    [CODE_BOOKING_OPTIONS] = {409, 0, "Switch automatic acceptance off, or take the delegates away, first."},
    [CODE_AVAILABILITY_TEST_FAILED] = {409, 0, "Correct what `errors` says, or skip the test."},
    [CODE_MAIL_DOMAIN_NOT_REGISTERED] = {409, 0, "Register the domain first."},
    [CODE_MAIL_DOMAIN_STATE] = {409, 0, "Verify the domain first."},
    [CODE_MAIL_DOMAIN_IN_USE] = {409, 0, "Remove what uses it first."},
    [CODE_LIMIT_EXCEEDED] = {409, 0, "Remove something, or ask the operator for a higher limit."},
    [CODE_IDEMPOTENCY_IN_PROGRESS] = {409, 1, "Repeat the request in a moment to get its answer."},
    [CODE_PRECONDITION_FAILED] = {412, 0, "Read the resource again and decide anew."},
    [CODE_IDEMPOTENCY_MISMATCH] = {422, 0, "Use a new Idempotency-Key for each request."},
    [CODE_PAYLOAD_TOO_LARGE] = {413, 0, "A body has at most 1 MiB, and less where the operation says so."},
    [CODE_UNSUPPORTED_MEDIA_TYPE] = {415, 0, "Send the body as application/json."},
    [CODE_RATE_LIMITED] = {429, 1, "Send fewer requests; Retry-After says when the next one may come."},
    [CODE_INTERNAL_ERROR] = {500, 0, "The operator finds more in the log under this request id."},
    [CODE_OVERLOADED] = {503, 1, "Try again in a moment."},
    [CODE_NOT_READY] = {503, 1, "Try again in a moment."},
    [CODE_DIRECTORY_UNREACHABLE] = {503, 5, "TestDirectory tells why; try again then."},
    [CODE_DATABASE_UNAVAILABLE] = {503, 1, "Nothing was changed; try again in a moment."},
    [CODE_OUTCOME_UNKNOWN] =
        {503, 1, "The connection to the database was lost at the commit; look before you retry."},
};

int problem_status(enum code code)
{
    return rows[code].status;
}

int problem_retry_after(enum code code)
{
    return rows[code].retry_after;
}

static void write_faults(const struct problem *problem, struct buffer *out)
{
    out_name(out, "errors");
    out_begin_array(out);
    for (const struct fault *fault = problem->first_fault; fault != NULL; fault = fault->next) {
        out_begin_object(out);
        out_member(out, "pointer", fault->pointer);
        out_member(out, "parameter", fault->parameter);
        out_member(out, "code", fault->code);
        out_member(out, "detail", fault->detail);
        out_end_object(out);
    }
    out_end_array(out);
}

void problem_write(const struct problem *problem, enum code code, const char *request_id, struct buffer *out)
{
    const char *detail =
        problem->code == code && problem->detail != NULL ? problem->detail : rows[code].detail;

    out_begin_object(out);
    out_member(out, "type", arena_printf(out->arena, "/problems/%s", code_name(code)));
    out_member(out, "title", code_title(code));
    out_member_integer(out, "status", rows[code].status);
    out_member(out, "detail", detail);
    out_member(out, "instance", request_id);
    out_member(out, "code", code_name(code));
    if (code == CODE_ACCESS_DENIED && problem->decision != NULL) {
        out_name(out, "decision");
        out_raw(out, problem->decision, strlen(problem->decision));
    }
    if ((code == CODE_VALIDATION_FAILED || code == CODE_AVAILABILITY_TEST_FAILED) &&
        problem->first_fault != NULL)
        write_faults(problem, out);
    out_end_object(out);
}

void problem_explain(enum code code, struct buffer *out)
{
    buffer_printf(out, "%s: %s.\n\nStatus %d. %s\n", code_name(code), code_title(code), rows[code].status,
                  rows[code].detail);
}
