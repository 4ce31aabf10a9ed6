#include "ldap/write.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ldap/entry.h"
#include "ldap/reader.h"
#include "ldap/root_dse.h"

#define CHANGES_MAX 40

/* userAccountControl */
#define ACCOUNT_ENABLED  "512"
#define ACCOUNT_DISABLED "514"
#define UNITS_MAX        1024 /* of UTF-16 in a password */

/* One change of several attributes, as libldap wants it: ends with a NULL. */
struct changes {
    struct arena *arena;
    LDAPMod *list[CHANGES_MAX + 1];
    size_t count;
};

static void add_bytes(struct changes *changes, int operation, const char *name, const char *data, size_t size)
{
    LDAPMod *change = arena_alloc(changes->arena, sizeof(*change));
    change->mod_op = operation | LDAP_MOD_BVALUES;
    change->mod_type = arena_string(changes->arena, name);
    change->mod_bvalues = arena_alloc(changes->arena, 2 * sizeof(struct berval *));
    if (data != NULL) {
        change->mod_bvalues[0] = arena_alloc(changes->arena, sizeof(struct berval));
        *change->mod_bvalues[0] = (struct berval){.bv_len = size, .bv_val = (char *)data};
    }
    if (changes->count < CHANGES_MAX)
        changes->list[changes->count++] = change;
}

static void add_text(struct changes *changes, int operation, const char *name, const char *text)
{
    add_bytes(changes, operation, name, text, text == NULL ? 0 : strlen(text));
}

/* The attribute that this member of the mapping is written to: the first; NULL: none. */
static const char *written_name(struct arena *arena, const struct directory_mapping *mapping,
                                const char *member)
{
    for (size_t i = 0; i < directory_mapping_table.count; i++) {
        const struct field *field = &directory_mapping_table.fields[i];
        const char *names;
        if (strcmp(field->name, member) != 0)
            continue;
        memcpy(&names, (const char *)mapping + field->offset, sizeof(names));
        size_t length = strcspn(names != NULL ? names : "", ",");
        return length == 0 ? NULL : arena_copy(arena, names, length);
    }
    return NULL;
}

/* Members of a user that his entry keeps under another name, or that others write. */
static bool is_own(const char *member)
{
    return strcmp(member, "name") == 0 || strcmp(member, "email") == 0 || strcmp(member, "password") == 0;
}

static void add_members(struct changes *changes, int operation, const struct directory_mapping *mapping,
                        uint64_t set, const struct user *user)
{
    for (size_t i = 0; i < user_table.count; i++) {
        const struct field *field = &user_table.fields[i];
        if ((set & (UINT64_C(1) << i)) == 0 || field->kind != FIELD_STRING ||
            (field->flags & FIELD_READ_ONLY) != 0 || is_own(field->name))
            continue;
        const char *name = written_name(changes->arena, mapping, field->name);
        const char *text;
        memcpy(&text, (const char *)user + field->offset, sizeof(text));
        if (text != NULL && *text == '\0')
            text = NULL;
        if (name != NULL && (text != NULL || operation == LDAP_MOD_REPLACE))
            add_text(changes, operation, name, text);
    }
}

/* --- passwords --- */

/* The next code point of well-formed UTF-8. */
static unsigned next_point(const unsigned char **at)
{
    const unsigned char *b = *at;
    unsigned length = b[0] < 0x80 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    unsigned point = length == 1 ? b[0] : b[0] & (0xffu >> (length + 1));
    for (unsigned i = 1; i < length; i++)
        point = point << 6 | (b[i] & 0x3fu);
    *at += length;
    return point;
}

static size_t put_unit(char *out, size_t size, unsigned unit)
{
    out[size] = (char)(unit & 0xff);
    out[size + 1] = (char)(unit >> 8 & 0xff);
    return size + 2;
}

