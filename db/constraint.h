/* Which error a violated constraint is. */
#pragma once

#include "model/problem.h"

/* Fills the problem. A constraint without a row is a fault of ours: CODE_INTERNAL_ERROR. */
enum code constraint_code(const char *constraint, struct problem *problem);
