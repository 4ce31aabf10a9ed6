/* Mail domains: what an organization says of one, and the DNS records that it is expected to have (behaviour: "Domains"). */
#pragma once

#include <stdbool.h>

#include "model/domain_record.h"
#include "model/field.h"
#include "model/settings.h"

#define MAIL_DOMAIN_SELECTORS 3
#define MAIL_DOMAIN_RECORDS   (5 + MAIL_DOMAIN_SELECTORS)

struct mail_domain {
    const char *domain;
    bool allow_subdomains;
};
extern const struct field_table mail_domain_table;
extern const char *const mail_domain_ownership_statuses[];

/* What a DELETE says. */
struct mail_domain_removal {
    const char *confirm;
};
extern const struct field_table mail_domain_removal_query;

struct default_domain {
    const char *domain;
};
extern const struct field_table default_domain_table;

/* The names of a domain that is to be registered: ret_domain is the A-label, ret_unicode_name how it is written for people,
 * NULL when that is the same. False, and the detail, for what is no domain or nobody's to register. */
struct mail_domain_name {
    const char *domain;
    const char *unicode_name;
};
bool mail_domain_parse(struct arena *arena, const struct settings *settings, const char *text,
                       struct mail_domain_name *ret_name, const char **ret_detail);

/* Whether the text, in lower case, can be the label below a domain at which the proof is published. */
bool mail_domain_is_label(const char *text);

/* --- records --- */

/* What the records of a domain follow from, beside the settings. */
struct mail_domain_facts {
    const char *domain;
    const char *region; /* of the organization */
    const char *ownership_token;
    const char *dkim_selectors[MAIL_DOMAIN_SELECTORS];
    bool is_interoperable; /* the organization: mail and clients go to its Exchange */
};

/* In the order in which answers and zone files have them. */
void mail_domain_expect(struct arena *arena, const struct settings *settings,
                        const struct mail_domain_facts *facts,
                        struct domain_record ret_records[static MAIL_DOMAIN_RECORDS]);

/* False: it should not point here, and its status is NOT_EXPECTED. */
bool mail_domain_expects(const struct mail_domain_facts *facts, enum domain_purpose purpose);

/* Those that are expected as lines of a master file (RFC 1035, 5). */
void mail_domain_write_zone(const struct mail_domain_facts *facts, const struct domain_record *records,
                            struct buffer *out);
