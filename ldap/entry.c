#include "ldap/entry.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/id.h"
#include "model/text.h"

#define ATTRIBUTES_MAX 120  /* of an entry that are looked at; more than a mapping can name */
#define RANGES_MAX     1000 /* parts of a list of members */

/* --- which attributes are asked for --- */

struct names {
    struct arena *arena;
    char **list;
    size_t count;
};

static void add_names(struct names *names, const char *text)
{
    for (const char *at = text == NULL ? "" : text; *at != '\0';) {
        size_t length = strcspn(at, ","), i = 0;
        while (i < names->count &&
               (strncasecmp(names->list[i], at, length) != 0 || names->list[i][length] != '\0'))
            i++;
        if (i == names->count && names->count < ATTRIBUTES_MAX)
            names->list[names->count++] = arena_copy(names->arena, at, length);
        at += length + (at[length] == ',');
    }
}

char **ldap_entry_attributes(struct arena *arena, const struct directory_mapping *mapping, bool is_group,
                             const char *more)
{
    struct names names = {.arena = arena, .list = arena_alloc(arena, (ATTRIBUTES_MAX + 1) * sizeof(char *))};
    for (size_t i = 0; i < directory_mapping_table.count; i++) {
        const struct field *field = &directory_mapping_table.fields[i];
        const char *text;
        bool is_of_group = strncmp(field->name, "group_", 6) == 0;
        bool is_of_both = field->offset == offsetof(struct directory_mapping, external_id) ||
                          field->offset == offsetof(struct directory_mapping, is_system) ||
                          field->offset == offsetof(struct directory_mapping, hidden_from_address_list);
        memcpy(&text, (const char *)mapping + field->offset, sizeof(text));
        if (is_of_both || is_of_group == is_group)
            add_names(&names, text);
    }
    add_names(&names, more);
    return names.list;
}

/* --- one entry --- */

