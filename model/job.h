/* The kinds of background work, their steps, and how they end; workers/kinds.c has the functions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define JOB_ORGANIZATION_SETUP          "organization_setup"
#define JOB_ORGANIZATION_REMOVAL        "organization_removal"
#define JOB_ORGANIZATION_SETUP_STANDARD "organization_setup_standard"
#define JOB_ORGANIZATION_HEALTH         "organization_health"
#define JOB_DATA_KEY                    "data_key"
#define JOB_ENTITY_PURGE                "entity_purge"
#define JOB_CLEANING                    "cleaning"
#define JOB_AUDIT_RETENTION             "audit_retention"
#define JOB_DKIM_ROTATION               "dkim_rotation"
#define JOB_IMPORT                      "import"

struct job_kind {
    const char *name;
    const char *const *steps; /* NULL after the last */
    bool is_periodic;         /* comes again: an organization has one of it */

    /* Canceled, its organization goes through these states, those in which it is passed over. NULL: it cannot be … */
    const char *const *canceled_states;
    const char *why_not; /* … because of this */
};

extern const struct job_kind job_kinds[];
extern const size_t job_kind_count;

/* The kind of that name; NULL when there is none. */
const struct job_kind *job_kind_find(const char *name);

/* What came of a claim. */
enum job_outcome {
    JOB_SUCCEEDED, /* the whole job */
    JOB_FAILED,
    JOB_CANCELED,
    JOB_RETRIED,    /* a step failed and comes again */
    JOB_LEASE_LOST, /* nothing was heard of the worker before */
    JOB_OUTCOME_COUNT
};
