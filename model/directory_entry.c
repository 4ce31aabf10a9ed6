#include "model/directory_entry.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/email.h"
#include "model/group.h"
#include "model/id.h"
#include "model/text.h"

#define TEXT_MAX            256 /* characters of a detail in user_table */
#define ACCOUNT_DISABLED    2   /* userAccountControl */
#define RECIPIENT_ROOM      "16"
#define RECIPIENT_EQUIPMENT "32"

struct source {
    struct arena *arena;
    const struct directory_attribute *attributes;
    size_t count;
};

/* --- the values of an attribute --- */

/* The attribute of this name; NULL: the entry has none. */
static const struct directory_attribute *find(const struct source *source, const char *name, size_t length)
{
    for (size_t i = 0; i < source->count; i++)
        if (strncasecmp(source->attributes[i].name, name, length) == 0 &&
            source->attributes[i].name[length] == '\0')
            return &source->attributes[i];
    return NULL;
}

/* A text without NUL, of a length that we take, not empty; else NULL. */
static const char *usable(const struct source *source, const struct directory_value *value)
{
    if (value->length == 0 || value->length > DIRECTORY_VALUE_MAX ||
        !text_is_utf8(value->data, value->length))
        return NULL;
    return arena_copy(source->arena, value->data, value->length);
}

/* What `take` makes of the first value that it can use, in the order of `names` (by comma). */
typedef const char *take_value(const struct source *source, const char *attribute,
                               const struct directory_value *value);

static const char *first(const struct source *source, const char *names, take_value *take)
{
    for (const char *at = names == NULL ? "" : names; *at != '\0';) {
        size_t length = strcspn(at, ",");
        const struct directory_attribute *attribute = find(source, at, length);
        for (size_t i = 0; attribute != NULL && i < attribute->count; i++) {
            const char *taken = take(source, attribute->name, &attribute->values[i]);
            if (taken != NULL)
                return taken;
        }
        at += length + (at[length] == ',');
    }
    return NULL;
}

