/* Trace Context (W3C): the trace of the caller that a request is part of. */
#pragma once

#include "model/arena.h"

/* The trace id (32 hexadecimal digits) of a traceparent header; NULL when it is not well-formed. */
const char *trace_id_of(struct arena *arena, const char *traceparent);
