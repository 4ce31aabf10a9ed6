/* What the DNS says of a mail domain, against what it is expected to say: a code and what to do for each record
 * (docs/domains.md, "Diagnosis"). Asks nobody: workers/dns.c asks the questions that follow from the records. */
#pragma once

#include <stdbool.h>

#include "model/dns_message.h"
#include "model/domain_record.h"
#include "model/json_out.h"

/* A question for each authoritative name server. */
struct dns_question {
    const char *name;
    enum dns_type type;
    const char *target; /* an alias to this one is not followed; NULL: any is */
    int doubles; /* asked at one server, when question doubles - 1 has no answer there, with the zone appended to its
                           name once more; 0: asked at all */
};

enum dns_outcome {
    DNS_NOT_ASKED,
    DNS_ANSWERED,       /* by the authority; there may be nothing of the type */
    DNS_NO_SUCH_NAME,   /* also of the domain's other types */
    DNS_UNREACHABLE,    /* nothing came in time */
    DNS_LAME,           /* the server does not answer for the zone */
    DNS_SERVER_FAILED,  /* it says that it cannot */
    DNS_MALFORMED,      /* what it says makes no sense */
    DNS_MISMATCHED,     /* it answers what it was not asked, and nothing else */
    DNS_CHAIN_TOO_LONG, /* of aliases */
    DNS_CHAIN_LOOPS,
};

struct dns_answer {
    enum dns_outcome outcome;
    const char *const *values; /* at the end of the chain */
    size_t value_count;
    const char *const *aliases; /* the chain, from the name that was asked for on */
    size_t alias_count;
    int ttl; /* of the first record */
};

struct dns_server {
    const char *name;
    const char *address;
    const struct dns_answer *answers; /* one for each question */
};

enum dns_obstacle {
    DNS_NO_OBSTACLE,
    DNS_RESOLVER_UNREACHABLE, /* ours; nothing is known of the domain */
    DNS_NO_DELEGATION,        /* no name server with an address is known to answer for it */
};

/* What was found out about a domain. */
struct dns_survey {
    const char *zone; /* it or the nearest above it that name servers answer for; NULL behind an obstacle */
    enum dns_obstacle obstacle;
    const char *name_servers; /* names without an address, for DNS_NO_DELEGATION; may be "" */
    const struct dns_server *servers;
    size_t server_count;
};

struct domain_expectation {
    const char *domain;
    const struct domain_record *records;
    size_t count;
    bool is_interoperable; /* MX and autodiscover should not point here */
};

#define DOMAIN_RECORDS_MAX   16
#define DOMAIN_QUESTIONS_MAX (2 * DOMAIN_RECORDS_MAX + 2)

/* Writes what is to be asked; returns how many. */
size_t domain_check_questions(const struct domain_expectation *expected,
                              struct dns_question ret_questions[static DOMAIN_QUESTIONS_MAX]);

struct domain_finding {
    enum domain_status status;
    const char *code; /* NULL: nothing is wrong, or worth to know */
    const char *
        help; /* NULL without a code. Lines: words, then each record to "Publish: " or "Remove: ", as in a zone file */
    struct buffer observed; /* JSON: list of {server, outcome, values, ttl} */
};

enum domain_proof {
    DOMAIN_PROVEN,
    DOMAIN_NOT_PROVEN,
    DOMAIN_PROOF_UNKNOWN, /* it could not be looked at, by a fault of this side */
};

/* One finding for each record. The ownership is PENDING while it is not VERIFIED. */
enum domain_proof domain_check(struct arena *arena, const struct domain_expectation *expected,
                               const struct dns_question *questions, size_t question_count,
                               const struct dns_survey *survey, struct domain_finding *ret_findings);

/* One code of those that a finding may have, and its text; NULL behind the last. */
const char *domain_check_code(size_t index);
