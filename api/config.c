#include "api/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/cors.h"
#include "api/proxy.h"
#include "model/buffer.h"
#include "model/dns_resolvers.h"
#include "model/email.h"
#include "model/log.h"
#include "model/mail_domain.h"
#include "model/network.h"
#include "model/text.h"

enum kind { TEXT, NUMBER };

struct setting {
    const char *name; /* the flag; `-` becomes `_` in the environment and may be either in the file */
    enum kind kind;
    size_t offset;
    const char *fallback; /* NULL: not set */
    long long min, max;
    const char *help;
};

#define TEXT_SETTING(member, flag, fallback_text, help_text)                        \
    {                                                                               \
        flag, TEXT, offsetof(struct config, member), fallback_text, 0, 0, help_text \
    }
#define NUMBER_SETTING(member, flag, fallback_text, minimum, maximum, help_text)                  \
    {                                                                                             \
        flag, NUMBER, offsetof(struct config, member), fallback_text, minimum, maximum, help_text \
    }

static const struct setting settings[] = {
    TEXT_SETTING(listen, "listen", "127.0.0.1:8080", "HOST:PORT to serve on; port 0 takes a free one"),
    TEXT_SETTING(metrics_listen, "metrics-listen", NULL,
                 "HOST:PORT to show metrics on, without a credential: choose an address that only you reach"),
    TEXT_SETTING(tls_cert, "tls-cert", NULL,
                 "serve HTTPS with this certificate: a PEM file, its own first, then what leads to the root"),
    TEXT_SETTING(tls_key, "tls-key", NULL, "PEM file of its key; both are read again upon SIGHUP"),
    TEXT_SETTING(trusted_proxies, "trusted-proxies", NULL,
                 "addresses and networks, by comma, whose Forwarded and X-Forwarded-… headers count"),
    TEXT_SETTING(cors_origins, "cors-origins", NULL,
                 "origins, by comma, whose pages may call the service from a browser"),
    TEXT_SETTING(
        state_dir, "state-dir", NULL,
        "where keys and the embedded database are kept (root: /var/lib/postreeve, else ~/.local/state/postreeve)"),
    TEXT_SETTING(database, "database", NULL,
                 "libpq connection URI; without it an embedded PostgreSQL is run"),
    TEXT_SETTING(postgresql_bin_dir, "postgresql-bin-dir", "/usr/lib/postgresql/15/bin",
                 "programs of the embedded PostgreSQL"),
    TEXT_SETTING(root_key_file, "root-key-file", NULL,
                 "key of all secrets at rest; or $POSTREEVE_ROOT_KEY, or the systemd credential root-key"
                 " (else STATE/root-key, made at first)"),
    TEXT_SETTING(user, "user", "postreeve", "whom to become when started as root"),
    TEXT_SETTING(service_domain, "service-domain", "postreeve.test", "parent of all test mail domains"),
    TEXT_SETTING(ownership_label, "ownership-label", "_amazonses",
                 "label below a mail domain at which the proof of its ownership is published"),
    TEXT_SETTING(
        dns_resolvers, "dns-resolvers", NULL,
        "DNS resolvers, IP or IP:PORT (an IPv6 one in brackets), by comma; without it those of /etc/resolv.conf"),
    NUMBER_SETTING(dns_port, "dns-port", "53", 1, 65535,
                   "port at which the name servers of mail domains are asked"),
    NUMBER_SETTING(directory_plain, "directory-plain", "0", 0, 1,
                   "1: external directories may be asked without TLS also on other hosts; passwords go over"
                   " the network as they are"),
    NUMBER_SETTING(domain_verification_timeout, "domain-verification-timeout", "259200", 1, 315360000,
                   "seconds that a mail domain waits for the proof of its ownership"),
    NUMBER_SETTING(
        domain_proof_grace, "domain-proof-grace", "604800", 1, 315360000,
        "seconds that a verified mail domain may lack its proof before its organization is IMPAIRED"),
    TEXT_SETTING(journaling_sender, "journaling-sender", "amazonjournaling",
                 "local part of the address, in each test mail domain, that journal records come from"),
    TEXT_SETTING(region, "region", "us-east-1", "region of organizations whose creator names none"),
    TEXT_SETTING(regions, "regions", "us-east-1,us-west-2,eu-west-1", "all regions, by comma"),
    NUMBER_SETTING(mailbox_retention, "mailbox-retention", "2592000", 1, 315360000,
                   "seconds that a disabled user's mailbox is kept"),
    NUMBER_SETTING(health_check_interval, "health-check-interval", "86400", 1, 31536000,
                   "seconds from one check of an organization to the next, about"),
    NUMBER_SETTING(cleaning_interval, "cleaning-interval", "60", 1, 86400,
                   "seconds between two removals of old records"),
    NUMBER_SETTING(idempotency_retention, "idempotency-retention", "86400", 1, 86400,
                   "seconds that an answer is kept under its Idempotency-Key"),
    NUMBER_SETTING(job_retention, "job-retention", "604800", 1, 315360000,
                   "seconds that a finished job is kept"),
    NUMBER_SETTING(operation_retention, "operation-retention", "2592000", 1, 315360000,
                   "seconds that a finished operation can be looked at"),
    NUMBER_SETTING(audit_retention, "audit-retention", "0", 0, 3153600000,
                   "seconds that an event of the audit log is kept (0: for ever)"),
    NUMBER_SETTING(dkim_rotation_interval, "dkim-rotation-interval", "15552000", 1, 315360000,
                   "seconds that a DKIM key signs before the next one takes its place"),
    NUMBER_SETTING(
        dkim_publication_time, "dkim-publication-time", "10800", 1, 31536000,
        "seconds that a DKIM key is in the zone before it signs: its TTL of an hour, and what your zone"
        " transfers take"),
    NUMBER_SETTING(dkim_retirement_time, "dkim-retirement-time", "604800", 1, 31536000,
                   "seconds that a DKIM key stays in the zone after it signed"),
    NUMBER_SETTING(http_threads, "http-threads", "0", 0, 256,
                   "threads for common requests (0: 2 for each core)"),
    NUMBER_SETTING(job_threads, "job-threads", "2", 1, 64, "threads for background work"),
    NUMBER_SETTING(connection_limit, "connection-limit", "12000", 10, 1000000, "open client connections"),
    NUMBER_SETTING(wait_limit, "wait-limit", "1000", 0, 1000000,
                   "requests held at once by Prefer: wait; others are answered at once"),
    NUMBER_SETTING(idle_timeout, "idle-timeout", "60", 1, 86400,
                   "seconds a connection may wait between requests"),
    NUMBER_SETTING(header_timeout, "header-timeout", "10", 1, 3600,
                   "seconds for the whole head of a request"),
    NUMBER_SETTING(body_timeout, "body-timeout", "30", 1, 86400,
                   "seconds for a whole body, and for a whole answer"),
    NUMBER_SETTING(upload_limit, "upload-limit", "1024", 1, 1048576, "MiB of a file that is imported"),
    NUMBER_SETTING(upload_connections, "upload-connections", "4", 1, 1000,
                   "files that are uploaded at once; others are told to come again"),
    NUMBER_SETTING(transfer_timeout, "transfer-timeout", "3600", 1, 604800,
                   "seconds for a whole import or export; body-timeout counts for each piece of it"),
    NUMBER_SETTING(drain_timeout, "drain-timeout", "20", 0, 3600,
                   "seconds that requests in flight get at the end"),
    NUMBER_SETTING(rate_limit, "rate-limit", "1000", 0, 1000000,
                   "requests a second of one access key (0: any number)"),
    NUMBER_SETTING(rate_limit_burst, "rate-limit-burst", "10000", 1, 1000000000,
                   "requests of one access key at once"),
    NUMBER_SETTING(failed_auth_limit, "failed-auth-limit", "5", 0, 1000000,
                   "failed authentications a second of one address, over a minute (0: any number)"),
    NUMBER_SETTING(password_guesses, "password-guesses", "10", 0, 1000000,
                   "wrong passwords for one log-in name from one address in 10 minutes (0: any number)"),
    TEXT_SETTING(
        ews_networks, "ews-networks", NULL,
        "addresses and networks, by comma, that are not of the Internet and where EWS URLs may lead"),
    TEXT_SETTING(ews_ca_file, "ews-ca-file", NULL,
                 "PEM file of certificate authorities that EWS may have, besides those of the system"),
    NUMBER_SETTING(ews_timeout, "ews-timeout", "10", 1, 60, "seconds that the test of an EWS URL may take"),
    TEXT_SETTING(log_level, "log-level", "info", "error, warning, info or debug"),
    TEXT_SETTING(log_format, "log-format", "text", "text or json"),
};
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

