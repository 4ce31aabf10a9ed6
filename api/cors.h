/* Cross-origin requests of browsers: answered to the origins that the operator names, and else to none. No cookie and no
 * stored password is ever part of one (there is no Access-Control-Allow-Credentials): callers send their key themselves. */
#pragma once

#include <stdbool.h>

#include "model/arena.h"

struct request;

/* `https://console.example.org,http://localhost:3000`: exact origins by comma, NULL after the last. False: `detail` says
 * what is wrong. */
bool cors_parse(struct arena *arena, const char *text, const char *const **ret_origins,
                const char **ret_detail);

/* Adds what the answer needs if the request is from one of the origins (NULL: from none). */
void cors_complete(struct request *request, const char *const *origins);
