/* What may be wrong with the records of a domain: names and texts, for model/domain_check.c. */
#pragma once

enum domain_code {
    DOMAIN_FINE,
    DOMAIN_RESOLVER_UNREACHABLE,
    DOMAIN_NO_DELEGATION,
    DOMAIN_NOT_FOUND,
    DOMAIN_SERVER_UNREACHABLE,
    DOMAIN_SERVER_LAME,
    DOMAIN_SERVER_FAILED,
    DOMAIN_ANSWER_MALFORMED,
    DOMAIN_ANSWER_MISMATCHED,
    DOMAIN_SERVERS_DIFFER,
    DOMAIN_NOT_PUBLISHED,
    DOMAIN_WRONG_VALUE,
    DOMAIN_TEXT_TRUNCATED,
    DOMAIN_TEXT_QUOTED,
    DOMAIN_TEXT_SPLIT,
    DOMAIN_NAME_DOUBLED,
    DOMAIN_TARGET_DOUBLED,
    DOMAIN_BARE_NAME,
    DOMAIN_ALIAS_IN_THE_WAY,
    DOMAIN_ALIASES_TOO_LONG,
    DOMAIN_ALIASES_LOOP,
    DOMAIN_NOT_AN_ALIAS,
    DOMAIN_MX_MISSING,
    DOMAIN_MX_ELSEWHERE,
    DOMAIN_MX_ADDITIONAL,
    DOMAIN_MX_PREFERENCE,
    DOMAIN_MX_POINTS_HERE,
    DOMAIN_AUTODISCOVER_MISSING,
    DOMAIN_AUTODISCOVER_ELSEWHERE,
    DOMAIN_AUTODISCOVER_POINTS_HERE,
    DOMAIN_DKIM_MISSING,
    DOMAIN_DKIM_ELSEWHERE,
    DOMAIN_SPF_MISSING,
    DOMAIN_SPF_WITHOUT_INCLUDE,
    DOMAIN_SPF_SEVERAL,
    DOMAIN_SPF_TOO_MANY_LOOKUPS,
    DOMAIN_DMARC_MISSING,
    DOMAIN_DMARC_INVALID,
    DOMAIN_DMARC_SEVERAL,
    DOMAIN_CODES
};

/* What a help ends with, as lines of a zone file. */
enum domain_action {
    DOMAIN_PUBLISH = 1, /* the record, or what mends it */
    DOMAIN_REMOVE = 2,  /* what was found */
};

struct domain_code_row {
    const char *name;
    unsigned actions;
    const char *help; /* {domain} {zone} {name} {type} {value} {servers} {found} */
};

extern const struct domain_code_row domain_codes[DOMAIN_CODES];
