/* A limit of time for what libldap does in one go: the TLS handshake, in which it waits for the server for ever. */
#pragma once

#include <ldap.h>
#include <stdbool.h>
#include <stdint.h>

/* From here on reads and writes of this connection wait, but not after the deadline: then they fail. The deadline must live until
 * ldap_patience_end. False: libldap does not take it. */
bool ldap_patience_begin(LDAP *handle, int64_t *deadline_us);
void ldap_patience_end(LDAP *handle);
