#include "ldap/library.h"

#include <ares.h>
#include <ldap.h>
#include <stdlib.h>
#include <time.h>

void ldap_library_start(void)
{
    LDAP *handle = NULL;
    setenv("LDAPNOINIT", "1", 1);
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
        ldap_initialize(&handle, "ldap://127.0.0.1") != LDAP_SUCCESS)
        abort();
    ldap_unbind_ext_s(handle, NULL, NULL);
}

int64_t ldap_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
