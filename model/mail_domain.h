/* Mail domains: the DNS records that one is expected to have (behaviour: "Domains"). */
#pragma once

#include <stdbool.h>

#include "model/arena.h"
#include "model/domain_record.h"
#include "model/settings.h"

#define MAIL_DOMAIN_SELECTORS 3
#define MAIL_DOMAIN_RECORDS   (5 + MAIL_DOMAIN_SELECTORS)

/* What its records follow from, beside the settings. */
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

/* Whether the text, in lower case, can be the label below a domain at which the proof is published. */
bool mail_domain_is_label(const char *text);
