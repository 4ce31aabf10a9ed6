#include "api/mail_password.h"

#include "db/directory_write_through.h"
#include "ldap/bind.h"
#include "ldap/library.h"
#include "model/password.h"

#define BIND_US 5000000

static enum code wrong(struct request *request)
{
    return problem_set(&request->problem, CODE_UNAUTHENTICATED, "The password is wrong.");
}

/* Where the directory is and what it says is for its administrators; he who asks has proven nothing. */
static enum code unreachable(struct request *request)
{
    return problem_set(&request->problem, CODE_DIRECTORY_UNREACHABLE,
                       "Passwords cannot be checked at this time; try again.");
}

/* Whoever is named, a hash is computed: how long it takes tells nothing. */
static enum code check_hash(struct request *request, const char *hash, const char *password)
{
    bool good = password_verify(hash != NULL ? hash : password_of_nobody(), password);
    return good && hash != NULL ? CODE_OK : wrong(request);
}

enum code mail_password_check(struct request *request, const struct mail_user *user, const char *password)
{
    struct directory_writing writing = {0};
    if (user == NULL || user->password_hash != NULL)
        return check_hash(request, user != NULL ? user->password_hash : NULL, password);
    enum code code = directory_find_writing(request->db, user->account_id, user->organization_id,
                                            user->user_id, &request->problem, &writing);
    if (code != CODE_OK)
        return code;
    if (writing.dn == NULL)
        return check_hash(request, NULL, password);
    code = request_go_outside(request);
    if (code != CODE_OK)
        return code;
    code = ldap_check_password(&writing.connection, writing.dn, password, ldap_now_us() + BIND_US,
                               &request->problem);
    return code == CODE_DIRECTORY_UNREACHABLE ? unreachable(request) : code;
}
