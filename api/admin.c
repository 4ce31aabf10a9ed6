#include "api/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/audit_file.h"
#include "api/config.h"
#include "api/database.h"
#include "api/describe.h"
#include "api/privileges.h"
#include "db/account.h"
#include "db/audit_export.h"
#include "db/audit_seal.h"
#include "db/audit_verify.h"
#include "db/interoperability.h"
#include "db/job.h"
#include "db/limit.h"
#include "db/migrate.h"
#include "db/secrets.h"
#include "model/id.h"
#include "model/json_out.h"
#include "model/text.h"

#define MAX_POLICIES 8
#define KNOWN_EVENT_HELP \
    "verify-audit takes --sequence N and --hash HASH of an event that you know, or neither"

/* A command at work. */
struct command {
    struct arena *arena;
    struct config config;
    struct database database;
    struct db_environment environment;
    struct db *db;
    struct problem problem;
    struct change change;
    char error[512];

    /* Options; the last value of each list stays NULL. */
    const char *account[2];
    const char *code[2];
    const char *value[2];
    const char *name[2];
    const char *organization[2];
    const char *policies[MAX_POLICIES + 1];
    const char *access_key_id[2];
    const char *trial[2];
    const char *sequence[2];
    const char *hash[2];
    const char *file[2];
    const char *public_key[2];
};

static int refuse(const char *message)
{
    fprintf(stderr, "postreeve: %s\n", message);
    return 2;
}

static int fail(const struct command *command, enum code code)
{
    const struct fault *fault = command->problem.first_fault;
    const char *detail = fault != NULL                     ? fault->detail
                         : command->problem.detail != NULL ? command->problem.detail
                                                           : code_title(code);
    fprintf(stderr, "postreeve: %s%s%s\n", detail, code == CODE_INTERNAL_ERROR ? ": " : "",
            code == CODE_INTERNAL_ERROR ? db_error(command->db) : "");
    return 1;
}

static int print(struct buffer *json)
{
    puts(buffer_string(json));
    return fflush(stdout) == 0 ? 0 : 1;
}

/* Writes a new access key as members; it is shown this once. */
static void out_access_key(struct buffer *json, struct access_key *key)
{
    out_member(json, "access_key_id", key->access_key_id);
    out_member(json, "secret_access_key", key->secret_access_key);
    secret_wipe(key, sizeof(*key));
}

/* --- commands --- */

static int create_account(struct command *command)
{
    struct access_key key;
    const char *account_id;
    const char *trial = command->trial[0] != NULL ? command->trial[0] : "true";
    struct new_account wanted = {.name = command->name[0], .is_trial = strcmp(trial, "true") == 0};
    if (wanted.name == NULL || !account_name_fits(wanted.name))
        return refuse("create-account needs --name NAME, of up to 128 characters");
    if (!wanted.is_trial && strcmp(trial, "false") != 0)
        return refuse("--trial is true or false");
    enum code code = identity_create_account(command->db, &command->change, &command->database.secret_key,
                                             &wanted, &account_id, &key);
    if (code != CODE_OK)
        return fail(command, code);

    struct buffer json = {.arena = command->arena};
    out_begin_object(&json);
    out_member(&json, "account_id", account_id);
    out_member(&json, "name", wanted.name);
    out_access_key(&json, &key);
    out_end_object(&json);
    return print(&json);
}

static int list_accounts(struct command *command)
{
    struct buffer json = {.arena = command->arena};
    enum code code = account_list(command->db, &command->problem, &json);
    return code == CODE_OK ? print(&json) : fail(command, code);
}

static int end_trial(struct command *command)
{
    enum code code = account_end_trial(command->db, &command->change);
    return code == CODE_OK ? 0 : fail(command, code);
}

static int set_limit(struct command *command)
{
    long long value;
    bool known = false;
    if (command->code[0] == NULL || command->value[0] == NULL)
        return refuse("set-limit needs --limit CODE and --value N");
    if (limit_find(command->code[0]) == NULL)
        return refuse("there is no such limit; see `postreeve admin list-limits`");
    if (!text_to_integer(command->value[0], &value) || value < 0)
        return refuse("--value is a number from 0");
    enum code code = limit_set(command->db, &command->change, command->code[0], value, &known);
    if (code != CODE_OK)
        return fail(command, code);
    return known ? 0 : refuse("there is no such account");
}

