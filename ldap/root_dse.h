/* What a server says of itself. */
#pragma once

#include "ldap/connect.h"

struct ldap_root_dse {
    bool has_sync;              /* RFC 4533 */
    bool has_dirsync;           /* Active Directory */
    bool has_notification;      /* Active Directory */
    const char *naming_context; /* of an Active Directory: the domain; else NULL */
    const char *server;         /* of an Active Directory: which one it is; else NULL */
    const char *highest_usn;    /* of an Active Directory: number of its last change; else NULL */
};

enum code ldap_root_dse_read(struct ldap_session *session, struct arena *arena, struct problem *problem,
                             struct ldap_root_dse *ret_root);

/* Asks only whether it still answers: the id of the request; 0: the connection is lost. */
int ldap_root_dse_ping(struct ldap_session *session);
