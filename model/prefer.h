/* The Prefer header (RFC 7240). */
#pragma once

/* How many seconds `wait` says, at most `limit`; 0 without it, and when it is not a number: a preference that is not
 * understood is passed over. */
unsigned prefer_wait(const char *header, unsigned limit);
