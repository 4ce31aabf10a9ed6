/* Why a request is refused, collected where it is found out and rendered by api/problem.c (RFC 9457). */
#pragma once

#include <stddef.h>

#include "model/arena.h"
#include "model/code.h"

/* One wrong part of a request; all of them are reported at once. */
struct fault {
    const char *pointer;   /* JSON pointer into the body (RFC 6901), or NULL */
    const char *parameter; /* name of a query or path parameter, or NULL */
    const char *code;
    const char *detail;
    struct fault *next;
};

struct problem {
    struct arena *arena;
    enum code code;
    const char *detail; /* says what to do next */
    const char
        *decision; /* of CODE_ACCESS_DENIED: JSON that says which statement of a policy it was; or NULL */
    struct fault *first_fault, *last_fault;
    unsigned fault_count;
};

/* Sets code and detail, and is the code: a macro, so that static analysis sees that it is not CODE_OK. */
#define problem_set(problem, code, ...) (problem_fill(problem, code, __VA_ARGS__), (code))
void problem_fill(struct problem *problem, enum code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Each adds a fault and makes the code CODE_VALIDATION_FAILED. `name` is a top-level member or a parameter.
 * Only the first hundred are kept. */
void problem_add_member(struct problem *problem, const char *name, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for a member of the sub-object `part`. */
void problem_add_part(struct problem *problem, const char *part, const char *name, const char *code,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));
void problem_add_parameter(struct problem *problem, const char *name, const char *code, const char *format,
                           ...) __attribute__((format(printf, 4, 5)));

/* The same for a place deeper in the body: `pointer` is a whole JSON pointer, made of escaped names. */
void problem_add_at(struct problem *problem, const char *pointer, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
const char *problem_escape(struct arena *arena, const char *name);

/* Empty again, as after a transaction that is run once more. */
void problem_clear(struct problem *problem);