/* Without control characters or outer spaces, cut off at `most` characters; NULL when nothing is left. */
static const char *tidy(struct arena *arena, const char *text, size_t most)
{
    char *copy = arena_string(arena, text);
    for (char *at = copy; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    copy += strspn(copy, " ");
    size_t characters = 0, length = 0;
    while (copy[length] != '\0') {
        if (((unsigned char)copy[length] & 0xc0) != 0x80 && characters++ == most)
            break;
        length++;
    }
    while (length > 0 && copy[length - 1] == ' ')
        length--;
    copy[length] = '\0';
    return length > 0 ? copy : NULL;
}

static const char *take_text(const struct source *source, const char *attribute,
                             const struct directory_value *value)
{
    (void)attribute;
    const char *text = usable(source, value);
    return text == NULL ? NULL : tidy(source->arena, text, TEXT_MAX);
}

/* --- external ids --- */

/* The bytes of an objectGUID are those of a Windows structure: three numbers, lowest byte first, and eight bytes. */
static const char *guid_text(struct arena *arena, const unsigned char *b)
{
    return arena_printf(arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[3],
                        b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
                        b[14], b[15]);
}

static const char *take_id(const struct source *source, const char *attribute,
                           const struct directory_value *value)
{
    if (strcasecmp(attribute, "objectGUID") == 0)
        return value->length == 16 ? guid_text(source->arena, (const unsigned char *)value->data) : NULL;
    const char *text = usable(source, value);
    if (text == NULL)
        return NULL;
    text = text_lower(source->arena, text);
    return id_is_uuid(text) ? text : NULL;
}

/* --- what an account is --- */

static const char *take_true(const struct source *source, const char *attribute,
                             const struct directory_value *value)
{
    (void)attribute;
    const char *text = usable(source, value);
    return text != NULL && strcasecmp(text, "TRUE") == 0 ? text : NULL;
}

static const char *take_disabled(const struct source *source, const char *attribute,
                                 const struct directory_value *value)
{
    const char *text = usable(source, value);
    if (text == NULL)
        return NULL;
    if (strcasecmp(attribute, "userAccountControl") == 0)
        return (strtoul(text, NULL, 10) & ACCOUNT_DISABLED) != 0 ? text : NULL;
    /* Any other time is that of a lock which ends by itself. */
    if (strcasecmp(attribute, "pwdAccountLockedTime") == 0)
        return strcmp(text, "000001010000Z") == 0 ? text : NULL;
    return strcasecmp(text, "TRUE") == 0 ? text : NULL;
}

static const char *take_resource(const struct source *source, const char *attribute,
                                 const struct directory_value *value)
{
    (void)attribute;
    static const char *const kinds[] = {RECIPIENT_ROOM, RECIPIENT_EQUIPMENT, "room",
                                        "equipment",    "ResourceType:Room", "ResourceType:Equipment"};
    const char *text = usable(source, value);
    for (size_t i = 0; text != NULL && i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strcasecmp(text, kinds[i]) == 0)
            return text;
    return NULL;
}

/* --- addresses --- */

static const char *address_of(const struct source *source, const char *text)
{
    struct email email;
    const char *detail;
    if (strlen(text) > EMAIL_MAX || strchr(text, '@') == NULL ||
        !email_parse(source->arena, text, "", &email, &detail))
        return NULL;
    return email.address;
}

/* Of proxyAddresses the primary one alone, which has SMTP: in capital letters. */
static const char *take_email(const struct source *source, const char *attribute,
                              const struct directory_value *value)
{
    const char *text = usable(source, value);
    if (text == NULL)
        return NULL;
    if (strcasecmp(attribute, "proxyAddresses") == 0)
        return strncmp(text, "SMTP:", 5) == 0 ? address_of(source, text + 5) : NULL;
    return address_of(source, text);
}

/* --- groups --- */

/* Of the first attribute that has any. */
static void take_members(const struct source *source, const char *names, struct directory_entry *entry)
{
    for (const char *at = names == NULL ? "" : names; *at != '\0' && entry->member_count == 0;) {
        size_t length = strcspn(at, ",");
        const struct directory_attribute *attribute = find(source, at, length);
        if (attribute != NULL && attribute->count > 0) {
            const char **members = arena_alloc(source->arena, attribute->count * sizeof(*members));
            for (size_t i = 0; i < attribute->count && entry->member_count < DIRECTORY_MEMBERS_MAX; i++)
                if (attribute->values[i].length <= DIRECTORY_DN_MAX &&
                    (members[entry->member_count] = usable(source, &attribute->values[i])) != NULL)
                    entry->member_count++;
            entry->members = members;
        }
        at += length + (at[length] == ',');
    }
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void map_group(const struct source *source, const struct directory_mapping *m,
                      struct directory_entry *entry)
{
    bool is_system = first(source, m->is_system, take_true) != NULL;
    entry->user.name = or_empty(first(source, m->group_name, take_text));
    entry->user.type = group_types[is_system ? 1 : 0];
    entry->user.display_name = first(source, m->group_display_name, take_text);
    entry->description = first(source, m->group_description, take_text);
    entry->proposed_email = first(source, m->group_email, take_email);
    take_members(source, m->group_members, entry);
}

static void map_user(const struct source *source, const struct directory_mapping *m,
                     struct directory_entry *entry)
{
    struct user *user = &entry->user;
    user->name = or_empty(first(source, m->name, take_text));
    user->type = first(source, m->is_system, take_true) != NULL           ? "SYSTEM_USER"
                 : first(source, m->resource_type, take_resource) != NULL ? "RESOURCE"
                                                                          : "USER";
    user->first_name = first(source, m->first_name, take_text);
    user->last_name = first(source, m->last_name, take_text);
    user->display_name = first(source, m->display_name, take_text);
    user->initials = first(source, m->initials, take_text);
    user->street = first(source, m->street, take_text);
    user->city = first(source, m->city, take_text);
    user->zip_code = first(source, m->zip_code, take_text);
    user->country = first(source, m->country, take_text);
    user->telephone = first(source, m->telephone, take_text);
    user->job_title = first(source, m->job_title, take_text);
    user->department = first(source, m->department, take_text);
    user->company = first(source, m->company, take_text);
    user->office = first(source, m->office, take_text);
    entry->is_disabled = first(source, m->is_disabled, take_disabled) != NULL;
    entry->proposed_email = first(source, m->email, take_email);
}

bool directory_entry_map(struct arena *arena, const struct directory_mapping *mapping, bool is_group,
                         const char *dn, const struct directory_attribute *attributes, size_t count,
                         struct directory_entry *ret_entry)
{
    struct source source = {.arena = arena, .attributes = attributes, .count = count};
    struct directory_entry entry = {.dn = dn, .is_group = is_group, .user.quota_mb = USER_QUOTA_DEFAULT_MB};

    entry.external_id = first(&source, mapping->external_id, take_id);
    if (entry.external_id == NULL)
        return false;
    entry.user.hidden_from_address_list =
        first(&source, mapping->hidden_from_address_list, take_true) != NULL;
    if (is_group)
        map_group(&source, mapping, &entry);
    else
        map_user(&source, mapping, &entry);
    *ret_entry = entry;
    return true;
}
