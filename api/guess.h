/* What a caller goes through who shows a password and has proven nothing yet. */
#pragma once

#include "api/request.h"

/* Before a password is verified: a place in the lane for hashing, as long as there are any for the caller's address, and
 * one of the guesses that his address has for this log-in name, whether or not there is such a user (--password-guesses).
 * CODE_OK on that lane, with a guess_end to come; CODE_MOVE_LANE until the request is there; else refused. */
enum code guess_begin(struct request *request, const char *login);

/* It was the right one: the guesses for this name are all there again. */
void guess_was_right(struct request *request);

/* Gives the place back, if it has one. */
void guess_end(struct request *request);
