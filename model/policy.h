/* The policy language: documents that say who may do what, compiled once and asked often. An explicit deny wins, then an
 * allow, else it is denied. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/buffer.h"
#include "model/problem.h"

#define POLICY_MAX_LENGTH 6144 /* bytes of a document without the spaces between */

/* What the conditions of a statement look at. */
struct policy_context {
    const char *source_address; /* text; "" when it is not known */
    int64_t now;                /* seconds since 1970 */
    bool is_secure;             /* TLS */
    const char *user_name;
    const char *user_id;
    const char *account_id;
};

struct policy_question {
    const char *action;   /* `workmail:CreateUser` */
    const char *resource; /* an ARN; NULL: is there any resource at all for which it is allowed? */
    struct policy_context context;
};

/* A compiled document. */
struct policy;

/* Compiles a document (JSON text) into the arena. Faults are added to the problem, each with its place below `pointer`
 * ("/document"); NULL then. What is kept but never does anything is added to `warnings` (may be NULL) as elements of a JSON
 * array: {"pointer", "code", "detail"}. */
const struct policy *policy_compile(struct arena *arena, const char *document, size_t length,
                                    const char *pointer, struct problem *problem, struct buffer *warnings);

/* The same for a document that stands at what it is about: each statement names its Principal (`*`, or {"Service": …, "AWS":
 * …}), and only those for `principal` are kept. */
const struct policy *policy_compile_for(struct arena *arena, const char *document, size_t length,
                                        const char *pointer, const char *principal, struct problem *problem,
                                        struct buffer *warnings);

enum policy_effect { POLICY_NOT_ALLOWED, POLICY_ALLOWED, POLICY_DENIED };

/* What was decided, and by which statement; of POLICY_NOT_ALLOWED by none. */
struct policy_decision {
    enum policy_effect effect;
    size_t policy;    /* position among the policies */
    size_t statement; /* position in the policy */
    const char *sid;  /* NULL: it has none */
};

struct policy_decision policy_decide(const struct policy *const *policies, size_t count,
                                     const struct policy_question *question);

/* Whether all that `granted` allows is allowed by `held`: each of its Allow statements, action by action and resource by
 * resource, lies within one Allow of `held` that has no condition, and meets none of its Denies. True is certain; false
 * also says that it could not be told. ret_statement is the first that is not held. */
bool policy_is_held(const struct policy *const *held, size_t count, const struct policy *granted,
                    size_t *ret_statement);

/* Whether it has a Deny: who takes such a policy away lets others do more. */
bool policy_has_deny(const struct policy *policy);

/* Whether it has an Allow: who gives such a policy gives something. */
bool policy_has_allow(const struct policy *policy);

/* Whether some statement names a region: then resources must name theirs. */
bool policy_names_region(const struct policy *policy);

/* Whether all statements are for all resources: then one decision stands for all. */
bool policy_is_for_all_resources(const struct policy *policy);
