/* Asking Exchange Web Services of others. */
#pragma once

#include "api/config.h"
#include "model/ews.h"

/* Call once before threads ask. */
void ews_prepare(void);

/* Tries an endpoint as the service account, within config->ews_timeout seconds. Only hosts that the Internet reaches, and
 * those in the operator's networks: the very address that is connected to is checked. Nothing of the answer is followed. */
struct ews_result ews_try(struct arena *arena, const struct config *config, const char *url,
                          const char *username, const char *password);
