/* Exchange Web Services, as far as their endpoint is tried: what is asked there, and what the answer says. */
#pragma once

#include <stdbool.h>

#include "model/buffer.h"

enum ews_outcome {
    EWS_SUCCESS,
    EWS_DNS_FAILURE,
    EWS_ADDRESS_NOT_ALLOWED,
    EWS_CONNECTION_REFUSED,
    EWS_CONNECTION_FAILED,
    EWS_TIMED_OUT,
    EWS_TLS_NOT_TRUSTED,
    EWS_TLS_NAME_MISMATCH,
    EWS_TLS_FAILED,
    EWS_UNAUTHORIZED,
    EWS_NOT_FOUND,
    EWS_NOT_AN_ENDPOINT,
    EWS_NO_MAILBOX,
    EWS_ERROR,
    EWS_OUTCOMES
};
extern const char *const ews_outcome_names[]; /* NULL after the last */

/* What to do about an outcome, in plain words. */
const char *ews_help(enum ews_outcome outcome);

struct ews_result {
    enum ews_outcome outcome;
    const char *detail; /* what was found */
};

/* A field_check: an https URL of a host, with or without a port, and without user and fragment. */
bool ews_check_url(const char *url, const char **ret_detail);

/* A question that the owner of any mailbox may ask and that changes nothing: for the own calendar folder. */
extern const char *const ews_question;

/* What the answer to it means. NULL as body: it was too long to be one. */
struct ews_result ews_judge(struct arena *arena, long status, const char *body, size_t length);
