/* Connections to LDAP servers. Who includes this uses libldap. */
#pragma once

#include <ldap.h>

#include "model/directory_connection.h"

/* Microseconds of CLOCK_MONOTONIC: what all deadlines are in. */
int64_t ldap_now_us(void);

/* Before anything else here, while there is one thread: libldap then reads no configuration of the system or a user. */
void ldap_library_start(void);

/* One connection, bound as the connection says. */
struct ldap_session {
    LDAP *handle;
    struct directory_uri uri; /* the server that it is to */
    struct arena *arena;
    int64_t deadline_us; /* of all that is asked next; who asks more moves it */
};

/* Tries the URIs in their order; faults are those of the last one. */
enum code ldap_session_open(const struct directory_connection *connection, struct arena *arena,
                            int64_t deadline_us, struct ldap_session *ret_session, struct problem *problem);

/* The same, not bound: ldap_session_bind does it. */
enum code ldap_session_connect(const struct directory_connection *connection, struct arena *arena,
                               int64_t deadline_us, struct ldap_session *ret_session,
                               struct problem *problem);

/* A simple bind; an empty password is refused, since servers take it for an anonymous one. */
enum code ldap_session_bind(struct ldap_session *session, const char *dn, const char *password,
                            struct problem *problem);

/* Never waits: nothing is sent but what fits. Accepts one that was not opened. */
void ldap_session_close(struct ldap_session *session);
