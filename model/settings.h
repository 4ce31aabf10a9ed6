/* What the operator decided about the service as a whole; api/config.c fills it. Read only once the service runs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_MAX_REGIONS 16

struct settings {
    const char *service_domain;    /* parent of all test mail domains and service hosts */
    const char *dns_resolvers;     /* addresses by comma, each perhaps with :port; NULL: the system's */
    bool directory_plain_allowed;  /* directories may be asked without TLS also on other hosts */
    int64_t dns_port;              /* at which authoritative servers are asked */
    const char *ownership_label;   /* what proves a mail domain is published below it */
    const char *journaling_sender; /* local part, in the test domain, that journal records come from */
    const char *region;            /* of an organization whose creator names none */
    const char *regions[SETTINGS_MAX_REGIONS]; /* NULL after the last */
    int64_t domain_verification_timeout_s;     /* then a mail domain without proof has FAILED */
    int64_t domain_proof_grace_s; /* so long a verified one may lack it before its organization is impaired */
    int64_t health_check_interval_s; /* from one health check of an organization to the next, about */
    int64_t mailbox_retention_s;     /* how long a disabled user's mailbox and addresses are kept */
    int64_t cleaning_interval_s;     /* how often old records are looked for */
    int64_t idempotency_retention_s;
    int64_t job_retention_s;          /* of finished ones */
    int64_t operation_retention_s;    /* of finished ones */
    int64_t audit_retention_s;        /* of events; 0: they are kept for ever */
    int64_t dkim_rotation_interval_s; /* how long a DKIM key signs */
    int64_t dkim_publication_s;       /* how long one is in the zone before it signs */
    int64_t dkim_retirement_s;        /* how long one stays in the zone after it signed */
};

/* Whether it is one of the regions. */
bool settings_has_region(const struct settings *settings, const char *region);
