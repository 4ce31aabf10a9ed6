/* How an external directory is reached, bound to, searched and mapped: the member `connection` of a directory. */
#pragma once

#include "model/field.h"

#define DIRECTORY_URIS_MAX 5

/* Attributes by comma, best first: the first that has a usable value counts. "" or NULL: none. */
struct directory_mapping {
    const char *external_id;
    const char *name;
    const char *first_name;
    const char *last_name;
    const char *display_name;
    const char *initials;
    const char *email;
    const char *street;
    const char *city;
    const char *zip_code;
    const char *country;
    const char *telephone;
    const char *job_title;
    const char *department;
    const char *company;
    const char *office;
    const char *hidden_from_address_list;
    const char *is_disabled;
    const char *is_system;
    const char *resource_type;
    const char *group_name;
    const char *group_display_name;
    const char *group_description;
    const char *group_email;
    const char *group_members;
};
extern const struct field_table directory_mapping_table;

struct directory_connection {
    const char *const *uris;    /* NULL after the last; tried in this order */
    const char *tls_mode;       /* of directory_tls_modes */
    const char *ca_certificate; /* PEM, perhaps several; NULL: what the system trusts */
    const char *preset;         /* of directory_presets */
    const char *user_base_dn;
    const char *group_base_dn;
    const char *user_filter;
    const char *group_filter;
    struct directory_mapping mapping;
    const char *bind_dn; /* NULL: anonymous */
    const char *bind_password;
    bool is_plain_allowed; /* tls_mode NONE also to others than loopback: the operator decided it */
};

extern const char *const directory_tls_modes[]; /* LDAPS, STARTTLS, NONE; NULL after the last */
extern const char *const directory_presets[];   /* ACTIVE_DIRECTORY, OPENLDAP, FREEIPA; NULL after the last */

/* Reads the JSON object of a whole connection of a directory of this type. What it leaves out is what the preset, and that what
 * the type, says. All faults are added, at /connection/…; CODE_VALIDATION_FAILED when there are any. */
enum code directory_connection_read(struct arena *arena, const char *type, const char *json,
                                    bool is_plain_allowed, struct directory_connection *ret_connection,
                                    struct problem *problem);

/* All but bind_password as JSON, which directory_connection_read reads again. */
const char *directory_connection_write(struct arena *arena, const struct directory_connection *connection);

/* Parts of a URI that was read. */
struct directory_uri {
    const char *host; /* without the brackets of an IPv6 address */
    const char *port; /* decimal */
    bool is_ldaps;
};
bool directory_uri_read(struct arena *arena, const char *text, struct directory_uri *ret_uri,
                        const char **ret_detail);

/* An address of this host, or its name `localhost`. */
bool directory_uri_is_loopback(const struct directory_uri *uri);
