#include "model/code.h"

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