struct reader {
    struct arena *arena;
    struct config *config;
    const char *given[SETTING_COUNT];  /* the text, by precedence the first one found */
    const char *origin[SETTING_COUNT]; /* where it stands, for messages */
    char *error;
    size_t error_size;
};

__attribute__((format(printf, 2, 3))) static bool fail(struct reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reader->error, reader->error_size, format, args);
    va_end(args);
    return false;
}

static int find(const char *text, size_t length);

/* A value is refused: says where it stands. */
__attribute__((format(printf, 3, 4))) static bool reject(struct reader *reader, const char *name,
                                                         const char *format, ...)
{
    const char *origin = reader->origin[find(name, strlen(name))];
    va_list args;
    va_start(args, format);
    const char *why = arena_vprintf(reader->arena, format, args);
    va_end(args);
    return fail(reader, "%s %s", origin != NULL ? origin : name, why);
}

static bool same_name(const char *setting, const char *text, size_t length)
{
    if (strlen(setting) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (setting[i] != (text[i] == '_' ? '-' : text[i]))
            return false;
    return true;
}

static int find(const char *text, size_t length)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (same_name(settings[i].name, text, length))
            return (int)i;
    return -1;
}

/* The first one counts: sources are read by precedence. */
static void give(struct reader *reader, int index, const char *value, const char *origin)
{
    if (reader->given[index] != NULL)
        return;
    reader->given[index] = value;
    reader->origin[index] = origin;
}

