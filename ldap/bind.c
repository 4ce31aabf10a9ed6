#include "ldap/bind.h"

#include <string.h>

#include "ldap/connect.h"

#define PASSWORD_MAX 1024 /* bytes; servers take less */

/* Active Directory says in its words why it does not let someone in whose password is right. */
static const struct {
    const char *mark;
    const char *detail;
} reasons[] = {
    {"data 530", "The directory does not let this user in at this time."},
    {"data 531", "The directory does not let this user in from here."},
    {"data 532", "The password has expired: change it in the directory."},
    {"data 533", "The account is disabled in the directory."},
    {"data 701", "The account has expired in the directory."},
    {"data 773", "The password is to be changed in the directory first."},
    {"data 775", "The account is locked in the directory."},
};

static enum code refuse(const char *words, struct problem *problem)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        if (strstr(words, reasons[i].mark) != NULL)
            return problem_set(problem, CODE_UNAUTHENTICATED, "%s", reasons[i].detail);
    return problem_set(problem, CODE_UNAUTHENTICATED, "The directory does not take this name and password.");
}

static enum code decide(struct ldap_session *session, int result, const char *words, struct problem *problem)
{
    switch (result) {
    case LDAP_SUCCESS:
        return CODE_OK;
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_INVALID_DN_SYNTAX:
    case LDAP_INSUFFICIENT_ACCESS:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_CONSTRAINT_VIOLATION:
        return refuse(words, problem);
    default:
        ldap_session_fault(session, result, "whether a password is right", words, problem);
        return ldap_fault_unreachable(problem);
    }
}

enum code ldap_check_password(const struct directory_connection *connection, const char *dn,
                              const char *password, int64_t deadline_us, struct problem *problem)
{
    struct ldap_session session;
    const char *words;
    /* Without one of them servers take it for anonymous, and say yes. */
    if (*dn == '\0' || *password == '\0' || strlen(password) > PASSWORD_MAX)
        return refuse("", problem);
    if (ldap_session_connect(connection, deadline_us, problem, &session) != CODE_OK)
        return ldap_fault_unreachable(problem);
    int result = ldap_session_bind(&session, dn, password, problem->arena, &words);
    enum code code = decide(&session, result, words, problem);
    ldap_session_close(&session);
    return code;
}
