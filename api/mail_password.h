/* Passwords of mail users: of those made here by their hash, of those of an external directory by asking it. */
#pragma once

#include "api/request.h"
#include "db/mail_user.h"

/* CODE_OK: it is his. CODE_UNAUTHENTICATED: it is not. CODE_MOVE_LANE: it is asked for elsewhere. CODE_DIRECTORY_UNREACHABLE: his
 * directory does not answer. `user` is NULL when there is none: a hash is computed all the same. In the lane for hashing, or
 * where that moved it to. */
enum code mail_password_check(struct request *request, const struct mail_user *user, const char *password);
