/* The thread that looks at the DNS of mail domains: many at once, those that somebody waits for first. */
#pragma once

#include "db/conn.h"

struct domain_verification;

/* NULL, with errno of it, when there is no thread to be had, or the DNS cannot be asked. */
struct domain_verification *domain_verification_start(const struct db_environment *environment);

/* Tells the thread to end, and does not wait for it. Accepts NULL. */
void domain_verification_end(struct domain_verification *verification);
/* What is being looked at is left to others, or to the next start. Accepts NULL. */
void domain_verification_stop(struct domain_verification *verification);
