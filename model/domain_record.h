/* A DNS record that a mail domain is expected to have. */
#pragma once

#include <stddef.h>

enum domain_purpose {
    DOMAIN_OWNERSHIP,    /* TXT at <label>.<domain>, or at the domain itself */
    DOMAIN_MX,           /* of the domain */
    DOMAIN_AUTODISCOVER, /* CNAME at autodiscover.<domain> */
    DOMAIN_DKIM,         /* CNAME at <selector>._domainkey.<domain>, several */
    DOMAIN_SPF,          /* TXT of the domain, recommended */
    DOMAIN_DMARC,        /* TXT at _dmarc.<domain>, recommended */
    DOMAIN_PURPOSES
};

/* Names are absolute, of A-labels in lower case, without the last dot. */
struct domain_record {
    enum domain_purpose purpose;
    const char *type; /* "TXT", "MX" or "CNAME" */
    const char *name; /* where it is published */
    const char *
        value; /* TXT: the text, not quoted. MX: "10 host". CNAME: the target. SPF: "v=spf1 include:HOST ~all" */
    int ttl; /* recommended */
};

/* What the DNS says of an expected record. A PENDING record was looked at but not yet found; MISSING and INCONSISTENT are
 * of all but the ownership, which is PENDING until it is FAILED (after a time that the worker keeps). */
enum domain_status {
    DOMAIN_PENDING,
    DOMAIN_VERIFIED,
    DOMAIN_FAILED,
    DOMAIN_MISSING,
    DOMAIN_INCONSISTENT,
    DOMAIN_NOT_EXPECTED,
    DOMAIN_STATUSES
};

/* As answers and the database say them. NULL after the last. */
extern const char *const domain_purposes[];
extern const char *const domain_statuses[];
