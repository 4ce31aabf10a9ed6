#include "model/settings.h"

#include <string.h>

bool settings_has_region(const struct settings *settings, const char *region)
{
    for (unsigned i = 0; i < SETTINGS_MAX_REGIONS && settings->regions[i] != NULL; i++)
        if (strcmp(settings->regions[i], region) == 0)
            return true;
    return false;
}
