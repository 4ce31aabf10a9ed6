#include "model/directory_connection.h"

#include <arpa/inet.h>
#include <string.h>

#include "model/json_out.h"
#include "model/ldap_syntax.h"
#include "model/text.h"

#define DN_MAX          1000
#define FILTER_MAX      1000
#define ATTRIBUTES_MAX  256
#define PASSWORD_MAX    256
#define CERTIFICATE_MAX 65536

const char *const directory_tls_modes[] = {"LDAPS", "STARTTLS", "NONE", NULL};
const char *const directory_presets[] = {"ACTIVE_DIRECTORY", "OPENLDAP", "FREEIPA", NULL};

#define ATTRIBUTES_ROW(member) \
    FIELD_STRING_ROW(struct directory_mapping, member, 0, 0, ATTRIBUTES_MAX, .check = ldap_check_attributes)
static const struct field mapping_fields[] = {
    ATTRIBUTES_ROW(external_id),
    ATTRIBUTES_ROW(name),
    ATTRIBUTES_ROW(first_name),
    ATTRIBUTES_ROW(last_name),
    ATTRIBUTES_ROW(display_name),
    ATTRIBUTES_ROW(initials),
    ATTRIBUTES_ROW(email),
    ATTRIBUTES_ROW(street),
    ATTRIBUTES_ROW(city),
    ATTRIBUTES_ROW(zip_code),
    ATTRIBUTES_ROW(country),
    ATTRIBUTES_ROW(telephone),
    ATTRIBUTES_ROW(job_title),
    ATTRIBUTES_ROW(department),
    ATTRIBUTES_ROW(company),
    ATTRIBUTES_ROW(office),
    ATTRIBUTES_ROW(hidden_from_address_list),
    ATTRIBUTES_ROW(is_disabled),
    ATTRIBUTES_ROW(is_system),
    ATTRIBUTES_ROW(resource_type),
    ATTRIBUTES_ROW(group_name),
    ATTRIBUTES_ROW(group_display_name),
    ATTRIBUTES_ROW(group_description),
    ATTRIBUTES_ROW(group_email),
    ATTRIBUTES_ROW(group_members),
};
const struct field_table directory_mapping_table = FIELD_TABLE("directory_mapping", mapping_fields);

/* By index in directory_presets. */
static const struct preset {
    const char *user_filter;
    const char *group_filter;
    struct directory_mapping mapping;
} presets[] = {
    {"(&(objectCategory=person)(objectClass=user))",
     "(objectClass=group)",
     {.external_id = "objectGUID",
      .name = "sAMAccountName",
      .first_name = "givenName",
      .last_name = "sn",
      .display_name = "displayName,cn",
      .initials = "initials",
      .email = "mail,proxyAddresses,userPrincipalName",
      .street = "streetAddress",
      .city = "l",
      .zip_code = "postalCode",
      .country = "co,c",
      .telephone = "telephoneNumber",
      .job_title = "title",
      .department = "department",
      .company = "company",
      .office = "physicalDeliveryOfficeName",
      .hidden_from_address_list = "msExchHideFromAddressLists",
      .is_disabled = "userAccountControl",
      .is_system = "isCriticalSystemObject",
      .resource_type = "msExchRecipientTypeDetails",
      .group_name = "sAMAccountName",
      .group_display_name = "displayName,cn",
      .group_description = "description",
      .group_email = "mail,proxyAddresses",
      .group_members = "member"}},
    {"(objectClass=inetOrgPerson)",
     "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))",
     {.external_id = "entryUUID",
      .name = "uid",
      .first_name = "givenName",
      .last_name = "sn",
      .display_name = "displayName,cn",
      .initials = "initials",
      .email = "mail",
      .street = "street,postalAddress",
      .city = "l",
      .zip_code = "postalCode",
      .country = "co,c",
      .telephone = "telephoneNumber",
      .job_title = "title",
      .department = "departmentNumber,ou",
      .company = "o",
      .office = "physicalDeliveryOfficeName",
      .hidden_from_address_list = "",
      .is_disabled = "pwdAccountLockedTime",
      .is_system = "",
      .resource_type = "",
      .group_name = "cn",
      .group_display_name = "",
      .group_description = "description",
      .group_email = "mail",
      .group_members = "member,uniqueMember"}},
    {"(&(objectClass=person)(objectClass=posixAccount))",
     "(objectClass=ipaUserGroup)",
     {.external_id = "ipaUniqueID",
      .name = "uid",
      .first_name = "givenName",
      .last_name = "sn",
      .display_name = "displayName,cn",
      .initials = "initials",
      .email = "mail",
      .street = "street",
      .city = "l",
      .zip_code = "postalCode",
      .country = "co,c",
      .telephone = "telephoneNumber",
      .job_title = "title",
      .department = "departmentNumber,ou",
      .company = "o",
      .office = "physicalDeliveryOfficeName",
      .hidden_from_address_list = "",
      .is_disabled = "nsAccountLock",
      .is_system = "",
      .resource_type = "",
      .group_name = "cn",
      .group_display_name = "",
      .group_description = "description",
      .group_email = "mail",
      .group_members = "member"}},
};

