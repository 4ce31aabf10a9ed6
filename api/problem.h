/* Problem documents (RFC 9457), and the only place that knows which HTTP status a code has. */
#pragma once

#include "model/buffer.h"
#include "model/problem.h"

int problem_status(enum code code);

/* Seconds after which a retry makes sense; 0 when a retry alone does not help. */
int problem_retry_after(enum code code);

void problem_write(const struct problem *problem, enum code code, const char *request_id, struct buffer *out);

/* What a code means and what to do about it, as plain text. */
void problem_explain(enum code code, struct buffer *out);
