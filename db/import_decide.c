#include <string.h>

#include "db/address.h"
#include "db/import_rows.h"
#include "db/limit.h"
#include "model/id.h"

#define BIT(member) (UINT64_C(1) << (member))
/* Not compared and merged like the others. */
#define APART                                                                                               \
    (BIT(IMPORT_KIND) | BIT(IMPORT_NAME) | BIT(IMPORT_EMAIL) | BIT(IMPORT_ALIASES) | BIT(IMPORT_PASSWORD) | \
     BIT(IMPORT_PASSWORD_HASH) | BIT(IMPORT_MEMBERS))

static void fault(struct import_line *line, const char *member, enum code code, const char *detail)
{
    problem_add_member(&line->problem, member, code_name(code), "%s", detail);
}

static const struct import_known *find(const struct import_known *known, const char *name)
{
    while (known != NULL && strcmp(known->name, name) != 0)
        known = known->next;
    return known;
}

/* Whether it can have the address; *ret_has: it has it already. */
static bool can_have(const struct import_line *line, const char *address, bool *ret_has)
{
    const struct import_known *owner = find(line->owners, address);
    *ret_has =
        owner != NULL &&
        ((line->is_there && owner->entity_id != NULL && strcmp(owner->entity_id, line->entity_id) == 0) ||
         (owner->entity_id == NULL && line->was_tried));
    return owner == NULL || *ret_has;
}

static void decide_address(const struct import_work *work, struct import_line *line)
{
    bool has = false;
    bool is_enabled = line->is_there && strcmp(line->state, "ENABLED") == 0;
    line->enables = line->makes_primary = false;
    if (line->primary == NULL || line->was_tried)
        return;
    /* Who has a password and no address named is enabled when he is made; later, a password alone enables nobody. */
    if (line->entry.email == NULL && line->is_there)
        return;
    if (!can_have(line, line->primary, &has))
        fault(
            line, "email", CODE_EMAIL_ADDRESS_IN_USE,
            "It belongs to another user, group or resource, or is kept for one that was disabled or deleted.");
    line->enables = !is_enabled;
    line->makes_primary = is_enabled && (line->email == NULL || strcmp(line->email, line->primary) != 0);
    if (line->makes_primary && !has && line->alias_count + 1 > work->alias_limit)
        fault(line, "email", CODE_LIMIT_EXCEEDED, "The old primary address would be one alias too many.");
    if (line->enables && !line->is_group && work->trial_room == 0)
        fault(line, "email", CODE_LIMIT_EXCEEDED, limit_rows[LIMIT_TRIAL_USERS].error);
}

static void decide_aliases(const struct import_work *work, struct import_line *line)
{
    size_t count = 0, wanted = 0;
    bool has;
    while (line->aliases[wanted] != NULL)
        wanted++;
    line->new_aliases = arena_alloc(work->change->arena, (wanted + 1) * sizeof(char *));
    for (size_t i = 0; i < wanted; i++) {
        const char *alias = line->aliases[i];
        bool repeated = line->primary != NULL && strcmp(alias, line->primary) == 0;
        for (size_t k = 0; k < i; k++)
            repeated |= strcmp(line->aliases[k], alias) == 0;
        if (!can_have(line, alias, &has))
            problem_add_member(&line->problem, "aliases", code_name(CODE_EMAIL_ADDRESS_IN_USE),
                               "%s belongs to another user, group or resource.", alias);
        else if (!has && !repeated)
            line->new_aliases[count++] = alias;
    }
    if (count == 0 || line->was_tried)
        return;
    if (!line->enables && !(line->is_there && strcmp(line->state, "ENABLED") == 0))
        fault(line, "aliases", CODE_ENTITY_STATE,
              "Only who is enabled has aliases; give a primary address in email.");
    int64_t present = line->is_there ? line->alias_count : 0;
    if (line->enables && line->primary != NULL && line->test_alias != NULL &&
        strcmp(line->test_alias, line->primary) != 0)
        present += !line->is_there; /* it comes along; who was enabled before has it */
    for (size_t i = 0; i < count; i++)
        if (line->enables && line->test_alias != NULL && strcmp(line->new_aliases[i], line->test_alias) == 0)
            present--; /* named as well: it is one and the same */
    if (present + (int64_t)count + line->makes_primary > work->alias_limit)
        problem_add_member(&line->problem, "aliases", code_name(CODE_LIMIT_EXCEEDED),
                           "%s: %lld for each %s. The operator can raise it (limit %s).",
                           limit_rows[LIMIT_ALIASES_PER_USER].error, (long long)work->alias_limit,
                           limit_rows[LIMIT_ALIASES_PER_USER].scope, limit_rows[LIMIT_ALIASES_PER_USER].code);
}

