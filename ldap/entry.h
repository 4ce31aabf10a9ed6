/* What a server sends of entries, as entries of ours. */
#pragma once

#include "ldap/connect.h"
#include "model/directory_entry.h"

/* The attributes that the mapping reads, for a search: NULL after the last. `more` may be NULL. */
char **ldap_entry_attributes(struct arena *arena, const struct directory_mapping *mapping, bool is_group,
                             const char *more);

/* The entry of a message. False: it has no usable external id or name, and is passed over. A long list of members that the server
 * sends in parts (Active Directory) is asked for to its end. */
bool ldap_entry_read(struct ldap_session *session, LDAPMessage *message,
                     const struct directory_mapping *mapping, bool is_group, struct arena *arena,
                     struct directory_entry *ret_entry);

/* The one spelling of a DN; NULL: it is none. */
const char *ldap_dn_spell(struct arena *arena, const char *dn);

/* The first value of an attribute, as text; NULL: the entry has none. */
const char *ldap_entry_text(LDAP *handle, LDAPMessage *entry, const char *attribute, struct arena *arena);

/* A filter for the entry with this external id: `(objectGUID=\…)`, or NULL: it is not one. */
const char *ldap_entry_id_filter(struct arena *arena, const struct directory_mapping *mapping,
                                 const char *external_id);