static bool take_option(struct reader *reader, const struct config_option *options, const char *name,
                        size_t length, const char *value, bool *ret_taken)
{
    *ret_taken = false;
    for (const struct config_option *option = options; option != NULL && option->name != NULL; option++) {
        if (!same_name(option->name, name, length))
            continue;
        int count = 0;
        while (count < option->max && option->values[count] != NULL)
            count++;
        if (count == option->max)
            return fail(reader, "--%s is given too often", option->name);
        option->values[count] = value;
        *ret_taken = true;
    }
    return true;
}

/* Of a flag the last one counts, as with other programs. */
static void set_flag(struct reader *reader, int index, const char *value)
{
    reader->given[index] = NULL;
    give(reader, index, value, arena_printf(reader->arena, "--%s", settings[index].name));
}

static bool read_flags(struct reader *reader, int argc, char **argv, const struct config_option *options,
                       const char **ret_file)
{
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            return fail(reader, "unexpected argument \"%s\"; see `postreeve help`", argv[i]);
        const char *name = argv[i] + 2;
        size_t length = strcspn(name, "=");
        const char *value = name[length] == '=' ? name + length + 1 : argv[i + 1];
        if (name[length] != '=')
            i++;
        if (value == NULL)
            return fail(reader, "--%s needs a value", name);
        bool taken;
        if (!take_option(reader, options, name, length, value, &taken))
            return false;
        int index = find(name, length);
        if (taken)
            continue;
        if (same_name("config", name, length))
            *ret_file = value;
        else if (index >= 0)
            set_flag(reader, index, value);
        else
            return fail(reader, "unknown option --%.*s; see `postreeve help`", (int)length, name);
    }
    return true;
}

static const char *environment_name(struct arena *arena, const struct setting *setting)
{
    char *name = arena_printf(arena, "POSTREEVE_%s", setting->name);
    for (char *at = name; *at != '\0'; at++)
        *at = (char)(*at == '-' ? '_' : *at >= 'a' && *at <= 'z' ? *at - ('a' - 'A') : *at);
    return name;
}

static void read_environment(struct reader *reader)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const char *name = environment_name(reader->arena, &settings[i]);
        const char *value = getenv(name);
        if (value != NULL)
            give(reader, (int)i, value, name);
    }
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        text[--length] = '\0';
    return text;
}

