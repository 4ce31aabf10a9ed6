/* Email addresses: RFC 5321 mailbox with a dot-atom local part; the domain by IDNA 2008, kept as A-label.
 * Compared without case, so kept in lower case. */
#pragma once

#include <stdbool.h>

#include "model/arena.h"

#define EMAIL_MAX 254 /* RFC 5321, 4.5.3.1.3, less the angle brackets */

struct email {
    const char *address;
    const char *local;
    const char *domain;
};

/* Parses `text`; a lone local part gets `default_domain`. On failure ret_detail says in plain words what is wrong. */
bool email_parse(struct arena *arena, const char *text, const char *default_domain, struct email *ret_email,
                 const char **ret_detail);

/* The same of a whole address: a lone local part is none. */
bool email_parse_whole(struct arena *arena, const char *text, struct email *ret_email,
                       const char **ret_detail);

/* The A-label of a domain in lower case. */
bool email_domain_parse(struct arena *arena, const char *text, const char **ret_domain,
                        const char **ret_detail);

/* The local part that a user name gives by default: all before an `@`. */
const char *email_local_part_of_name(struct arena *arena, const char *name);
