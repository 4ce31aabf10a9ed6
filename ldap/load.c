#include <string.h>

#include "ldap/follow_method.h"

#define FEW_TIMES 8 /* what is asked for by its ids is told in one batch: groups may have many members */

static void begin_search(struct ldap_follow *follow, bool is_groups)
{
    const struct directory_connection *connection = follow->connection;
    struct ldap_load *load = &follow->load;
    const char *filter = is_groups ? connection->group_filter : connection->user_filter;
    if (load->since != NULL)
        filter = arena_printf(load->arena, "(&%s%s)", filter, load->since);
    load->is_groups = is_groups;
    ldap_reader_begin(&load->reader, &follow->session,
                      is_groups ? connection->group_base_dn : connection->user_base_dn, filter,
                      ldap_entry_attributes(load->arena, &connection->mapping, is_groups, load->more));
}

void ldap_load_begin(struct ldap_follow *follow, const char *since, const char *more)
{
    ldap_load_end(&follow->load);
    follow->load = (struct ldap_load){.arena = arena_new(), .is_going = true};
    follow->load.since = since == NULL ? NULL : arena_string(follow->load.arena, since);
    follow->load.more = more;
    ldap_follow_heard(follow);
    begin_search(follow, false);
}

void ldap_load_end(struct ldap_load *load)
{
    if (!load->is_going)
        return;
    load->is_going = false;
    ldap_reader_end(&load->reader);
    arena_free(load->arena);
}

static void take(struct ldap_follow *follow, struct follow_turn *turn, LDAPMessage *message, bool is_group)
{
    struct directory_entry entry;
    ldap_follow_heard(follow);
    if (ldap_entry_read(&follow->session, message, &follow->connection->mapping, is_group, turn->batch.arena,
                        &entry))
        ldap_batch_change(&turn->batch, &entry);
}

static void note_time(struct ldap_follow *follow, LDAPMessage *message, struct arena *arena)
{
    struct ldap_load *load = &follow->load;
    const char *text =
        load->more == NULL ? NULL : ldap_entry_text(follow->session.handle, message, load->more, arena);
    if (text != NULL && strlen(text) < sizeof(load->newest) && strcmp(text, load->newest) > 0)
        memcpy(load->newest, text, strlen(text) + 1);
}

enum code ldap_load_next(struct ldap_follow *follow, struct follow_turn *turn)
{
    struct ldap_load *load = &follow->load;
    turn->ret_batch->starts_full = load->since == NULL && !load->is_told;
    load->is_told = true;
    while (!ldap_batch_is_full(&turn->batch)) {
        LDAPMessage *message;
        enum code code = ldap_reader_next(&load->reader, turn->until_us, turn->problem, &message);
        if (code != CODE_OK)
            return code;
        if (message != NULL) {
            take(follow, turn, message, load->is_groups);
            note_time(follow, message, turn->batch.arena);
            ldap_msgfree(message);
        } else if (load->reader.is_ended && load->is_groups) {
            turn->ret_batch->ends_full = load->since == NULL;
            ldap_load_end(load);
            return CODE_OK;
        } else if (load->reader.is_ended) {
            ldap_reader_end(&load->reader);
            begin_search(follow, true);
        } else {
            break;
        }
    }
    turn->ret_batch->has_more = true;
    return CODE_OK;
}

static bool is_too_large(const struct follow_turn *turn)
{
    return arena_size(turn->batch.arena) >= FEW_TIMES * LDAP_HELD_MAX;
}

enum code ldap_load_few(struct ldap_follow *follow, struct follow_turn *turn, bool is_group,
                        const char *filter, size_t most)
{
    const struct directory_connection *connection = follow->connection;
    struct ldap_reader reader;
    LDAPMessage *message;
    enum code code;
    ldap_follow_heard(follow);
    int64_t deadline_us = follow->session.deadline_us; /* of all of them: nothing can end it before */
    ldap_reader_begin(&reader, &follow->session,
                      is_group ? connection->group_base_dn : connection->user_base_dn, filter,
                      ldap_entry_attributes(turn->batch.arena, &connection->mapping, is_group, NULL));
    reader.most = most;
    do {
        code = ldap_reader_next(&reader, INT64_MAX, turn->problem, &message);
        if (code == CODE_OK && message != NULL)
            take(follow, turn, message, is_group);
        ldap_msgfree(message);
        follow->session.deadline_us = deadline_us;
        if (code == CODE_OK && is_too_large(turn))
            code = ldap_fault_add(turn->problem, LDAP_FAULT_LIMIT_EXCEEDED,
                                  "Entries of %s that have changed are too large together.",
                                  follow->session.uri);
    } while (code == CODE_OK && !reader.is_ended);
    ldap_reader_end(&reader);
    return code;
}