static int list_limits(struct command *command)
{
    struct buffer json = {.arena = command->arena};
    enum code code = limit_list(command->db, command->change.account_id, &command->problem, &json);
    return code == CODE_OK ? print(&json) : fail(command, code);
}

static int reset_root_key(struct command *command)
{
    enum code code = identity_reset_root_key(command->db, &command->change, &command->database.secret_key,
                                             command->config.state_dir);
    return code == CODE_OK ? 0 : fail(command, code);
}

static int create_iam_user(struct command *command)
{
    struct access_key key;
    const char *iam_user_id;
    if (command->name[0] == NULL)
        return refuse("create-iam-user needs --name NAME");
    enum code code = identity_create_user(command->db, &command->change, &command->database.secret_key,
                                          command->name[0], command->policies, &iam_user_id, &key);
    if (code != CODE_OK)
        return fail(command, code);

    struct buffer json = {.arena = command->arena};
    out_begin_object(&json);
    out_member(&json, "iam_user_id", iam_user_id);
    out_access_key(&json, &key);
    out_end_object(&json);
    return print(&json);
}

static int disable_access_key(struct command *command)
{
    bool known = false;
    if (command->access_key_id[0] == NULL)
        return refuse("disable-access-key needs --access-key-id ID");
    enum code code = identity_disable_key(command->db, &command->change, command->access_key_id[0], &known);
    if (code != CODE_OK)
        return fail(command, code);
    return known ? 0 : refuse("there is no such access key");
}

static int verify_secrets(struct command *command)
{
    struct buffer json = {.arena = command->arena};
    bool whole = false;
    enum code code = secrets_verify(command->db, &command->problem, &json, &whole);
    if (code != CODE_OK)
        return fail(command, code);
    int status = print(&json);
    return whole ? status : 1;
}

/* False unless the options name an event that is known, or none. */
static bool read_known_event(const struct command *command, struct audit_verify *ret_asked)
{
    long long sequence = 0;
    if ((command->sequence[0] == NULL) != (command->hash[0] == NULL) ||
        (command->sequence[0] != NULL && (!text_to_integer(command->sequence[0], &sequence) || sequence < 1)))
        return false;
    *ret_asked =
        (struct audit_verify){.sequence = sequence, .hash = command->hash[0], .limit = AUDIT_VERIFY_LIMIT};
    return true;
}

/* Without a database, which may be far away. */
static int verify_audit_file(struct command *command)
{
    struct audit_file wanted = {.public_key = command->public_key[0], .chain = command->account[0]};
    struct buffer json = {.arena = command->arena};
    bool whole = false;
    if (!read_known_event(command, &wanted.asked))
        return refuse(KNOWN_EVENT_HELP);
    FILE *file = fopen(command->file[0], "r");
    const char *error = file != NULL ? audit_file_verify(&wanted, file, &json, &whole) : strerror(errno);
    if (file != NULL)
        fclose(file);
    if (error != NULL) {
        fprintf(stderr, "postreeve: %s: %s\n", command->file[0], error);
        return 1;
    }
    if (wanted.public_key == NULL)
        fprintf(stderr,
                "postreeve: the public key is what the export says: compare it with the one you know\n");
    int status = print(&json);
    return whole ? status : 1;
}

/* `--account installation` names the chain that no account has. */
static int verify_audit(struct command *command)
{
    struct audit_verify asked;
    bool whole = true;
    if (command->public_key[0] != NULL)
        return refuse("--public-key goes with --file: the service knows its own");
    if (!read_known_event(command, &asked))
        return refuse(KNOWN_EVENT_HELP);
    struct buffer json;
    do {
        json = (struct buffer){.arena = command->arena};
        enum code code =
            audit_verify(command->db, command->change.account_id, command->database.audit_key.bytes, &asked,
                         &command->problem, &json, &whole, &asked);
        if (code != CODE_OK)
            return fail(command, code);
    } while (asked.hash != NULL);
    int status = print(&json);
    return whole ? status : 1;
}

