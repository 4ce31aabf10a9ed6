#include "ldap/test.h"

#include "ldap/entry.h"
#include "ldap/follow_method.h"
#include "ldap/reader.h"

struct sought {
    bool is_group;
    int64_t *count;
    struct directory_entry *sample;
    size_t *sample_count;
};

static enum code sample(struct ldap_session *session, const struct directory_connection *connection,
                        struct arena *arena, const struct sought *sought, struct ldap_reader *reader,
                        struct problem *problem)
{
    size_t seen = 0;
    LDAPMessage *message = NULL;
    while (seen < LDAP_TEST_SAMPLE && !reader->is_ended && arena_size(arena) < LDAP_HELD_MAX) {
        enum code code = ldap_reader_next(reader, INT64_MAX, problem, &message);
        if (code != CODE_OK)
            return code;
        if (message == NULL)
            continue;
        seen++;
        if (ldap_entry_read(session, message, &connection->mapping, sought->is_group, arena,
                            &sought->sample[*sought->sample_count]))
            (*sought->sample_count)++;
        ldap_msgfree(message);
    }
    if (seen > 0 && *sought->sample_count == 0)
        return ldap_fault_add(
            problem, LDAP_FAULT_NO_PERMISSION,
            "%s shows entries below %s without a usable %s: give bind_dn the right to read it, or "
            "correct mapping.external_id.",
            session->uri, reader->base, connection->mapping.external_id);
    return CODE_OK;
}

static enum code count(struct ldap_reader *reader, int64_t *ret_count, struct problem *problem)
{
    enum code code = CODE_OK;
    while (code == CODE_OK && !reader->is_ended && *ret_count < LDAP_TEST_COUNTED) {
        LDAPMessage *message;
        code = ldap_reader_next(reader, INT64_MAX, problem, &message);
        *ret_count += message != NULL;
        ldap_msgfree(message);
    }
    return code;
}

static enum code look(struct ldap_session *session, const struct directory_connection *connection,
                      struct arena *arena, const struct sought *sought, struct problem *problem)
{
    const char *base = sought->is_group ? connection->group_base_dn : connection->user_base_dn;
    const char *filter = sought->is_group ? connection->group_filter : connection->user_filter;
    char *nothing[] = {(char *)LDAP_NO_ATTRS, NULL};
    struct ldap_reader reader;
    ldap_reader_begin(&reader, session, base, filter,
                      ldap_entry_attributes(arena, &connection->mapping, sought->is_group, NULL));
    enum code code = sample(session, connection, arena, sought, &reader, problem);
    if (!reader.is_ended && reader.message_id != 0)
        ldap_abandon_ext(session->handle, reader.message_id, NULL, NULL);
    ldap_reader_end(&reader);
    if (code != CODE_OK)
        return code;
    ldap_reader_begin(&reader, session, base, filter, nothing);
    code = count(&reader, sought->count, problem);
    ldap_reader_end(&reader);
    return code;
}

static enum code look_at_both(struct ldap_session *session, const struct directory_connection *connection,
                              struct arena *arena, struct ldap_test *test, struct problem *problem)
{
    struct ldap_root_dse root;
    enum code code = ldap_root_dse_read(session, arena, problem, &root);
    if (code != CODE_OK)
        return code;
    test->method = ldap_follow_method_name(&root, connection);
    code = look(session, connection, arena,
                &(struct sought){false, &test->user_count, test->users, &test->user_sample_count}, problem);
    if (code == CODE_OK)
        code = look(session, connection, arena,
                    &(struct sought){true, &test->group_count, test->groups, &test->group_sample_count},
                    problem);
    return code;
}

void ldap_test(const struct directory_connection *connection, struct arena *arena, int64_t deadline_us,
               struct ldap_test *ret_test)
{
    struct ldap_test test = {.code = "ok"};
    struct problem problem = {.arena = arena};
    struct ldap_session session;
    enum code code = ldap_session_open(connection, deadline_us, &problem, &session);
    if (code == CODE_OK) {
        test.uri = session.uri;
        code = look_at_both(&session, connection, arena, &test, &problem);
        ldap_session_close(&session);
    }
    if (code != CODE_OK) {
        test.code = problem.first_fault->code;
        test.help = problem.first_fault->detail;
    } else if (test.user_count == 0) {
        test.help =
            "No user was found: user_base_dn, user_filter, or the rights of bind_dn may be too narrow.";
    } else {
        test.help = arena_printf(arena, "%lld users and %lld groups were found.", (long long)test.user_count,
                                 (long long)test.group_count);
    }
    *ret_test = test;
}