/* As unicodePwd wants it: in quotation marks, UTF-16, lowest byte first. 0: it is too long. */
static size_t password_bytes(const char *password, char out[static 2 * UNITS_MAX])
{
    const unsigned char *at = (const unsigned char *)password;
    size_t size = put_unit(out, 0, '"');
    while (*at != '\0') {
        unsigned point = next_point(&at);
        if (size + 6 > (size_t)2 * UNITS_MAX)
            return 0;
        if (point >= 0x10000) {
            size = put_unit(out, size, 0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + ((point - 0x10000) & 0x3ff);
        }
        size = put_unit(out, size, point);
    }
    return put_unit(out, size, '"');
}

static enum code add_password(struct changes *changes, const struct ldap_session *session, int operation,
                              const char *password, struct problem *problem)
{
    char *bytes = arena_alloc(changes->arena, 2 * UNITS_MAX); /* an arena is wiped */
    if (!session->is_tls)
        return problem_set(problem, CODE_DIRECTORY_REFUSED,
                           "Passwords are sent to a directory over TLS only: set tls_mode.");
    size_t size = password_bytes(password, bytes);
    if (size == 0)
        return problem_set(problem, CODE_DIRECTORY_PASSWORD_POLICY, "The password is too long.");
    add_bytes(changes, operation, "unicodePwd", bytes, size);
    return CODE_OK;
}

/* --- what the directory answers --- */

/* Windows' numbers of its errors are in its words, in hex. */
static bool says(const char *words, const char *number)
{
    return strstr(words, number) != NULL;
}

static enum code decide(const struct ldap_session *session, int result, const char *words, bool has_password,
                        struct problem *problem)
{
    switch (result) {
    case LDAP_SUCCESS:
        return CODE_OK;
    case LDAP_TIMEOUT:
    case LDAP_SERVER_DOWN:
        return problem_set(problem, CODE_OUTCOME_UNKNOWN,
                           "The connection to %s was lost before it answered: look what is there.",
                           session->uri);
    case LDAP_UNAVAILABLE:
    case LDAP_BUSY:
        return problem_set(problem, CODE_DIRECTORY_UNREACHABLE, "%s is busy (%s).", session->uri, words);
    case LDAP_ALREADY_EXISTS:
        return problem_set(problem, CODE_NAME_TAKEN, "The directory has an entry of this name (%s).", words);
    default:
        break;
    }
    if (has_password && (result == LDAP_CONSTRAINT_VIOLATION || says(words, "0000052D")))
        return problem_set(problem, CODE_DIRECTORY_PASSWORD_POLICY,
                           "The directory's own policy for passwords refuses this one (%s).", words);
    if (says(words, "00000524") || says(words, "00002071"))
        return problem_set(problem, CODE_NAME_TAKEN, "The directory has an entry of this name (%s).", words);
    return problem_set(problem, CODE_DIRECTORY_REFUSED, "The directory refuses it: %s (%s).",
                       ldap_err2string(result), words);
}

static enum code open_session(const struct directory_connection *connection, int64_t deadline_us,
                              struct problem *problem, struct ldap_session *ret_session)
{
    return ldap_session_open(connection, deadline_us, problem, ret_session) == CODE_OK
               ? CODE_OK
               : ldap_fault_unreachable(problem);
}

/* Sends what `send` began, and waits for its answer. */
static enum code finish(struct ldap_session *session, int sent, int message_id, bool has_password,
                        struct problem *problem)
{
    const char *words = "";
    int result =
        sent == LDAP_SUCCESS ? ldap_session_result(session, message_id, problem->arena, &words, NULL) : sent;
    return decide(session, result, words, has_password, problem);
}

static enum code add_entry(struct ldap_session *session, const char *dn, struct changes *changes,
                           bool has_password, struct problem *problem)
{
    int id = 0;
    int sent = ldap_add_ext(session->handle, dn, changes->list, NULL, NULL, &id);
    return finish(session, sent, id, has_password, problem);
}

static enum code modify_entry(struct ldap_session *session, const char *dn, struct changes *changes,
                              bool has_password, struct problem *problem)
{
    int id = 0;
    if (changes->count == 0)
        return CODE_OK;
    int sent = ldap_modify_ext(session->handle, dn, changes->list, NULL, NULL, &id);
    return finish(session, sent, id, has_password, problem);
}

/* --- entries --- */

/* The user that the filter finds below `base`; CODE_OK with an external_id of NULL: there is none. */
static enum code find_by(struct ldap_session *session, const struct directory_connection *connection,
                         const char *base, const char *filter, struct problem *problem,
                         struct directory_entry *ret_entry)
{
    struct ldap_reader reader;
    LDAPMessage *message = NULL;
    ldap_reader_begin(&reader, session, base, filter,
                      ldap_entry_attributes(problem->arena, &connection->mapping, false, NULL));
    enum code code = CODE_OK;
    *ret_entry = (struct directory_entry){0};
    reader.most = 1;
    while (code == CODE_OK && !reader.is_ended) {
        code = ldap_reader_next(&reader, INT64_MAX, problem, &message);
        if (message != NULL)
            ldap_entry_read(session, message, &connection->mapping, false, problem->arena, ret_entry);
        ldap_msgfree(message);
    }
    ldap_reader_end(&reader);
    return code == CODE_OK ? CODE_OK : ldap_fault_unreachable(problem);
}

static enum code find(struct ldap_session *session, const struct directory_connection *connection,
                      const char *external_id, struct problem *problem, struct directory_entry *ret_entry)
{
    const char *id = ldap_entry_id_filter(problem->arena, &connection->mapping, external_id);
    *ret_entry = (struct directory_entry){0};
    return id == NULL ? CODE_OK
                      : find_by(session, connection, connection->user_base_dn,
                                arena_printf(problem->arena, "(&%s%s)", connection->user_filter, id), problem,
                                ret_entry);
}

static enum code must_find(struct ldap_session *session, const struct directory_connection *connection,
                           const char *external_id, struct problem *problem,
                           struct directory_entry *ret_entry)
{
    enum code code = find(session, connection, external_id, problem, ret_entry);
    if (code == CODE_OK && ret_entry->external_id == NULL)
        return problem_set(problem, CODE_DIRECTORY_REFUSED,
                           "The directory does not have this entry any more, or does not show it.");
    return code;
}

/* What was made, found where it was made: by its name another's entry might be found. Our filter may not find it, which is told. */
static enum code find_made(struct ldap_session *session, const struct directory_connection *connection,
                           const char *dn, struct problem *problem, struct directory_entry *ret_entry)
{
    enum code code = find_by(session, connection, dn, connection->user_filter, problem, ret_entry);
    if (code == CODE_OK && ret_entry->external_id == NULL)
        return problem_set(
            problem, CODE_DIRECTORY_REFUSED,
            "The filter of the connection does not find the entry that the directory made: it was removed.");
    return code;
}

/* An entry that was made, but that nobody would find, is not left there. */
static enum code take_back(struct ldap_session *session, const char *dn, enum code code,
                           struct problem *problem)
{
    struct problem unwanted = {.arena = problem->arena};
    int id = 0;
    if (code == CODE_OK)
        return CODE_OK;
    int sent = ldap_delete_ext(session->handle, dn, NULL, NULL, &id);
    if (finish(session, sent, id, false, &unwanted) == CODE_OK)
        return code;
    return problem_set(problem, CODE_OUTCOME_UNKNOWN,
                       "The directory made the entry, and then could neither read nor remove it.");
}

/* CN=name below a base. */
static const char *dn_of(struct arena *arena, const char *name, const char *base)
{
    LDAPAVA ava = {.la_attr = {.bv_len = 2, .bv_val = (char *)"CN"},
                   .la_value = {.bv_len = strlen(name), .bv_val = (char *)name},
                   .la_flags = LDAP_AVA_STRING};
    LDAPAVA *rdn[] = {&ava, NULL};
    char *text = NULL;
    if (ldap_rdn2str(rdn, &text, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        abort();
    const char *dn = arena_printf(arena, "%s,%s", text, base);
    ldap_memfree(text);
    return dn;
}

/* user@domain of the directory, whose domain is the DCs of its naming context. NULL: it says none. */
static const char *principal_name(struct arena *arena, const char *name, const char *context)
{
    LDAPDN dn = NULL;
    struct buffer out = {.arena = arena};
    if (context == NULL || strchr(name, '@') != NULL ||
        ldap_str2dn(context, &dn, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return NULL;
    buffer_text(&out, name);
    for (size_t i = 0; dn != NULL && dn[i] != NULL; i++) {
        buffer_byte(&out, i == 0 ? '@' : '.');
        buffer_append(&out, dn[i][0]->la_value.bv_val, dn[i][0]->la_value.bv_len);
    }
    ldap_dnfree(dn);
    return buffer_string(&out);
}

static void add_classes(struct changes *changes, const char *const *classes, size_t count)
{
    LDAPMod *change = arena_alloc(changes->arena, sizeof(*change));
    change->mod_op = LDAP_MOD_ADD;
    change->mod_type = arena_string(changes->arena, "objectClass");
    change->mod_values = arena_alloc(changes->arena, (count + 1) * sizeof(char *));
    for (size_t i = 0; i < count; i++)
        change->mod_values[i] = arena_string(changes->arena, classes[i]);
    changes->list[changes->count++] = change;
}

/* --- operations --- */

static enum code describe_user(struct ldap_session *session, const struct directory_connection *connection,
                               const struct user *user, struct changes *changes, struct problem *problem)
{
    static const char *const classes[] = {"top", "person", "organizationalPerson", "user"};
    struct ldap_root_dse root;
    if (ldap_root_dse_read(session, problem->arena, problem, &root) != CODE_OK)
        return ldap_fault_unreachable(problem);
    const char *principal = principal_name(problem->arena, user->name, root.naming_context);
    add_classes(changes, classes, 4);
    add_text(changes, LDAP_MOD_ADD, written_name(problem->arena, &connection->mapping, "name"), user->name);
    if (principal != NULL)
        add_text(changes, LDAP_MOD_ADD, "userPrincipalName", principal);
    if (user->email != NULL)
        add_text(changes, LDAP_MOD_ADD, "mail", user->email);
    add_members(changes, LDAP_MOD_ADD, &connection->mapping, UINT64_MAX, user);
    add_text(changes, LDAP_MOD_ADD, "userAccountControl",
             user->password != NULL ? ACCOUNT_ENABLED : ACCOUNT_DISABLED);
    return user->password == NULL ? CODE_OK
                                  : add_password(changes, session, LDAP_MOD_ADD, user->password, problem);
}

enum code ldap_create_user(const struct directory_connection *connection, const struct user *user,
                           int64_t deadline_us, struct problem *problem, struct directory_entry *ret_entry)
{
    struct changes changes = {.arena = problem->arena};
    struct ldap_session session;
    enum code code = open_session(connection, deadline_us, problem, &session);
    if (code != CODE_OK)
        return code;
    const char *dn = dn_of(problem->arena, user->name, connection->user_base_dn);
    code = describe_user(&session, connection, user, &changes, problem);
    if (code == CODE_OK)
        code = add_entry(&session, dn, &changes, user->password != NULL, problem);
    if (code == CODE_OK)
        code = take_back(&session, dn, find_made(&session, connection, dn, problem, ret_entry), problem);
    ldap_session_close(&session);
    return code;
}

enum code ldap_modify_user(const struct directory_connection *connection, const char *external_id,
                           uint64_t set, const struct user *user, int64_t deadline_us,
                           struct problem *problem, struct directory_entry *ret_entry)
{
    struct changes changes = {.arena = problem->arena};
    struct directory_entry entry;
    struct ldap_session session;
    enum code code = open_session(connection, deadline_us, problem, &session);
    if (code != CODE_OK)
        return code;
    code = must_find(&session, connection, external_id, problem, &entry);
    add_members(&changes, LDAP_MOD_REPLACE, &connection->mapping, set, user);
    if (code == CODE_OK)
        code = modify_entry(&session, entry.dn, &changes, false, problem);
    if (code == CODE_OK)
        code = must_find(&session, connection, external_id, problem, ret_entry);
    ldap_session_close(&session);
    return code;
}

enum code ldap_set_password(const struct directory_connection *connection, const char *external_id,
                            const char *password, int64_t deadline_us, struct problem *problem)
{
    struct changes changes = {.arena = problem->arena};
    struct directory_entry entry;
    struct ldap_session session;
    enum code code = open_session(connection, deadline_us, problem, &session);
    if (code != CODE_OK)
        return code;
    code = must_find(&session, connection, external_id, problem, &entry);
    if (code == CODE_OK)
        code = add_password(&changes, &session, LDAP_MOD_REPLACE, password, problem);
    if (code == CODE_OK)
        code = modify_entry(&session, entry.dn, &changes, true, problem);
    ldap_session_close(&session);
    return code;
}

enum code ldap_delete_user(const struct directory_connection *connection, const char *external_id,
                           int64_t deadline_us, struct problem *problem)
{
    struct directory_entry entry;
    struct ldap_session session;
    enum code code = open_session(connection, deadline_us, problem, &session);
    if (code != CODE_OK)
        return code;
    code = find(&session, connection, external_id, problem, &entry);
    if (code == CODE_OK && entry.external_id != NULL) {
        int id = 0;
        int sent = ldap_delete_ext(session.handle, entry.dn, NULL, NULL, &id);
        code = finish(&session, sent, id, false, problem);
    }
    ldap_session_close(&session);
    return code;
}
