/* What the whole program needs of libldap, without its header. */
#pragma once

#include <stdint.h>

/* Microseconds of CLOCK_MONOTONIC: what all deadlines are in. */
int64_t ldap_now_us(void);

/* Before anything else here, while there is one thread: libldap then reads no configuration of the system or a user. */
void ldap_library_start(void);
