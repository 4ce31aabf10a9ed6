#include "api/user.h"

#include <string.h>

#include "api/entity.h"
#include "db/directory_write_through.h"
#include "db/user.h"
#include "ldap/library.h"
#include "ldap/write.h"

#define DIRECTORY_US 10000000

/* --- users of a directory that is written to --- */

/* Once it was refused here: whether, and how, it is written there. CODE_DIRECTORY_READ_ONLY: it is not, as the problem says.
 * CODE_MOVE_LANE until the request is where other servers may be waited for. */
static enum code find_writing(struct request *request, const char *user_id,
                              struct directory_writing *ret_writing)
{
    struct problem refused = request->problem;
    problem_clear(&request->problem);
    enum code code = directory_find_writing(request->db, request->principal.account_id, request->arguments[0],
                                            user_id, &request->problem, ret_writing);
    if (code != CODE_OK)
        return code;
    if (!ret_writing->is_written || (user_id != NULL && ret_writing->external_id == NULL)) {
        request->problem = refused;
        return CODE_DIRECTORY_READ_ONLY;
    }
    return request_go_outside(request);
}

/* What the directory made, and could not be taken over here, is not left there: the same request may be sent again. */
static enum code take_back(struct request *request, const struct directory_writing *writing,
                           const char *external_id, enum code code)
{
    struct problem unwanted = {.arena = request->arena};
    if (code == CODE_OUTCOME_UNKNOWN || ldap_delete_user(&writing->connection, external_id,
                                                         ldap_now_us() + DIRECTORY_US, &unwanted) == CODE_OK)
        return code;
    return problem_set(
        &request->problem, CODE_OUTCOME_UNKNOWN,
        "The directory has the user now, but he could not be enabled here, nor removed there.");
}

static enum code create_there(struct request *request, struct change *change, const struct user *user)
{
    struct directory_writing writing;
    struct directory_entry entry;
    const char *user_id = NULL;
    enum code code = find_writing(request, NULL, &writing);
    if (code != CODE_OK)
        return code;
    code = user_try_create(request->db, change, request->arguments[0], user);
    if (code != CODE_OK || request->validate_only) /* whether it would take him only the directory knows */
        return code;
    code =
        ldap_create_user(&writing.connection, user, ldap_now_us() + DIRECTORY_US, &request->problem, &entry);
    if (code != CODE_OK)
        return code;
    code = directory_adopt(request->db, change, request->arguments[0], &entry, &user_id);
    struct entity_key key = entity_key(&user_kind, request->arguments[0], user_id);
    change->location =
        arena_printf(request->arena, "/v1/organizations/%s/users/%s", request->arguments[0], user_id);
    if (code == CODE_OK)
        code = user->password != NULL ? entity_enable(request->db, change, &key, user->email)
                                      : user_touch(request->db, change, &key);
    return code == CODE_OK ? CODE_OK : take_back(request, &writing, entry.external_id, code);
}

static enum code update_there(struct request *request, struct change *change, const struct entity_key *key,
                              const struct user *patch, uint64_t set)
{
    struct directory_writing writing;
    struct directory_entry entry;
    const char *user_id;
    enum code code = find_writing(request, key->entity_id, &writing);
    if (code != CODE_OK)
        return code;
    if (!request->validate_only) {
        code = ldap_modify_user(&writing.connection, writing.external_id, set, patch,
                                ldap_now_us() + DIRECTORY_US, &request->problem, &entry);
        if (code == CODE_OK)
            code = directory_adopt(request->db, change, key->organization_id, &entry, &user_id);
    }
    if (code != CODE_OK)
        return code;
    change->if_match = NULL; /* it was looked at before, and what is written there made another version */
    return user_update(request->db, change, key, patch, user_own_members(set));
}

static enum code reset_there(struct request *request, struct change *change, const struct entity_key *key,
                             const char *password)
{
    struct directory_writing writing;
    enum code code = find_writing(request, key->entity_id, &writing);
    if (code == CODE_OK && !request->validate_only)
        code = ldap_set_password(&writing.connection, writing.external_id, password,
                                 ldap_now_us() + DIRECTORY_US, &request->problem);
    change->if_match = NULL; /* it was looked at before the password was set */
    return code == CODE_OK ? user_note_password(request->db, change, key) : code;
}

/* --- operations --- */

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
    if (code == CODE_DIRECTORY_READ_ONLY)
        return response_change(request, &change, create_there(request, &change, &user));
    if (code == CODE_OK && user.password != NULL)
        code = request_hash_password(request, user.password, &hash);
    if (code != CODE_OK)
        return code;
    code = user_create(request->db, &change, request->arguments[0], &user, hash);
    if (code == CODE_DIRECTORY_READ_ONLY)
        code = create_there(request, &change, &user);
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
    if (code == CODE_DIRECTORY_READ_ONLY)
        code = update_there(request, &change, &key, &patch, set);
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
    if (code == CODE_DIRECTORY_READ_ONLY)
        return response_change(request, &change, reset_there(request, &change, &key, wanted.password));
    if (code == CODE_OK)
        code = request_hash_password(request, wanted.password, &hash);
    if (code != CODE_OK)
        return code;
    code = user_set_password(request->db, &change, &key, hash);
    return response_change(request, &change, code);
}
