#include "model/code.h"

#include <string.h>

static const struct {
    const char *name, *title;
} codes[CODE_COUNT] = {
#define CODE_ROW(constant, name, title) [constant] = {name, title},
    CODE_LIST(CODE_ROW)
#undef CODE_ROW
};

const char *code_name(enum code code)
{
    return codes[code].name;
}

const char *code_title(enum code code)
{
    return codes[code].title;
}

enum code code_of(const char *name)
{
    for (unsigned code = CODE_OK + 1; code < CODE_COUNT; code++)
        if (strcmp(codes[code].name, name) == 0)
            return (enum code)code;
    return CODE_OK;
}