static int export_audit(struct command *command)
{
    struct audit_export asked = {.limit = AUDIT_EXPORT_MAX};
    long long sequence = 0;
    if (command->sequence[0] != NULL && (!text_to_integer(command->sequence[0], &sequence) || sequence < 1))
        return refuse("--sequence is the number of the event behind which the export begins");
    asked.after = sequence;
    do {
        struct buffer lines = {.arena = arena_new()};
        enum code code =
            audit_export(command->db, command->change.account_id, command->database.audit_key.bytes, &asked,
                         &command->problem, &lines, &asked.after);
        bool written = code == CODE_OK && fwrite(lines.data, 1, lines.length, stdout) == lines.length;
        arena_free(lines.arena);
        if (code != CODE_OK)
            return fail(command, code);
        if (!written)
            return 1;
    } while (asked.after != 0);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int restart_audit(struct command *command)
{
    if (strcmp(command->change.account_id, AUDIT_INSTALLATION) == 0)
        command->change.account_id = NULL;
    enum code code = audit_restart(command->db, &command->change, command->database.audit_key.bytes);
    return code == CODE_OK ? print(&command->change.answer.body) : fail(command, code);
}

static int enable_interoperability(struct command *command)
{
    const char *organization_id = command->organization[0];
    if (organization_id == NULL || !id_is_organization(organization_id))
        return refuse("enable-interoperability needs --organization ID, which is m- and 32 hex digits");
    enum code code = interoperability_enable(command->db, &command->change, organization_id);
    return code == CODE_OK ? print(&command->change.answer.body) : fail(command, code);
}

static int retry_jobs(struct command *command)
{
    int64_t count = 0;
    enum code code = job_retry_given_up(command->db, &command->change, &count);
    if (code != CODE_OK)
        return fail(command, code);
    printf("%" PRId64 " job(s) are tried again\n", count);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct command *command);
    bool needs_account;
    const char *action; /* in the audit log; NULL: it changes nothing */
    const char *help;
} commands[] = {
    {"create-account", create_account, false, "operator:CreateAccount",
     "--name NAME [--trial false]   prints its root access key"},
    {"list-accounts", list_accounts, false, NULL, ""},
    {"end-trial", end_trial, true, "operator:EndTrial", "[--account ID]"},
    {"set-limit", set_limit, true, "operator:SetLimit", "--limit CODE --value N [--account ID]"},
    {"list-limits", list_limits, true, NULL, "[--account ID]"},
    {"reset-root-key", reset_root_key, true, "operator:ResetRootKey",
     "[--account ID]   replaces the root access key; see the state folder"},
    {"create-iam-user", create_iam_user, true, "iam:CreateIamUser",
     "--name NAME [--policy POLICY]… [--account ID]"},
    {"disable-access-key", disable_access_key, false, "iam:UpdateAccessKey", "--access-key-id ID"},
    {"verify-secrets", verify_secrets, false, NULL, "tries to open every secret in the database"},
    {"verify-audit", verify_audit, true, NULL,
     "[--sequence N --hash HASH] [--account ID|installation] [--file EXPORT [--public-key KEY]]"},
    {"export-audit", export_audit, true, NULL,
     "[--sequence N] [--account ID|installation]   prints all events"},
    {"restart-audit", restart_audit, true, "operator:RestartAuditLog",
     "[--account ID|installation]   after its head was lost or altered"},
    {"enable-interoperability", enable_interoperability, true, "operator:EnableInteroperability",
     "--organization ID [--account ID]   works beside Exchange from then on"},
    {"retry-jobs", retry_jobs, false, "operator:RetryJobs",
     "background work that was given up is tried again"},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

void admin_print_help(void)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  admin %-20s %s\n", commands[i].name, commands[i].help);
    printf("  admin %-20s %s\n", "describe-api", "prints the tables of routes and members");
}

/* --- around them --- */

