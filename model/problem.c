#include "model/problem.h"

#include <stdarg.h>
#include <string.h>

#include "model/buffer.h"

#define MAX_FAULTS 100

void problem_fill(struct problem *problem, enum code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem->detail = arena_vprintf(problem->arena, format, args);
    va_end(args);
    problem->code = code;
}

/* NULL once there are enough: a hostile body must not cost more than it is. */
static struct fault *add(struct problem *problem, const char *code, const char *format, va_list args)
{
    problem->code = CODE_VALIDATION_FAILED;
    problem->detail = "Correct what `errors` lists and send the request again.";
    if (problem->fault_count == MAX_FAULTS)
        return NULL;
    problem->fault_count++;
    struct fault *fault = arena_alloc(problem->arena, sizeof(*fault));
    fault->code = code;
    fault->detail = arena_vprintf(problem->arena, format, args);
    if (problem->last_fault == NULL)
        problem->first_fault = fault;
    else
        problem->last_fault->next = fault;
    problem->last_fault = fault;
    return fault;
}

const char *problem_escape(struct arena *arena, const char *name)
{
    struct buffer pointer = {.arena = arena};
    for (; *name != '\0'; name++) {
        if (*name == '~')
            buffer_text(&pointer, "~0");
        else if (*name == '/')
            buffer_text(&pointer, "~1");
        else
            buffer_byte(&pointer, *name);
    }
    return buffer_string(&pointer);
}

void problem_add_member(struct problem *problem, const char *name, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct fault *fault = add(problem, code, format, args);
    if (fault != NULL)
        fault->pointer = arena_printf(problem->arena, "/%s", problem_escape(problem->arena, name));
    va_end(args);
}

void problem_add_at(struct problem *problem, const char *pointer, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct fault *fault = add(problem, code, format, args);
    if (fault != NULL)
        fault->pointer = arena_string(problem->arena, pointer);
    va_end(args);
}

void problem_add_part(struct problem *problem, const char *part, const char *name, const char *code,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct fault *fault = add(problem, code, format, args);
    if (fault != NULL)
        fault->pointer = arena_printf(problem->arena, "/%s/%s", problem_escape(problem->arena, part),
                                      problem_escape(problem->arena, name));
    va_end(args);
}

void problem_add_parameter(struct problem *problem, const char *name, const char *code, const char *format,
                           ...)
{
    va_list args;
    va_start(args, format);
    struct fault *fault = add(problem, code, format, args);
    if (fault != NULL)
        fault->parameter = arena_string(problem->arena, name);
    va_end(args);
}

void problem_clear(struct problem *problem)
{
    *problem = (struct problem){.arena = problem->arena};
}
