#include "model/mail_domain.h"

#include <string.h>

#define TTL       3600
#define LABEL_MAX 63

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

bool mail_domain_is_label(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    return length > 0 && length <= LABEL_MAX && text[length] == '\0' && text[0] != '-' &&
           text[length - 1] != '-';
}
