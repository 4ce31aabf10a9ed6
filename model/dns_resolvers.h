/* Lists of DNS resolvers, as the operator writes them. */
#pragma once

#include <stdbool.h>

#include "model/arena.h"

/* "192.0.2.1,192.0.2.2:5353,[2001:db8::1]:53": at least one. */
bool dns_resolvers_are_valid(struct arena *arena, const char *list);
