/* The kinds of background work and their steps; workers/kinds.c has the functions. */
#pragma once

#include <stdbool.h>

#define JOB_ORGANIZATION_SETUP          "organization_setup"
#define JOB_ORGANIZATION_REMOVAL        "organization_removal"
#define JOB_ORGANIZATION_SETUP_STANDARD "organization_setup_standard"
#define JOB_ORGANIZATION_HEALTH         "organization_health"
#define JOB_ENTITY_PURGE                "entity_purge"

struct job_kind {
    const char *name;
    const char *const *steps; /* NULL after the last */
    bool is_periodic;         /* comes again: an organization has one of it */

    /* Canceled, its organization goes through these states, those in which it is passed over. NULL: it cannot be … */
    const char *const *canceled_states;
    const char *why_not; /* … because of this */
};

/* The kind of that name; NULL when there is none. */
const struct job_kind *job_kind_find(const char *name);