static bool read_line(struct reader *reader, const char *path, unsigned number, char *line)
{
    char *name = trim(line);
    if (*name == '\0' || *name == '#')
        return true;
    char *equals = strchr(name, '=');
    if (equals == NULL)
        return fail(reader, "%s, line %u: not `name = value`", path, number);
    *equals = '\0';
    name = trim(name);
    int index = find(name, strlen(name));
    if (index < 0)
        return fail(reader, "%s, line %u: unknown setting \"%s\"", path, number, name);
    give(reader, index, arena_string(reader->arena, trim(equals + 1)),
         arena_printf(reader->arena, "%s, line %u: %s", path, number, settings[index].name));
    return true;
}

static bool read_file(struct reader *reader, const char *path)
{
    char line[1024];
    unsigned number = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return fail(reader, "cannot read the configuration file %s: %m", path);
    bool good = true;
    while (good && fgets(line, sizeof(line), file) != NULL)
        good = strlen(line) < sizeof(line) - 1 ? read_line(reader, path, ++number, line)
                                               : fail(reader, "%s, line %u is too long", path, number + 1);
    fclose(file);
    return good;
}

static bool store(struct reader *reader, const struct setting *setting, const char *text)
{
    char *member = (char *)reader->config + setting->offset;
    if (text == NULL)
        text = setting->fallback;
    if (setting->kind == TEXT) {
        if (text != NULL && *text == '\0')
            return reject(reader, setting->name, "must not be empty");
        memcpy(member, &text, sizeof(text));
        return true;
    }
    long long value = 0;
    if (!text_to_integer(text, &value) || value < setting->min || value > setting->max)
        return reject(reader, setting->name, "is a number from %lld to %lld, not \"%s\"", setting->min,
                      setting->max, text);
    int64_t number = value;
    memcpy(member, &number, sizeof(number));
    return true;
}

/* --- what needs more than a type --- */

static bool choose(struct reader *reader, const char *flag, const char *text, const char *const *choices,
                   int *ret)
{
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *ret = i;
            return true;
        }
    }
    return reject(reader, flag, "cannot be \"%s\"; see `postreeve help`", text);
}

static bool check_listen(struct reader *reader, const char *flag, const char *text)
{
    const char *colon = strrchr(text, ':');
    long long port;
    if (colon == NULL || colon == text || !text_to_integer(colon + 1, &port) || port < 0 || port > 65535)
        return reject(reader, flag, "is HOST:PORT (an IPv6 address in brackets), not \"%s\"", text);
    return true;
}

static bool check_tls(struct reader *reader, const struct config *config)
{
    if ((config->tls_cert == NULL) == (config->tls_key == NULL))
        return true;
    return reject(reader, config->tls_cert == NULL ? "tls-key" : "tls-cert", "needs %s as well",
                  config->tls_cert == NULL ? "--tls-cert" : "--tls-key");
}

static bool make_lists(struct reader *reader, struct config *config)
{
    const char *detail = NULL;
    if (config->trusted_proxies != NULL &&
        !proxy_list_parse(reader->arena, config->trusted_proxies, &config->proxies, &detail))
        return reject(reader, "trusted-proxies", "%s", detail);
    if (config->cors_origins != NULL &&
        !cors_parse(reader->arena, config->cors_origins, &config->origins, &detail))
        return reject(reader, "cors-origins", "%s", detail);
    if (config->ews_networks != NULL &&
        !network_list_read(reader->arena, config->ews_networks, &config->ews_network_list, &detail))
        return reject(reader, "ews-networks", "%s", detail);
    return true;
}

