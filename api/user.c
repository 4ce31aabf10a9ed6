#include "api/user.h"

#include <string.h>

#include "api/entity.h"
#include "db/user.h"

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

enum code update_user(struct request *request)
{
    struct user patch = {0};
    struct entity_key key = request_entity(request);
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &patch, &set);
    if (code == CODE_OK)
        code = user_update(request->db, &change, &key, &patch, set);
    return response_change(request, &change, code);
}

/* Hashing costs a core for a while: who cannot change the password does not get there. */
enum code reset_password(struct request *request)
{
    struct user_password wanted = {0};
    struct entity_key key = request_entity(request);
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
