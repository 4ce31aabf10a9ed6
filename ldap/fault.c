#include "ldap/fault.h"

static const char *const codes[] = {
#define FAULT_CODE(constant, code) [(constant)] = (code),
    LDAP_FAULT_LIST(FAULT_CODE)
#undef FAULT_CODE
};

void ldap_fault_fill(struct problem *problem, enum ldap_fault fault, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *detail = arena_vprintf(problem->arena, format, args);
    va_end(args);
    problem_add_member(problem, "connection", codes[fault], "%s", detail);
}

enum code ldap_fault_unreachable(struct problem *problem)
{
    const char *detail = problem->first_fault->detail;
    problem_clear(problem);
    return problem_set(problem, CODE_DIRECTORY_UNREACHABLE, "%s", detail);
}
