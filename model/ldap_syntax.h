/* Texts from outside that become part of what is asked of an LDAP server. Each is a field_check (model/field.h). */
#pragma once

#include <stdbool.h>

/* One whole filter in parentheses (RFC 4515): it can be put into another one, and means the same there. */
bool ldap_check_filter(const char *filter, const char **ret_detail);

/* A name that is not empty (RFC 4514). */
bool ldap_check_dn(const char *dn, const char **ret_detail);

/* Names of attributes, by comma; also none. */
bool ldap_check_attributes(const char *names, const char **ret_detail);