static bool decide_members(struct import_line *line)
{
    bool adds = false;
    for (const char *const *name = line->entry.members; name != NULL && *name != NULL; name++) {
        const struct import_known *member = find(line->members, *name);
        if (member == NULL)
            problem_add_member(&line->problem, "members", code_name(CODE_ENTITY_NOT_FOUND),
                               "No user or group of this organization has the name \"%s\".", *name);
        else
            adds |= !member->is_in;
    }
    return adds;
}

/* Texts that are the same, both without one included. */
static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same(const struct field *field, const struct import_entry *a, const struct import_entry *b)
{
    const char *at = (const char *)a + field->offset;
    const char *bt = (const char *)b + field->offset;
    if (field->kind == FIELD_BOOLEAN)
        return *(const bool *)at == *(const bool *)bt;
    if (field->kind == FIELD_INTEGER)
        return *(const int64_t *)(const void *)at == *(const int64_t *)(const void *)bt;
    return is_same_text(*(const char *const *)(const void *)at, *(const char *const *)(const void *)bt);
}

static uint64_t find_changed(const struct import_line *line)
{
    uint64_t changed = 0;
    for (unsigned i = 0; i < IMPORT_MEMBER_COUNT; i++)
        if ((line->set & ~APART & BIT(i)) != 0 &&
            !is_same(&import_entry_table.fields[i], &line->entry, &line->present))
            changed |= BIT(i);
    if (line->entry.password_hash != NULL &&
        !is_same_text(line->entry.password_hash, line->present.password_hash))
        changed |= BIT(IMPORT_PASSWORD_HASH);
    return changed;
}

static void decide_new(struct import_work *work, struct import_line *line)
{
    line->is_new = true;
    line->entity_id = id_new_uuid(work->change->arena);
    line->changed = line->set & ~APART;
    if (line->entry.password_hash != NULL)
        line->changed |= BIT(IMPORT_PASSWORD_HASH);
    if (line->entry.display_name == NULL && line->is_group)
        line->entry.display_name = line->entry.name;
    if (line->entry.display_name == NULL)
        problem_add_member(&line->problem, "display_name", "required",
                           "There is no such user yet: a new one needs this member.");
    if ((line->set & BIT(IMPORT_QUOTA_MB)) == 0)
        line->entry.quota_mb = USER_QUOTA_DEFAULT_MB;
    if (address_is_reserved(work->db, email_local_part_of_name(work->change->arena, line->entry.name)))
        fault(line, "name", CODE_RESERVED_NAME, "This name is kept for the sender of journal records.");
}

static void decide_present(struct import_line *line)
{
    line->is_new = false;
    if (strcmp(line->kind, line->is_group ? "GROUP" : "USER") != 0)
        fault(line, "name", CODE_NAME_TAKEN, "A user, group or resource of another kind has this name.");
    else if (strcmp(line->type, line->is_group ? "GROUP" : "USER") != 0)
        fault(line, "name", CODE_ENTITY_STATE,
              "This is one of the directory's own; it is listed but not changed.");
    else
        line->changed = find_changed(line);
}

void import_decide(struct import_work *work, struct import_line *line)
{
    line->changed = 0;
    if (work->organization->is_interoperable) {
        fault(line, "name", CODE_INTEROPERABILITY_MODE,
              "The organization works beside Exchange, since the upload: users and groups come from there.");
        return;
    }
    if (line->is_there)
        decide_present(line);
    else if (!line->was_tried)
        decide_new(work, line);
    if (line->problem.first_fault == NULL || !line->is_there) {
        decide_address(work, line);
        decide_aliases(work, line);
    }
    bool adds = decide_members(line);
    if (line->problem.first_fault != NULL)
        return;
    if (line->enables && !line->is_group && work->trial_room > 0)
        work->trial_room--;
    bool changes =
        line->changed != 0 || line->enables || line->makes_primary || line->new_aliases[0] != NULL || adds;
    line->outcome = line->is_new ? "CREATED" : changes || line->was_tried ? "UPDATED" : "UNCHANGED";
}