struct body {
    struct directory_connection connection;
    const char *mapping;
};
#define CONNECTION_ROW(member, row_flags, minimum, maximum, ...)                                         \
    {                                                                                                    \
        .name = #member, .kind = FIELD_STRING, .flags = (row_flags), .min = (minimum), .max = (maximum), \
        .offset = FIELD_OFFSET(struct body, connection.member, const char *), __VA_ARGS__                \
    }
static const struct field connection_fields[] = {
    {.name = "uris",
     .kind = FIELD_STRINGS,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = DIRECTORY_URIS_MAX,
     .offset = FIELD_OFFSET(struct body, connection.uris, const char *const *)},
    {.name = "tls_mode",
     .kind = FIELD_ENUM,
     .values = directory_tls_modes,
     .offset = FIELD_OFFSET(struct body, connection.tls_mode, const char *)},
    CONNECTION_ROW(ca_certificate, FIELD_LINES, 1, CERTIFICATE_MAX, .check = NULL),
    {.name = "preset",
     .kind = FIELD_ENUM,
     .values = directory_presets,
     .offset = FIELD_OFFSET(struct body, connection.preset, const char *)},
    CONNECTION_ROW(user_base_dn, FIELD_REQUIRED, 1, DN_MAX, .check = ldap_check_dn),
    CONNECTION_ROW(group_base_dn, 0, 1, DN_MAX, .check = ldap_check_dn),
    CONNECTION_ROW(user_filter, 0, 1, FILTER_MAX, .check = ldap_check_filter),
    CONNECTION_ROW(group_filter, 0, 1, FILTER_MAX, .check = ldap_check_filter),
    FIELD_JSON_ROW(struct body, mapping, 0),
    CONNECTION_ROW(bind_dn, 0, 1, DN_MAX, .check = NULL),
    CONNECTION_ROW(bind_password, FIELD_WRITE_ONLY, 1, PASSWORD_MAX, .check = NULL),
};
static const struct field_table connection_table = FIELD_TABLE("directory_connection", connection_fields);

/* --- URIs --- */