static bool make_settings(struct reader *reader)
{
    struct config *config = reader->config;
    struct settings *made = &config->settings;
    const char *detail = NULL;

    if (!email_domain_parse(reader->arena, config->service_domain, &made->service_domain, &detail))
        return reject(reader, "service-domain", "\"%s\": %s", config->service_domain, detail);
    unsigned count = 0;
    for (const char *at = config->regions; *at != '\0'; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (length == 0 || length > 32 || strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-") < length ||
            count == SETTINGS_MAX_REGIONS)
            return reject(reader, "regions",
                          "is up to %d names of lower case letters, digits and hyphens, not \"%s\"",
                          SETTINGS_MAX_REGIONS, config->regions);
        made->regions[count++] = arena_copy(reader->arena, at, length);
        at += length;
    }
    made->region = config->region;
    if (config->dns_resolvers != NULL && !dns_resolvers_are_valid(reader->arena, config->dns_resolvers))
        return reject(reader, "dns-resolvers", "takes IP or IP:PORT, by comma, not \"%s\"",
                      config->dns_resolvers);
    made->dns_resolvers = config->dns_resolvers;
    made->dns_port = config->dns_port;
    made->directory_plain_allowed = config->directory_plain != 0;
    made->domain_verification_timeout_s = config->domain_verification_timeout;
    made->domain_proof_grace_s = config->domain_proof_grace;
    made->ownership_label = text_lower(reader->arena, config->ownership_label);
    if (!mail_domain_is_label(made->ownership_label))
        return reject(reader, "ownership-label",
                      "is a DNS label of letters, digits, hyphens and underscores, not \"%s\"",
                      config->ownership_label);
    struct email sender;
    if (strchr(config->journaling_sender, '@') != NULL ||
        !email_parse(reader->arena, config->journaling_sender, made->service_domain, &sender, &detail))
        return reject(reader, "journaling-sender", "is the local part of an address, not \"%s\"",
                      config->journaling_sender);
    made->journaling_sender = sender.local;
    made->mailbox_retention_s = config->mailbox_retention;
    made->health_check_interval_s = config->health_check_interval;
    made->cleaning_interval_s = config->cleaning_interval;
    made->idempotency_retention_s = config->idempotency_retention;
    made->job_retention_s = config->job_retention;
    made->operation_retention_s = config->operation_retention;
    made->audit_retention_s = config->audit_retention;
    made->dkim_rotation_interval_s = config->dkim_rotation_interval;
    made->dkim_publication_s = config->dkim_publication_time;
    made->dkim_retirement_s = config->dkim_retirement_time;
    if (!settings_has_region(made, config->region))
        return reject(reader, "region", "\"%s\" is not one of --regions", config->region);
    return true;
}

static const char *default_state_dir(struct arena *arena)
{
    if (geteuid() == 0)
        return "/var/lib/postreeve";
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (state != NULL && *state == '/')
        return arena_printf(arena, "%s/postreeve", state);
    return home != NULL ? arena_printf(arena, "%s/.local/state/postreeve", home) : NULL;
}

static bool finish(struct reader *reader)
{
    static const char *const formats[] = {"text", "json", NULL};
    struct config *config = reader->config;
    int level = 0;
    int format = 0;

    if (!check_listen(reader, "listen", config->listen) ||
        (config->metrics_listen != NULL && !check_listen(reader, "metrics-listen", config->metrics_listen)) ||
        !check_tls(reader, config) || !make_lists(reader, config) || !make_settings(reader) ||
        !choose(reader, "log-level", config->log_level, log_level_names, &level) ||
        !choose(reader, "log-format", config->log_format, formats, &format))
        return false;
    if (config->rate_limit_burst < config->rate_limit)
        return reject(reader, "rate-limit-burst", "is at least --rate-limit, which is %lld",
                      (long long)config->rate_limit);
    log_configure((enum log_level)level, (enum log_format)format);
    if (config->state_dir == NULL)
        config->state_dir = default_state_dir(reader->arena);
    if (config->state_dir == NULL)
        return fail(reader, "say where to keep the state: --state-dir");
    if (config->http_threads == 0)
        config->http_threads = 2 * sysconf(_SC_NPROCESSORS_ONLN);
    return true;
}

bool config_read(struct arena *arena, int argc, char **argv, const struct config_option *options,
                 struct config *ret_config, char *error, size_t error_size)
{
    struct config config = {0};
    struct reader reader = {.arena = arena, .config = &config, .error = error, .error_size = error_size};
    const char *file = getenv("POSTREEVE_CONFIG");

    if (!read_flags(&reader, argc, argv, options, &file))
        return false;
    read_environment(&reader);
    if (file != NULL && !read_file(&reader, file))
        return false;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (!store(&reader, &settings[i], reader.given[i]))
            return false;
    if (!finish(&reader))
        return false;
    *ret_config = config;
    return true;
}

void config_print_help(void)
{
    struct arena *arena = arena_new();
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = &settings[i];
        printf("  --%-20s %-30s %s", setting->name, environment_name(arena, setting), setting->help);
        if (setting->fallback != NULL)
            printf(" [%s]", setting->fallback);
        putchar('\n');
    }
    arena_free(arena);
}
