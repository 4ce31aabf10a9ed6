/* Answers in gzip, for callers who ask for it. */
#pragma once

#include <stdbool.h>

struct request;

/* Whether an Accept-Encoding takes gzip, and does not like the plain form better (RFC 9110, 12.5.3). NULL: no. */
bool compress_is_accepted(const char *accept_encoding);

/* Compresses the answer of a read if that is worth it, or takes the form that is compressed already. Its entity tag then
 * ends in `-gzip`. Answers of changes never are: they may show a new secret beside what the caller chose, and a length
 * would tell of it. Takes time: not for the loop's thread, but where the compressed form is there. */
void compress_answer(struct request *request);
