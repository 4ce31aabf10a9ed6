/* Speaks to LDAP servers as the service does, for tests/ldap: what comes is told as lines of JSON on standard output.
 *
 *     ldap_probe TYPE test
 *     ldap_probe TYPE follow [COOKIE]      one line for each batch that says something, until standard input ends
 *     ldap_probe TYPE password DN PASSWORD
 *     ldap_probe TYPE write                commands as lines of JSON on standard input, an answer for each
 *
 * The connection is the first line of standard input. */
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ldap/bind.h"
#include "ldap/follow.h"
#include "ldap/library.h"
#include "ldap/test.h"
#include "ldap/write.h"
#include "model/json_out.h"

#define DEADLINE_US 20000000

static int64_t deadline_us;

static int64_t deadline(void)
{
    return ldap_now_us() + deadline_us;
}

static void print(struct buffer *out)
{
    printf("%s\n", buffer_string(out));
    fflush(stdout);
}

static void print_problem(struct arena *arena, enum code code, const struct problem *problem)
{
    struct buffer out = {.arena = arena};
    out_begin_object(&out);
    out_member(&out, "code", code == CODE_OK ? "ok" : code_name(code));
    if (code != CODE_OK && problem->first_fault != NULL) {
        out_member(&out, "fault", problem->first_fault->code);
        out_member(&out, "pointer", problem->first_fault->pointer);
        out_member(&out, "detail", problem->first_fault->detail);
    } else if (code != CODE_OK) {
        out_member(&out, "detail", problem->detail);
    }
    out_end_object(&out);
    print(&out);
}

static void write_entry(struct buffer *out, const struct directory_entry *entry)
{
    out_begin_object(out);
    out_member(out, "external_id", entry->external_id);
    out_member(out, "dn", entry->dn);
    out_member_boolean(out, "is_group", entry->is_group);
    out_member_boolean(out, "is_disabled", entry->is_disabled);
    out_member(out, "name", entry->user.name);
    out_member(out, "type", entry->user.type);
    out_member(out, "display_name", entry->user.display_name);
    out_member(out, "first_name", entry->user.first_name);
    out_member(out, "last_name", entry->user.last_name);
    out_member(out, "job_title", entry->user.job_title);
    out_member(out, "city", entry->user.city);
    out_member(out, "description", entry->description);
    out_member(out, "proposed_email", entry->proposed_email);
    if (entry->is_group) {
        out_name(out, "members");
        out_begin_array(out);
        for (size_t i = 0; i < entry->member_count; i++)
            out_string(out, entry->members[i]);
        out_end_array(out);
    }
    out_end_object(out);
}

static void write_entries(struct buffer *out, const char *name, const struct directory_entry *entries,
                          size_t count)
{
    out_name(out, name);
    out_begin_array(out);
    for (size_t i = 0; i < count; i++)
        write_entry(out, &entries[i]);
    out_end_array(out);
}

/* The most memory that was resident, of this program alone: what getrusage says counts its parent's, too. */
static int64_t peak_kib(void)
{
    char line[128];
    long long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoll(line + 6, NULL, 10);
    if (status != NULL)
        fclose(status);
    return kib;
}

static int run_test(struct arena *arena, const struct directory_connection *connection)
{
    struct buffer out = {.arena = arena};
    struct ldap_test test;
    ldap_test(connection, arena, deadline(), &test);
    out_begin_object(&out);
    out_member(&out, "code", test.code);
    out_member(&out, "help", test.help);
    out_member(&out, "uri", test.uri);
    out_member(&out, "method", test.method);
    out_member_integer(&out, "peak_kib", peak_kib());
    out_member_integer(&out, "user_count", test.user_count);
    out_member_integer(&out, "group_count", test.group_count);
    write_entries(&out, "users", test.users, test.user_sample_count);
    write_entries(&out, "groups", test.groups, test.group_sample_count);
    out_end_object(&out);
    print(&out);
    return 0;
}

static void print_batch(struct arena *arena, const struct ldap_follow *follow,
                        const struct directory_batch *batch)
{
    struct buffer out = {.arena = arena};
    out_begin_object(&out);
    out_member(&out, "method", ldap_follow_method(follow));
    out_member_boolean(&out, "starts_full", batch->starts_full);
    out_member_boolean(&out, "ends_full", batch->ends_full);
    out_member(&out, "cookie", batch->cookie);
    write_entries(&out, "changed", batch->changed, batch->changed_count);
    out_name(&out, "deleted");
    out_begin_array(&out);
    for (size_t i = 0; i < batch->deleted_count; i++)
        out_string(&out, batch->deleted[i]);
    out_end_array(&out);
    out_end_object(&out);
    print(&out);
}

