#include "model/mail_domain.h"

#include <idn2.h>
#include <libpsl.h>
#include <string.h>

#include "model/email.h"

#define TTL        3600
#define STRING_MAX 255 /* of one string in a TXT record */
#define DOMAIN_MAX 209 /* so that the names of all its records are no longer than 253 */
#define LABEL_MAX  43

const char *const mail_domain_ownership_statuses[] = {"PENDING", "VERIFIED", "FAILED", NULL};

/* The columns of the view in db/mail_domain.c, in this order. */
static const struct field fields[] = {
    FIELD_STRING_ROW(struct mail_domain, domain, FIELD_REQUIRED | FIELD_CREATE_ONLY, 1, DOMAIN_MAX),
    FIELD_READ_ONLY_ROW("unicode_name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("is_default", FIELD_BOOLEAN),
    FIELD_READ_ONLY_ROW("is_test_domain", FIELD_BOOLEAN),
    FIELD_BOOLEAN_ROW(struct mail_domain, allow_subdomains, 0),
    FIELD_READ_ONLY_ROW("ownership_status", FIELD_ENUM, .values = mail_domain_ownership_statuses),
    FIELD_READ_ONLY_ROW("dkim_status", FIELD_ENUM, .values = mail_domain_ownership_statuses),
    FIELD_READ_ONLY_ROW("verified_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("proof_lost_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("last_checked_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("next_check_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("records", FIELD_JSON),
    FIELD_READ_ONLY_ROW("advice", FIELD_JSON),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table mail_domain_table = FIELD_TABLE("mail_domain", fields);

static const struct field removal_fields[] = {
    FIELD_STRING_ROW(struct mail_domain_removal, confirm, FIELD_REQUIRED, 1, DOMAIN_MAX),
};
const struct field_table mail_domain_removal_query =
    FIELD_TABLE("deregister_mail_domain_query", removal_fields);

static const struct field default_fields[] = {
    FIELD_STRING_ROW(struct default_domain, domain, FIELD_REQUIRED, 1, DOMAIN_MAX),
};
const struct field_table default_domain_table = FIELD_TABLE("default_domain", default_fields);

/* --- names --- */

static bool is_or_is_below(const char *domain, const char *parent)
{
    size_t length = strlen(domain);
    size_t parent_length = strlen(parent);
    return length >= parent_length && strcmp(domain + length - parent_length, parent) == 0 &&
           (length == parent_length || domain[length - parent_length - 1] == '.');
}

/* Of a name without such labels it is the name itself. */
static const char *unicode_of(struct arena *arena, const char *domain)
{
    char *text = NULL;
    if (idn2_to_unicode_8z8z(domain, &text, 0) != IDN2_OK)
        return NULL;
    const char *name = strcmp(text, domain) != 0 ? arena_string(arena, text) : NULL;
    idn2_free(text);
    return name;
}

bool mail_domain_parse(struct arena *arena, const struct settings *settings, const char *text,
                       struct mail_domain_name *ret_name, const char **ret_detail)
{
    const char *domain;
    if (!email_domain_parse(arena, text, &domain, ret_detail))
        return false;
    if (strlen(domain) > DOMAIN_MAX)
        *ret_detail = "The domain has more than 209 characters, too many for the names of its records.";
    else if (is_or_is_below(domain, settings->service_domain))
        *ret_detail = arena_printf(arena,
                                   "Domains in %s are the service's own; an organization has its test domain "
                                   "there.",
                                   settings->service_domain);
    else if (psl_is_public_suffix2(psl_builtin(), domain, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE))
        *ret_detail = "The domain is a public suffix, below which others register theirs; register your own.";
    else {
        *ret_name = (struct mail_domain_name){domain, unicode_of(arena, domain)};
        return true;
    }
    return false;
}

bool mail_domain_is_label(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    return length > 0 && length <= LABEL_MAX && text[length] == '\0' && text[0] != '-' &&
           text[length - 1] != '-';
}

/* --- records --- */

void mail_domain_expect(struct arena *arena, const struct settings *settings,
                        const struct mail_domain_facts *facts,
                        struct domain_record ret_records[static MAIL_DOMAIN_RECORDS])
{
    const char *domain = facts->domain;
    const char *service = settings->service_domain;
    struct domain_record *record = ret_records;
    *record++ = (struct domain_record){DOMAIN_OWNERSHIP, "TXT",
                                       arena_printf(arena, "%s.%s", settings->ownership_label, domain),
                                       facts->ownership_token, TTL};
    *record++ = (struct domain_record){
        DOMAIN_MX, "MX", domain, arena_printf(arena, "10 inbound-smtp.%s.%s", facts->region, service), TTL};
    *record++ =
        (struct domain_record){DOMAIN_AUTODISCOVER, "CNAME", arena_printf(arena, "autodiscover.%s", domain),
                               arena_printf(arena, "autodiscover.mail.%s.%s", facts->region, service), TTL};
    for (int i = 0; i < MAIL_DOMAIN_SELECTORS; i++)
        *record++ = (struct domain_record){
            DOMAIN_DKIM, "CNAME", arena_printf(arena, "%s._domainkey.%s", facts->dkim_selectors[i], domain),
            arena_printf(arena, "%s.dkim.%s", facts->dkim_selectors[i], service), TTL};
    *record++ = (struct domain_record){DOMAIN_SPF, "TXT", domain,
                                       arena_printf(arena, "v=spf1 include:%s ~all", service), TTL};
    *record = (struct domain_record){DOMAIN_DMARC, "TXT", arena_printf(arena, "_dmarc.%s", domain),
                                     "v=DMARC1;p=quarantine;pct=100;fo=1", TTL};
}

bool mail_domain_expects(const struct mail_domain_facts *facts, enum domain_purpose purpose)
{
    return !facts->is_interoperable || (purpose != DOMAIN_MX && purpose != DOMAIN_AUTODISCOVER);
}

/* Strings of at most 255 bytes, which a reader joins. */
static void write_text(const char *text, struct buffer *out)
{
    size_t length = strlen(text);
    for (size_t at = 0; at == 0 || at < length; at += STRING_MAX) {
        buffer_text(out, at == 0 ? "\"" : " \"");
        for (size_t i = at; i < length && i < at + STRING_MAX; i++) {
            if (text[i] == '"' || text[i] == '\\')
                buffer_byte(out, '\\');
            buffer_byte(out, text[i]);
        }
        buffer_byte(out, '"');
    }
}

void mail_domain_write_zone(const struct mail_domain_facts *facts, const struct domain_record *records,
                            struct buffer *out)
{
    static const char *const comments[DOMAIN_PURPOSES] = {
        [DOMAIN_OWNERSHIP] = "Proves that the domain is yours. Keep it: it is looked at every day.",
        [DOMAIN_MX] = "Mail comes here: publish it once the users are there.",
        [DOMAIN_AUTODISCOVER] = "Clients find their settings by it.",
        [DOMAIN_DKIM] = "Where receivers find the keys that mail is signed with.",
        [DOMAIN_SPF] = "Recommended. A domain has one such record: add the include to one that is there.",
        [DOMAIN_DMARC] = "Recommended, unless there is one already.",
    };
    enum domain_purpose before = DOMAIN_PURPOSES;
    for (int i = 0; i < MAIL_DOMAIN_RECORDS; i++) {
        const struct domain_record *record = &records[i];
        if (!mail_domain_expects(facts, record->purpose))
            continue;
        if (record->purpose != before)
            buffer_printf(out, "; %s\n", comments[record->purpose]);
        before = record->purpose;
        buffer_printf(out, "%s. %d IN %s ", record->name, record->ttl, record->type);
        if (strcmp(record->type, "TXT") == 0)
            write_text(record->value, out);
        else
            buffer_printf(out, "%s.", record->value);
        buffer_byte(out, '\n');
    }
}