static bool open_database(struct command *command)
{
    struct config *config = &command->config;
    return privileges_prepare_state_dir(config->state_dir, config->user, command->error,
                                        sizeof(command->error)) &&
           privileges_drop(config->user, command->error, sizeof(command->error)) &&
           database_check(config, &command->database, command->error, sizeof(command->error)) &&
           database_open(config, DATABASE_COMMAND, command->arena, &command->database, command->error,
                         sizeof(command->error));
}

static bool read_options(struct command *command, int argc, char **argv)
{
    const struct config_option options[] = {
        {"account", command->account, 1},
        {"limit", command->code, 1},
        {"value", command->value, 1},
        {"name", command->name, 1},
        {"policy", command->policies, MAX_POLICIES},
        {"access-key-id", command->access_key_id, 1},
        {"organization", command->organization, 1},
        {"trial", command->trial, 1},
        {"sequence", command->sequence, 1},
        {"hash", command->hash, 1},
        {"file", command->file, 1},
        {"public-key", command->public_key, 1},
        {NULL, NULL, 0},
    };
    return config_read(command->arena, argc, argv, options, &command->config, command->error,
                       sizeof(command->error));
}

static int run_command(struct command *command, size_t index)
{
    command->environment = (struct db_environment){.conninfo = command->database.conninfo,
                                                   .settings = &command->config.settings,
                                                   .secret_key = &command->database.secret_key,
                                                   .audit_key = &command->database.audit_key};
    if (!database_prepare(&command->database, &command->environment, &command->config, command->error,
                          sizeof(command->error))) {
        fprintf(stderr, "postreeve: %s\n", command->error);
        return 1;
    }
    command->db = db_new(&command->environment, 30000);
    command->problem = (struct problem){.arena = command->arena};
    command->change = (struct change){.arena = command->arena,
                                      .problem = &command->problem,
                                      .account_id = command->account[0],
                                      .actor = "operator",
                                      .operation = commands[index].name,
                                      .asked.action = commands[index].action};
    enum code code = db_connect(command->db) ? CODE_OK : CODE_DATABASE_UNAVAILABLE;
    if (code == CODE_OK && commands[index].needs_account && command->account[0] == NULL)
        code = identity_only_account(command->db, &command->problem, command->arena,
                                     &command->change.account_id);
    int status = code == CODE_OK ? commands[index].run(command) : fail(command, code);
    db_free(command->db);
    return status;
}

int admin_main(int argc, char **argv)
{
    size_t index = 0;
    if (argc > 0 && strcmp(argv[0], "describe-api") == 0) {
        describe_api();
        return 0;
    }
    while (index < COMMAND_COUNT && (argc == 0 || strcmp(argv[0], commands[index].name) != 0))
        index++;
    if (index == COMMAND_COUNT)
        return refuse("there is no such admin command; see `postreeve help`");

    struct command command = {.arena = arena_new()};
    int status;
    if (!read_options(&command, argc - 1, argv + 1)) {
        status = refuse(command.error);
    } else if (command.file[0] != NULL && commands[index].run != verify_audit) {
        status = refuse("--file goes with verify-audit");
    } else if (command.file[0] != NULL) {
        status = verify_audit_file(&command);
    } else if (!open_database(&command)) {
        fprintf(stderr, "postreeve: %s\n", command.error);
        status = 1;
    } else {
        status = run_command(&command, index);
        database_close(&command.database);
    }
    arena_free(command.arena);
    return status;
}

int migrate_main(int argc, char **argv)
{
    struct command command = {.arena = arena_new()};
    int status = 1;
    int applied = 0;
    if (!config_read(command.arena, argc, argv, NULL, &command.config, command.error,
                     sizeof(command.error))) {
        status = refuse(command.error);
    } else if (!open_database(&command)) {
        fprintf(stderr, "postreeve: %s\n", command.error);
    } else {
        if (migrate_run(command.database.conninfo, &applied, command.error, sizeof(command.error))) {
            printf("%d migration(s) applied\n", applied);
            status = 0;
        } else {
            fprintf(stderr, "postreeve: %s\n", command.error);
        }
        database_close(&command.database);
    }
    arena_free(command.arena);
    return status;
}
