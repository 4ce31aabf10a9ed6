/* What the unit tests share: cmocka, an arena for each test, and faults as one line of text. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/buffer.h"
#include "model/problem.h"

static inline int unit_setup(void **state)
{
    *state = arena_new();
    return 0;
}

static inline int unit_teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* A test whose state is a fresh arena. */
#define UNIT_TEST(function) cmocka_unit_test_setup_teardown(function, unit_setup, unit_teardown)

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* As assert_true; the format says which row of a table it was. */
#define assert_row(condition, ...) \
    do {                           \
        if (!(condition))          \
            fail_msg(__VA_ARGS__); \
    } while (0)

/* `text` `times` times over. */
static inline const char *unit_repeat(struct arena *arena, const char *text, size_t times)
{
    struct buffer out = {.arena = arena};
    for (size_t i = 0; i < times; i++)
        buffer_text(&out, text);
    return buffer_string(&out);
}

/* "ok", "malformed_json: Line 1 …", or all faults as "/name too_long, ?size required". */
static inline const char *unit_outcome(enum code code, const struct problem *problem)
{
    struct buffer out = {.arena = problem->arena};
    if (code == CODE_OK)
        return "ok";
    if (code != problem->code)
        return "the code that is returned is not that of the problem";
    if (code != CODE_VALIDATION_FAILED)
        return arena_printf(problem->arena, "%s: %s", code_name(code), problem->detail);
    for (const struct fault *fault = problem->first_fault; fault != NULL; fault = fault->next)
        buffer_printf(&out, "%s%s%s %s", out.length > 0 ? ", " : "", fault->pointer != NULL ? "" : "?",
                      fault->pointer != NULL ? fault->pointer : fault->parameter, fault->code);
    return buffer_string(&out);
}
