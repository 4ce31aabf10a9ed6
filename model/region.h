/* Regions: a name and the hosts that serve its organizations (behaviour: "Organizations"). */
#pragma once

#include "model/field.h"
#include "model/settings.h"

extern const struct field_table region_table;

/* Writes one region as JSON. */
void region_write(const struct settings *settings, const char *region, struct buffer *out);
