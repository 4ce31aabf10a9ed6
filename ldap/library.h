/* What all of ldap/ needs of libldap and the clock. */
#pragma once

#include <stdint.h>

/* Before anything else of ldap/, while there is one thread: libldap then reads no configuration of the system or a user. */
void ldap_library_start(void);

/* Microseconds of CLOCK_MONOTONIC: what all deadlines are in. */
int64_t ldap_now_us(void);
