/*
 * The body of a request while it comes. Apart from the request's arena, of whose blocks none is given back before its end:
 * growing there would hold each body twice.
 */
#pragma once

#include "model/buffer.h"

/* How many bytes the body takes once so many more have come. `announced`: its length when that is known, or 0. What is
 * only announced takes nothing. */
size_t body_capacity(const struct buffer *body, size_t announced, size_t more);

/* `capacity`: what body_capacity says for this length. */
void body_append(struct buffer *body, size_t capacity, const char *data, size_t length);

/* The first bytes are done with: the others take their place, and what they leave is wiped. */
void body_drop(struct buffer *body, size_t length);

/* Wipes it: it may hold a password. */
void body_free(struct buffer *body);
