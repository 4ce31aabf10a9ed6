/* Who makes a request, and what it may do: an identity's compiled policies, shared by all requests with its credential.
 * A document is compiled once for each of its versions, whoever it is attached to. */
#pragma once

#include <stdint.h>

#include "model/network.h"
#include "model/policy.h"

enum principal_kind { PRINCIPAL_ROOT, PRINCIPAL_IAM_USER };

/* An account's root identity or one of its IAM users, by an access key or a session. */
struct principal {
    enum principal_kind kind;
    char account_id[13];
    bool is_operator;            /* of the installation's own account */
    char access_key_id[21];      /* empty for a session */
    char session_id[37];         /* empty for an access key */
    char iam_user_id[37];        /* empty for root */
    struct authority *authority; /* never NULL once the request is authenticated */
};

/* A policy of an identity. */
struct authority_policy {
    const char *policy_id;
    const char *name;
    const char *version; /* of the document */
};

/* Not changed once others see it. */
struct authority {
    const char *user_name; /* "" for root */
    const struct authority_policy *sources;
    const struct policy *const *policies; /* in the same order */
    size_t count;
    bool names_region;         /* see policy_names_region */
    bool is_for_all_resources; /* see policy_is_for_all_resources */
    /* Of the credential, not of the identity: */
    const struct network *networks; /* where it may be used from; none: everywhere */
    size_t network_count;
    int64_t expires_at; /* seconds since 1970; 0: never */
};

/* For `capacity` policies; one reference, the caller's. */
struct authority *authority_new(const char *user_name, size_t capacity);

/* False when the document does not compile (it is of a newer program, say): the authority is of no use then. */
bool authority_add(struct authority *authority, const struct authority_policy *source, const char *document);

/* Networks as texts, NULL after the last. False when one is none. */
bool authority_restrict(struct authority *authority, const char *const *networks, int64_t expires_at);

struct authority *authority_hold(struct authority *authority);
void authority_release(struct authority *authority); /* accepts NULL */

/* Whether the credential is one that may be used from there and then. */
bool authority_is_usable(const struct authority *authority, const char *source_address, int64_t now);

/* Whether a credential with these limits can do no more than one with those of `authority`. */
bool authority_has_limits_of(const struct authority *authority, const char *const *networks,
                             int64_t expires_at);

struct policy_decision principal_decide(const struct principal *principal,
                                        const struct policy_question *question);

/* Whether the principal holds all that the policy allows: root does. */
bool principal_holds(const struct principal *principal, const struct policy *policy, size_t *ret_statement);
