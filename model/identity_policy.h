/* Identity policies: who may send mail of a domain, and what the mail service itself may (behaviour: "Domains"). */
#pragma once

#include "model/field.h"

struct identity_policy {
    const char *document;
};
extern const struct field_table identity_policy_table;

/* Whose policy it is. */
struct identity_policy_facts {
    const char *domain;
    const char *region;
    const char *account_id;
    const char *service_domain;
};

/* The document that a domain is made with: it allows the mail service everything. */
const char *identity_policy_default(struct arena *arena, const struct identity_policy_facts *facts);

/* Checks a document: the faults are of the body's `document`, CODE_VALIDATION_FAILED then. What the mail service loses by
 * it, and what never does anything, are elements that are added to the array `warnings`. */
enum code identity_policy_check(const struct identity_policy_facts *facts, const char *document,
                                struct problem *problem, struct buffer *warnings);