const char *ldap_dn_spell(struct arena *arena, const char *dn)
{
    LDAPDN parsed = NULL;
    char *text = NULL;
    const char *spelled = NULL;
    if (strlen(dn) > DIRECTORY_DN_MAX || ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return NULL;
    if (parsed != NULL && ldap_dn2str(parsed, &text, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS &&
        text_is_utf8(text, strlen(text)))
        spelled = arena_string(arena, text);
    ldap_memfree(text);
    ldap_dnfree(parsed);
    return spelled;
}

struct collected {
    struct directory_attribute list[ATTRIBUTES_MAX];
    size_t count;
    char *ranged;   /* the attribute of which the server sent a part */
    long range_end; /* the number of its last value; -1: it is the last part */
};

/* Values are copied: the message is freed long before the entry. */
static struct directory_value *copy_values(struct arena *arena, const struct berval *values, size_t count,
                                           struct directory_value *into)
{
    for (size_t i = 0; i < count; i++) {
        into[i] = (struct directory_value){.data = "", .length = values[i].bv_len};
        /* What is too long is passed over later, by its length alone. */
        if (values[i].bv_len <= DIRECTORY_VALUE_MAX && values[i].bv_val != NULL)
            into[i].data = arena_copy(arena, values[i].bv_val, values[i].bv_len);
    }
    return into;
}

static size_t count_values(const struct berval *values)
{
    size_t count = 0;
    while (values != NULL && values[count].bv_val != NULL && count < DIRECTORY_MEMBERS_MAX)
        count++;
    return count;
}

/* `member;range=0-1499` is a part of `member`, of which there is an empty one then. */
static void add_attribute(struct collected *all, struct arena *arena, const struct berval *name,
                          const struct berval *values)
{
    size_t count = count_values(values), length = 0;
    const char *range = NULL;
    if (count == 0 || all->count == ATTRIBUTES_MAX || !text_is_utf8(name->bv_val, name->bv_len))
        return;
    char *text = arena_copy(arena, name->bv_val, name->bv_len);
    length = strcspn(text, ";");
    if (text[length] == ';' && strncasecmp(text + length + 1, "range=", 6) == 0)
        range = text + length + 7;
    text[length] = '\0';
    all->list[all->count++] = (struct directory_attribute){
        .name = text,
        .values =
            copy_values(arena, values, count, arena_alloc(arena, count * sizeof(struct directory_value))),
        .count = count};
    if (range != NULL && (range = strchr(range, '-')) != NULL && range[1] != '*') {
        all->ranged = text;
        all->range_end = strtol(range + 1, NULL, 10);
    }
}

/* False: the message is broken. */
static bool collect(LDAP *handle, LDAPMessage *message, struct arena *arena, struct collected *all,
                    const char **ret_dn)
{
    BerElement *element = NULL;
    struct berval dn = {0}, name = {0}, *values = NULL;
    bool is_whole = ldap_get_dn_ber(handle, message, &element, &dn) == LDAP_SUCCESS && dn.bv_val != NULL &&
                    text_is_utf8(dn.bv_val, dn.bv_len);
    if (is_whole) {
        *ret_dn = arena_copy(arena, dn.bv_val, dn.bv_len);
        while (
            (is_whole = ldap_get_attribute_ber(handle, message, element, &name, &values) == LDAP_SUCCESS) &&
            name.bv_val != NULL) {
            add_attribute(all, arena, &name, values);
            ldap_memfree(values);
            values = NULL;
        }
    }
    if (element != NULL)
        ber_free(element, 0);
    return is_whole;
}

/* Of an answer without an entry, which belongs to it. What is not there any more is no failure. */
static bool is_gone(LDAP *handle, int type, LDAPMessage *message)
{
    int result = LDAP_OTHER;
    return type == LDAP_RES_SEARCH_RESULT &&
           ldap_parse_result(handle, message, &result, NULL, NULL, NULL, NULL, 0) == LDAP_SUCCESS &&
           (result == LDAP_SUCCESS || result == LDAP_NO_SUCH_OBJECT);
}

/* One more part of `all->ranged`, put behind what is there. False: it did not come; unless the entry is gone, the session is broken
 * then, since a group without it would be taken for one that was deleted. */
static bool read_range(struct ldap_session *session, const char *dn, struct arena *arena,
                       struct collected *all, struct directory_attribute *whole)
{
    struct collected part = {.range_end = -1};
    char *wanted = arena_printf(arena, "%s;range=%ld-*", all->ranged, all->range_end + 1);
    char *attributes[] = {wanted, NULL};
    LDAPMessage *message = NULL;
    const char *same_dn = NULL;
    int id;
    if (ldap_search_ext(session->handle, dn, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 0, NULL, NULL,
                        NULL, 1, &id) != LDAP_SUCCESS) {
        session->is_broken = true;
        return false;
    }
    int type = ldap_session_next(session, id, session->deadline_us, &message);
    bool is_read = type == LDAP_RES_SEARCH_ENTRY && collect(session->handle, message, arena, &part, &same_dn);
    const char *words;
    session->is_broken =
        type == LDAP_RES_SEARCH_ENTRY
            ? !is_read || ldap_session_result(session, id, arena, &words, NULL) != LDAP_SUCCESS
            : !is_gone(session->handle, type, message);
    ldap_msgfree(message);
    if (!is_read || session->is_broken)
        return false;
    for (size_t i = 0; i < part.count; i++) {
        if (strcasecmp(part.list[i].name, all->ranged) != 0)
            continue;
        size_t count = whole->count + part.list[i].count;
        struct directory_value *values = arena_alloc(arena, count * sizeof(*values));
        memcpy(values, whole->values, whole->count * sizeof(*values));
        memcpy(values + whole->count, part.list[i].values, part.list[i].count * sizeof(*values));
        whole->values = values;
        whole->count = count;
        bool goes_on = part.ranged != NULL && part.range_end > all->range_end;
        all->range_end = goes_on ? part.range_end : -1;
        return true;
    }
    all->range_end = -1; /* it has become shorter meanwhile */
    return true;
}

/* Lists of members in parts are few and long; what was read of one stays when the rest does not come. */
static bool complete_ranges(struct ldap_session *session, const char *dn, struct arena *arena,
                            struct collected *all)
{
    for (size_t i = 0; all->ranged != NULL && i < all->count; i++)
        for (unsigned turns = 0; strcasecmp(all->list[i].name, all->ranged) == 0 && all->range_end >= 0 &&
                                 all->list[i].count < DIRECTORY_MEMBERS_MAX && turns < RANGES_MAX;
             turns++)
            if (!read_range(session, dn, arena, all, &all->list[i]))
                return false;
    return true;
}

/* Members in the spelling of entries. What is no DN is left out. */
static void spell_members(struct arena *arena, struct directory_entry *entry)
{
    const char **members = arena_alloc(arena, (entry->member_count + 1) * sizeof(*members));
    size_t count = 0;
    for (size_t i = 0; i < entry->member_count; i++)
        if ((members[count] = ldap_dn_spell(arena, entry->members[i])) != NULL)
            count++;
    entry->members = members;
    entry->member_count = count;
}

bool ldap_entry_read(struct ldap_session *session, LDAPMessage *message,
                     const struct directory_mapping *mapping, bool is_group, struct arena *arena,
                     struct directory_entry *ret_entry)
{
    struct collected *all = arena_alloc(arena, sizeof(*all));
    const char *dn = NULL;
    all->range_end = -1;
    if (!collect(session->handle, message, arena, all, &dn) || (dn = ldap_dn_spell(arena, dn)) == NULL ||
        !complete_ranges(session, dn, arena, all))
        return false;
    if (!directory_entry_map(arena, mapping, is_group, dn, all->list, all->count, ret_entry))
        return false;
    spell_members(arena, ret_entry);
    return true;
}

const char *ldap_entry_text(LDAP *handle, LDAPMessage *entry, const char *attribute, struct arena *arena)
{
    const char *text = NULL;
    struct berval **values = ldap_get_values_len(handle, entry, attribute);
    if (values != NULL && values[0] != NULL && text_is_utf8(values[0]->bv_val, values[0]->bv_len))
        text = arena_copy(arena, values[0]->bv_val, values[0]->bv_len);
    ldap_value_free_len(values);
    return text;
}

/* --- ids in filters --- */

static const unsigned char guid_order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

const char *ldap_entry_id_filter(struct arena *arena, const struct directory_mapping *mapping,
                                 const char *external_id)
{
    size_t length = strcspn(mapping->external_id, ",");
    const char *name = arena_copy(arena, mapping->external_id, length);
    if (!id_is_uuid(external_id)) /* nothing but hex digits and hyphens: no escape is needed */
        return NULL;
    if (strcasecmp(name, "objectGUID") != 0)
        return arena_printf(arena, "(%s=%s)", name, external_id);
    char digits[33] = "";
    size_t count = 0;
    for (const char *at = external_id; *at != '\0'; at++)
        if (*at != '-')
            digits[count++] = *at;
    struct buffer out = {.arena = arena};
    buffer_text(&out, "(objectGUID=");
    for (size_t i = 0; i < 16; i++)
        buffer_printf(&out, "\\%c%c", digits[2 * guid_order[i]], digits[2 * guid_order[i] + 1]);
    buffer_text(&out, ")");
    return buffer_string(&out);
}
