#include "api/user.h"

#include <string.h>

#include "db/user.h"
#include "model/email.h"

static struct user_key key_of(const struct request *request)
{
    return (struct user_key){request->arguments[0], request->arguments[1]};
}

/* What a table cannot say. */
static enum code check_new_user(struct request *request, struct user *user)
{
    if (user->type == NULL)
        user->type = "USER";
    if (strcmp(user->type, "USER") != 0)
        problem_add_member(&request->problem, "type", "invalid_value",
                           "Only users of type USER are created; the others come from a directory.");
    if (user->email != NULL && user->password == NULL)
        problem_add_member(&request->problem, "password", "required",
                           "An address comes with a password; or leave both out and enable the user later.");
    return request->problem.first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

enum code create_user(struct request *request)
{
    struct user user = {.quota_mb = USER_QUOTA_DEFAULT_MB};
    struct change change = request_change(request);
    const char *hash = NULL;
    uint64_t set;

    enum code code = request_body(request, &user, &set);
    if (code == CODE_OK)
        code = check_new_user(request, &user);
    if (code != CODE_OK)
        return code;
    if (user.password != NULL && request->lane != LANE_HASH)
        code = user_check_create(request->db, &change, request->arguments[0]);
    if (code == CODE_OK && user.password != NULL)
        code = request_hash_password(request, user.password, &hash);
    if (code != CODE_OK)
        return code;
    code = user_create(request->db, &change, request->arguments[0], &user, hash);
    return response_change(request, &change, code);
}

enum code queue_users(struct request *request)
{
    struct user_query query = {0};

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK && query.q != NULL && request->lane != LANE_SLOW)
        return request_move(request, LANE_SLOW);
    return code == CODE_OK ? user_queue_list(request->db, request->principal.account_id,
                                             request->arguments[0], &query, &request->problem, &request->list)
                           : code;
}

enum code list_users(struct request *request)
{
    struct buffer body = request_buffer(request);
    const char *next_token;
    enum code code = user_collect_list(request->db, &request->list, &request->problem, &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code queue_user(struct request *request)
{
    struct user_key key = key_of(request);
    user_queue_view(request->db, request->principal.account_id, &key);
    return CODE_OK;
}

enum code describe_user(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = user_collect_view(request->db, &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code update_user(struct request *request)
{
    struct user patch = {0};
    struct user_key key = key_of(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK)
        code = user_update(request->db, &change, &key, &patch, set);
    return response_change(request, &change, code);
}

enum code delete_user(struct request *request)
{
    struct user_key key = key_of(request);
    struct change change = request_change(request);
    enum code code = user_delete(request->db, &change, &key);
    return response_change(request, &change, code);
}

enum code register_to_workmail(struct request *request)
{
    struct user_email wanted = {0};
    struct user_key key = key_of(request);
    struct change change = request_change(request);
    enum code code = CODE_OK;
    uint64_t set;

    if (request->body.length > 0)
        code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = user_enable(request->db, &change, &key, wanted.email);
    return response_change(request, &change, code);
}

enum code deregister_from_workmail(struct request *request)
{
    struct user_key key = key_of(request);
    struct change change = request_change(request);
    enum code code = user_disable(request->db, &change, &key);
    return response_change(request, &change, code);
}

/* Hashing costs a core for a while: who cannot change the password does not get there. */
enum code reset_password(struct request *request)
{
    struct user_password wanted = {0};
    struct user_key key = key_of(request);
    struct change change = request_change(request);
    const char *hash;
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK && request->lane != LANE_HASH)
        code = user_check_password_change(request->db, &change, &key);
    if (code == CODE_OK)
        code = request_hash_password(request, wanted.password, &hash);
    if (code != CODE_OK)
        return code;
    code = user_set_password(request->db, &change, &key, hash);
    return response_change(request, &change, code);
}

/* --- addresses --- */

enum code list_aliases(struct request *request)
{
    struct alias_query query = {0};
    struct user_key key = key_of(request);
    struct buffer body = request_buffer(request);
    const char *next_token;

    enum code code = request_list_query(request, &query, &query.page);
    if (code == CODE_OK)
        code = user_list_aliases(request->db, request->principal.account_id, &key, &query, &request->problem,
                                 &body, &next_token);
    return code == CODE_OK ? response_page(request, &body, next_token) : code;
}

enum code create_alias(struct request *request)
{
    struct user_email wanted = {0};
    struct user_key key = key_of(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = user_add_alias(request->db, &change, &key, wanted.email);
    return response_change(request, &change, code);
}

enum code delete_alias(struct request *request)
{
    struct user_key key = key_of(request);
    struct change change = request_change(request);
    struct email email;
    const char *detail = "Give the whole address.";

    if (strchr(request->arguments[2], '@') == NULL ||
        !email_parse(request->arena, request->arguments[2], NULL, &email, &detail)) {
        problem_add_parameter(&request->problem, "email", "invalid_format", "%s", detail);
        return CODE_VALIDATION_FAILED;
    }
    enum code code = user_remove_alias(request->db, &change, &key, email.address);
    return response_change(request, &change, code);
}

enum code update_primary_email_address(struct request *request)
{
    struct user_email wanted = {0};
    struct user_key key = key_of(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = user_set_primary_email(request->db, &change, &key, wanted.email);
    return response_change(request, &change, code);
}