static bool read_host(struct arena *arena, const char **at, const char **ret_host)
{
    const char *begin = *at;
    if (*begin == '[') {
        size_t length = strcspn(begin, "]");
        struct in6_addr address;
        if (begin[length] != ']')
            return false;
        *ret_host = arena_copy(arena, begin + 1, length - 1);
        *at += length + 1;
        return inet_pton(AF_INET6, *ret_host, &address) == 1;
    }
    size_t length = strspn(begin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
    if (length == 0 || length > 253 || begin[0] == '-' || begin[0] == '.')
        return false;
    *ret_host = text_lower(arena, arena_copy(arena, begin, length));
    *at += length;
    return true;
}

bool directory_uri_read(struct arena *arena, const char *text, struct directory_uri *ret_uri,
                        const char **ret_detail)
{
    bool is_ldaps = strncmp(text, "ldaps://", 8) == 0;
    const char *at = text + (is_ldaps ? 8 : 7);
    long long port = is_ldaps ? 636 : 389;
    struct directory_uri uri = {.is_ldaps = is_ldaps};

    *ret_detail = "A URI is ldap:// or ldaps://, a host and perhaps a port: ldaps://dc1.acme.test:636.";
    if ((!is_ldaps && strncmp(text, "ldap://", 7) != 0) || !read_host(arena, &at, &uri.host))
        return false;
    if (*at == ':') {
        size_t digits = strspn(at + 1, "0123456789");
        if (digits == 0 || digits > 5)
            return false;
        text_to_integer(arena_copy(arena, at + 1, digits), &port);
        at += 1 + digits;
    }
    at += *at == '/';
    if (*at != '\0' || port < 1 || port > 65535)
        return false;
    uri.port = arena_printf(arena, "%lld", port);
    *ret_uri = uri;
    return true;
}

bool directory_uri_is_loopback(const struct directory_uri *uri)
{
    struct in_addr address;
    return strcmp(uri->host, "localhost") == 0 || strcmp(uri->host, "::1") == 0 ||
           (inet_pton(AF_INET, uri->host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127);
}

/* --- reading --- */

static void check_uris(const struct directory_connection *connection, struct problem *problem)
{
    bool is_plain = strcmp(connection->tls_mode, "NONE") == 0;
    for (const char *const *text = connection->uris; text != NULL && *text != NULL; text++) {
        struct directory_uri uri;
        const char *detail;
        if (!directory_uri_read(problem->arena, *text, &uri, &detail))
            problem_add_part(problem, "connection", "uris", "invalid_format", "%s", detail);
        else if (uri.is_ldaps != (strcmp(connection->tls_mode, "LDAPS") == 0))
            problem_add_part(problem, "connection", "uris", "invalid_value",
                             "With tls_mode LDAPS all URIs are ldaps://, with STARTTLS and NONE ldap://.");
        else if (is_plain && !connection->is_plain_allowed && !directory_uri_is_loopback(&uri))
            problem_add_part(
                problem, "connection", "tls_mode", "plain_not_allowed",
                "Without TLS only a server on this host may be asked, unless the operator allows it: "
                "use LDAPS or STARTTLS.");
    }
}

/* What is no certificate at all is told here; the TLS library says more when it uses them. */
static void check_certificate(const char *text, struct problem *problem)
{
    if (text != NULL && (strstr(text, "-----BEGIN CERTIFICATE-----") == NULL ||
                         strstr(text, "-----END CERTIFICATE-----") == NULL))
        problem_add_part(problem, "connection", "ca_certificate", "invalid_format",
                         "Certificates in PEM form: -----BEGIN CERTIFICATE----- and so on.");
}

static void check_together(const char *type, const struct directory_connection *connection,
                           struct problem *problem)
{
    bool is_active_directory = strcmp(type, "LDAP") != 0;
    bool is_written = strcmp(type, "SIMPLE_AD") == 0 || strcmp(type, "MANAGED_AD") == 0;
    const char *detail;

    check_uris(connection, problem);
    check_certificate(connection->ca_certificate, problem);
    if (is_active_directory && strcmp(connection->preset, "ACTIVE_DIRECTORY") != 0)
        problem_add_part(problem, "connection", "preset", "invalid_value",
                         "A directory of type %s has the preset ACTIVE_DIRECTORY.", type);
    if (is_written && strcmp(connection->tls_mode, "NONE") == 0)
        problem_add_part(problem, "connection", "tls_mode", "invalid_value",
                         "An Active Directory takes passwords over TLS only: use LDAPS or STARTTLS.");
    if (connection->bind_dn != NULL && strcmp(connection->preset, "ACTIVE_DIRECTORY") != 0 &&
        !ldap_check_dn(connection->bind_dn, &detail))
        problem_add_part(problem, "connection", "bind_dn", "invalid_format", "%s", detail);
    if (connection->bind_dn == NULL && (is_active_directory || connection->bind_password != NULL))
        problem_add_part(problem, "connection", "bind_dn", "required",
                         is_active_directory ? "An Active Directory answers nobody without a name."
                                             : "The password is of nobody.");
    if (*connection->mapping.external_id == '\0' || *connection->mapping.name == '\0' ||
        *connection->mapping.group_name == '\0')
        problem_add_part(problem, "connection", "mapping", "required",
                         "external_id, name and group_name need an attribute.");
}

/* Faults in a part of the document, told where it is in the whole. */
static enum code read_part(const struct field_table *table, const char *prefix, const char *json,
                           void *target, struct problem *problem)
{
    struct problem part = {.arena = problem->arena};
    uint64_t set;
    enum code code = field_decode_body(table, FIELD_CREATE, json, strlen(json), target, &set, &part);
    if (code != CODE_OK && part.first_fault == NULL)
        return problem_set(problem, code, "%s", part.detail);
    for (const struct fault *fault = part.first_fault; fault != NULL; fault = fault->next)
        problem_add_at(problem, arena_printf(problem->arena, "%s%s", prefix, fault->pointer), fault->code,
                       "%s", fault->detail);
    return code;
}

static const struct preset *find_preset(const char *name)
{
    size_t i = 0;
    while (directory_presets[i + 1] != NULL && strcmp(directory_presets[i], name) != 0)
        i++;
    return &presets[i];
}

enum code directory_connection_read(struct arena *arena, const char *type, const char *json,
                                    bool is_plain_allowed, struct directory_connection *ret_connection,
                                    struct problem *problem)
{
    struct body body = {.connection = {.tls_mode = "LDAPS",
                                       .preset = strcmp(type, "LDAP") == 0 ? "OPENLDAP" : "ACTIVE_DIRECTORY",
                                       .is_plain_allowed = is_plain_allowed}};
    struct directory_connection *connection = &body.connection;
    (void)arena;
    enum code code = read_part(&connection_table, "/connection", json, &body, problem);
    if (code != CODE_OK && code != CODE_VALIDATION_FAILED)
        return code;

    const struct preset *preset = find_preset(connection->preset);
    connection->mapping = preset->mapping;
    if (body.mapping != NULL)
        read_part(&directory_mapping_table, "/connection/mapping", body.mapping, &connection->mapping,
                  problem);
    if (connection->user_filter == NULL)
        connection->user_filter = preset->user_filter;
    if (connection->group_filter == NULL)
        connection->group_filter = preset->group_filter;
    if (connection->group_base_dn == NULL)
        connection->group_base_dn = connection->user_base_dn;
    check_together(type, connection, problem);
    if (problem->first_fault != NULL)
        return CODE_VALIDATION_FAILED;
    *ret_connection = *connection;
    return CODE_OK;
}

/* --- writing --- */

static const char *text_of(const struct field *field, const void *from)
{
    const char *text;
    memcpy(&text, (const char *)from + field->offset, sizeof(text));
    return text;
}

static void write_mapping(struct buffer *out, const struct directory_mapping *mapping)
{
    out_name(out, "mapping");
    out_begin_object(out);
    for (size_t i = 0; i < directory_mapping_table.count; i++)
        out_member(out, mapping_fields[i].name, text_of(&mapping_fields[i], mapping));
    out_end_object(out);
}

const char *directory_connection_write(struct arena *arena, const struct directory_connection *connection)
{
    struct body body = {.connection = *connection};
    struct buffer out = {.arena = arena};

    out_begin_object(&out);
    for (size_t i = 0; i < connection_table.count; i++) {
        const struct field *field = &connection_fields[i];
        if (field->kind == FIELD_STRINGS) {
            out_name(&out, field->name);
            out_begin_array(&out);
            for (const char *const *uri = connection->uris; *uri != NULL; uri++)
                out_string(&out, *uri);
            out_end_array(&out);
        } else if (field->kind == FIELD_JSON) {
            write_mapping(&out, &connection->mapping);
        } else if ((field->flags & FIELD_WRITE_ONLY) == 0) {
            out_member(&out, field->name, text_of(field, &body));
        }
    }
    out_end_object(&out);
    return buffer_string(&out);
}