static bool input_ended(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    return poll(&input, 1, 0) == 1 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static int run_follow(struct arena *arena, const struct directory_connection *connection, const char *cookie)
{
    struct problem problem = {.arena = arena};
    struct ldap_follow *follow = NULL;
    enum code code = ldap_follow_open(connection, cookie, deadline(), &problem, &follow);
    while (code == CODE_OK && !input_ended()) {
        struct arena *turn = arena_new();
        struct directory_batch batch;
        code = ldap_follow_next(follow, turn, 500, &batch, &problem);
        if (code == CODE_OK && (batch.changed_count > 0 || batch.deleted_count > 0 || batch.starts_full ||
                                batch.ends_full || batch.cookie != NULL))
            print_batch(turn, follow, &batch);
        arena_free(turn);
    }
    if (code != CODE_OK)
        print_problem(arena, code, &problem);
    ldap_follow_close(follow);
    return 0;
}

static int run_password(struct arena *arena, const struct directory_connection *connection, const char *dn,
                        const char *password)
{
    struct problem problem = {.arena = arena};
    enum code code = ldap_check_password(connection, dn, password, deadline(), &problem);
    print_problem(arena, code, &problem);
    return 0;
}

static const char *text(const json_t *command, const char *name)
{
    return json_string_value(json_object_get(command, name));
}

/* The members of the command's object `user`, and which there are. */
static uint64_t read_user(const json_t *command, struct user *user)
{
    const json_t *members = json_object_get(command, "user");
    uint64_t set = 0;
    for (size_t i = 0; i < user_table.count; i++) {
        const struct field *field = &user_table.fields[i];
        const json_t *value = json_object_get(members, field->name);
        if (value == NULL || field->kind != FIELD_STRING || (field->flags & FIELD_READ_ONLY) != 0)
            continue;
        field_store(field, json_string_value(value), user);
        set |= UINT64_C(1) << i;
    }
    return set;
}

static enum code run_command(const struct directory_connection *connection, const json_t *command,
                             struct problem *problem, struct directory_entry *entry)
{
    const char *verb = text(command, "do"), *id = text(command, "external_id");
    struct user user = {0};
    uint64_t set = read_user(command, &user);
    if (strcmp(verb, "create_user") == 0)
        return ldap_create_user(connection, &user, deadline(), problem, entry);
    if (strcmp(verb, "modify_user") == 0)
        return ldap_modify_user(connection, id, set, &user, deadline(), problem, entry);
    if (strcmp(verb, "set_password") == 0)
        return ldap_set_password(connection, id, text(command, "password"), deadline(), problem);
    return ldap_delete_user(connection, id, deadline(), problem);
}

static int run_write(const struct directory_connection *connection)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        struct arena *arena = arena_new();
        struct problem problem = {.arena = arena};
        struct directory_entry entry = {0};
        json_t *command = json_loads(line, 0, NULL);
        enum code code = run_command(connection, command, &problem, &entry);
        if (code == CODE_OK && entry.external_id != NULL) {
            struct buffer out = {.arena = arena};
            out_begin_object(&out);
            out_member(&out, "code", "ok");
            write_entries(&out, "entry", &entry, 1);
            out_end_object(&out);
            print(&out);
        } else {
            print_problem(arena, code, &problem);
        }
        json_decref(command);
        arena_free(arena);
    }
    free(line);
    return 0;
}

/* Byte by byte: the rest of standard input is for others. */
static const char *read_line(struct arena *arena)
{
    struct buffer line = {.arena = arena};
    char byte;
    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
        buffer_byte(&line, byte);
    return buffer_string(&line);
}

static int run(struct arena *arena, int count, char **arguments)
{
    struct directory_connection connection;
    struct problem problem = {.arena = arena};
    bool is_plain_allowed = getenv("PLAIN_ALLOWED") != NULL;
    enum code code = directory_connection_read(arena, arguments[1], read_line(arena), is_plain_allowed,
                                               &connection, &problem);
    if (code != CODE_OK) {
        print_problem(arena, code, &problem);
        return 0;
    }
    const char *verb = arguments[2];
    if (strcmp(verb, "follow") == 0)
        return run_follow(arena, &connection, count > 3 ? arguments[3] : NULL);
    if (strcmp(verb, "password") == 0 && count == 5)
        return run_password(arena, &connection, arguments[3], arguments[4]);
    if (strcmp(verb, "write") == 0)
        return run_write(&connection);
    return run_test(arena, &connection);
}

int main(int argc, char **argv)
{
    const char *seconds = getenv("DEADLINE_S");
    if (argc < 3)
        return 2;
    deadline_us = seconds != NULL ? strtoll(seconds, NULL, 10) * 1000000 : DEADLINE_US;
    signal(SIGPIPE, SIG_IGN);
    ldap_library_start();
    struct arena *arena = arena_new();
    int status = run(arena, argc, argv);
    arena_free(arena);
    return status;
}
