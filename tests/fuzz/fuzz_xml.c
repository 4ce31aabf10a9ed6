/* What xml_read and autodiscover_read make of any bytes holds to their headers, and what is written can be read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/autodiscover.h"
#include "model/text.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    xml_prepare();
    return 0;
}

static void check_read(struct arena *arena, const char *data, size_t size)
{
    struct xml_element wanted[] = {{.name = "EMailAddress"}, {.name = "ResponseCode"}};
    struct xml_root root = {0};
    const char *detail = NULL;
    bool is_good = xml_read(arena, data, size, wanted, 2, &root, &detail);
    must(is_good == (detail == NULL));
    must(!is_good || (root.name != NULL && *root.name != '\0' && root.namespace != NULL));
    for (size_t i = 0; i < 2; i++)
        must(wanted[i].text == NULL || (strlen(wanted[i].text) <= XML_TEXT_MAX &&
                                        text_is_utf8(wanted[i].text, strlen(wanted[i].text))));
}

/* Any text that a user may have as a name comes back as it was, but for what XML cannot hold. */
static void check_written(struct arena *arena, const char *text)
{
    struct xml_element wanted[] = {{.name = "a"}};
    struct xml_root root;
    const char *detail;
    struct buffer out = {.arena = arena};
    xml_member(&out, "a", text);
    bool is_good = xml_read(arena, out.data, out.length, wanted, 1, &root, &detail);
    must(is_good || strlen(text) > XML_TEXT_MAX / 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct autodiscover_request request = {0};
    const char *bytes = arena_copy(arena, (const char *)data, size);

    check_read(arena, bytes, size);
    if (autodiscover_read(arena, bytes, size, &request) == AUTODISCOVER_OK)
        must(request.email != NULL && *request.email != '\0');
    if (text_is_utf8(bytes, size))
        check_written(arena, bytes);
    arena_free(arena);
    return 0;
}
