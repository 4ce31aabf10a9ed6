/* Not a test itself: seals and opens secrets of organizations for tests/api/test_keys.py, as features of the service do.
 *
 *   secret_tool CONNINFO ROOT-KEY-HEX
 *
 * Reads lines `seal ORGANIZATION ROW TEXT` and `open ORGANIZATION ROW COLUMN`, and answers each with a line: the column,
 * or the text, behind `ok `; or the name of a code. */
#include <stdio.h>
#include <string.h>

#include "db/data_key.h"
#include "db/root_key.h"

static void answer(struct db *db, const char *verb, const char *organization_id, const char *row,
                   const char *text)
{
    struct problem problem = {.arena = arena_new()};
    const char *out = NULL;
    size_t size;
    enum code code = CODE_DATABASE_UNAVAILABLE;
    if (db_connect(db))
        code = strcmp(verb, "seal") == 0
                   ? data_key_seal(db, organization_id, row, text, strlen(text), &problem, &out)
                   : data_key_open(db, organization_id, row, text, &problem, &out, &size);
    if (code == CODE_OK)
        printf("ok %s\n", out);
    else
        printf("%s\n", code_name(code));
    fflush(stdout);
    arena_free(problem.arena);
}

int main(int argc, char **argv)
{
    uint8_t root[SECRET_KEY_SIZE];
    struct secret_key secret_key;
    char verb[8], organization_id[64], row[128], text[4096];
    if (argc != 3 || !root_key_parse(argv[2], strlen(argv[2]), root) ||
        !secret_derive(root, "secrets at rest", secret_key.bytes))
        return 2;
    const struct db_environment environment = {.conninfo = argv[1], .secret_key = &secret_key};
    struct db *db = db_new(&environment, 5000);
    while (scanf("%7s %63s %127s %4095s", verb, organization_id, row, text) == 4)
        answer(db, verb, organization_id, row, text);
    db_free(db);
    return 0;
}
