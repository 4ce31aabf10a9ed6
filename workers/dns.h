/* Finds out what the DNS says of mail domains: asks the authoritative name servers of each, of many at once, on one thread. */
#pragma once

#include "model/domain_check.h"
#include "workers/dns_net.h"

struct dns;

/* NULL when c-ares, or the list of resolvers, does not work. */
struct dns *dns_new(const struct dns_net_options *options);

/* Surveys in progress end without being told of. Accepts NULL. */
void dns_free(struct dns *dns);

/* Told from dns_run; the survey and its answers live until this returns. */
typedef void dns_surveyed(void *argument, const struct dns_survey *survey);

/* Begins a survey: takes a few seconds at most, also where nobody answers. The questions live until it is told of. */
void dns_survey(struct dns *dns, const char *domain, const struct dns_question *questions, size_t count,
                bool is_urgent, dns_surveyed *surveyed, void *argument);

/* Works on all surveys, waiting up to a time for what comes. */
void dns_run(struct dns *dns, int timeout_ms);

/* Ends a wait in dns_run, from any thread. */
void dns_wake(struct dns *dns);

/* Surveys in progress. */
size_t dns_in_progress(const struct dns *dns);
