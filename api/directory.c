#include "api/directory.h"

#include "api/app.h"
#include "db/directory.h"
#include "ldap/library.h"
#include "ldap/test.h"
#include "model/json_out.h"

enum code list_directories(struct request *request)
{
    struct directory_query query = {0};
    return request_answer_list(request, &query, &query.page, directory_list);
}

enum code describe_directory(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = directory_describe(request->db, request->principal.account_id, request->arguments[0],
                                        &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code delete_directory(struct request *request)
{
    struct change change = request_change(request);
    enum code code = directory_delete(request->db, &change, request->arguments[0]);
    return response_change(request, &change, code);
}

/* --- directories that the company has already --- */

#define TEST_US 10000000

enum code create_directory(struct request *request)
{
    const struct settings *settings = request->app->environment.settings;
    struct directory directory = {.region = settings->region};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &directory, &set);
    if (code == CODE_OK && !directory_type_is_external(directory.type)) {
        problem_add_member(&request->problem, "type", "invalid_value",
                           "The built-in directory comes with an organization of the QUICK set-up.");
        code = CODE_VALIDATION_FAILED;
    }
    if (code == CODE_OK && !settings_has_region(settings, directory.region)) {
        problem_add_member(&request->problem, "region", "invalid_value",
                           "See GET /v1/regions for the regions.");
        code = CODE_VALIDATION_FAILED;
    }
    if (code == CODE_OK)
        code = directory_create(request->db, &change, &directory);
    return response_change(request, &change, code);
}

enum code update_directory(struct request *request)
{
    struct directory patch = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK)
        code = directory_update(request->db, &change, request->arguments[0], &patch);
    return response_change(request, &change, code);
}

enum code sync_directory(struct request *request)
{
    struct change change = request_change(request);
    enum code code = directory_sync(request->db, &change, request->arguments[0]);
    return response_change(request, &change, code);
}

enum code list_directory_errors(struct request *request)
{
    struct directory_error_query query = {0};
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = directory_list_errors(request->db, request->principal.account_id, request->arguments[0],
                                     &query, &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

static void write_sample(const char *kind, const struct directory_entry *entries, size_t count,
                         struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct directory_entry *entry = &entries[i];
        out_begin_object(out);
        out_member(out, "kind", kind);
        out_member(out, "external_id", entry->external_id);
        out_member(out, "dn", entry->dn);
        out_member(out, "name", entry->user.name);
        out_member(out, "type", entry->user.type);
        out_member(out, "display_name", entry->user.display_name);
        out_member(out, "first_name", entry->user.first_name);
        out_member(out, "last_name", entry->user.last_name);
        out_member(out, "proposed_email", entry->proposed_email);
        out_member_boolean(out, "disabled", entry->is_disabled);
        if (entry->is_group)
            out_member_integer(out, "member_count", (int64_t)entry->member_count);
        out_end_object(out);
    }
}

static void write_test(const struct ldap_test *test, struct buffer *out)
{
    out_begin_object(out);
    out_member(out, "code", test->code);
    out_member(out, "help", test->help);
    out_member(out, "uri", test->uri);
    out_member(out, "method", test->method);
    out_member_integer(out, "users", test->user_count);
    out_member_integer(out, "groups", test->group_count);
    out_name(out, "sample");
    out_begin_array(out);
    write_sample("USER", test->users, test->user_sample_count, out);
    write_sample("GROUP", test->groups, test->group_sample_count, out);
    out_end_array(out);
    out_end_object(out);
}

enum code test_directory(struct request *request)
{
    struct directory tried = {0};
    struct directory_connection connection;
    struct ldap_test test = {0};
    struct buffer body = request_buffer(request);
    enum code code = CODE_OK;
    uint64_t set;

    if (request->body.length > 0)
        code = request_body(request, &tried, &set);
    if (code == CODE_OK)
        code = directory_read_connection(request->db, request->principal.account_id, request->arguments[0],
                                         tried.connection, &request->problem, &connection);
    if (code == CODE_OK)
        code = request_go_outside(request);
    if (code != CODE_OK)
        return code;
    ldap_test(&connection, request->arena, ldap_now_us() + TEST_US, &test);
    write_test(&test, &body);
    return response_json(request, 200, &body);
}
