/* Regions: a name and the hosts that serve its organizations (behaviour: "Organizations"). */
#pragma once

#include "model/field.h"
#include "model/settings.h"

extern const struct field_table region_table;

enum region_host {
    REGION_INBOUND_MAIL,
    REGION_AUTODISCOVER,
    REGION_MOBILE,
    REGION_WEB,
    REGION_EWS,
    REGION_HOSTS,
};
const char *region_host(struct arena *arena, const struct settings *settings, const char *region,
                        enum region_host host);

#define REGION_EWS_PATH "/EWS/Exchange.asmx" /* of Exchange Web Services */

/* Writes one region as JSON. */
void region_write(const struct settings *settings, const char *region, struct buffer *out);
