#include "model/attachment.h"

#include <stdlib.h>
#include <string.h>

#include "model/json_out.h"
#include "model/text.h"

/* Sorted by their bytes: they are looked up by halves. */
const char *const attachment_types[] = {
    "ade",     "adp",  "app",     "asp",    "bas",    "bat",  "cer",  "chm", "cmd",      "com", "cpl", "crt",
    "csh",     "der",  "exe",     "fxp",    "gadget", "hlp",  "hta",  "inf", "ins",      "isp", "its", "js",
    "jse",     "ksh",  "lib",     "lnk",    "mad",    "maf",  "mag",  "mam", "maq",      "mar", "mas", "mat",
    "mau",     "mav",  "maw",     "mda",    "mdb",    "mde",  "mdt",  "mdw", "mdz",      "msc", "msh", "msh1",
    "msh1xml", "msh2", "msh2xml", "mshxml", "msi",    "msp",  "mst",  "ops", "pcd",      "pif", "plg", "prf",
    "prg",     "ps1",  "ps1xml",  "ps2",    "ps2xml", "psc1", "psc2", "reg", "scf",      "scr", "sct", "shb",
    "shs",     "sys",  "tmp",     "url",    "vb",     "vbe",  "vbs",  "vps", "vsmacros", "vss", "vst", "vsw",
    "vxd",     "ws",   "wsc",     "wsf",    "wsh",    "xnk",  NULL};
#define TYPE_COUNT (sizeof(attachment_types) / sizeof(attachment_types[0]) - 1)

static const struct field type_fields[] = {
    FIELD_READ_ONLY_ROW("extension", FIELD_STRING),
};
const struct field_table attachment_type_table = FIELD_TABLE("attachment_type", type_fields);

static const struct field test_fields[] = {
    FIELD_STRINGS_ROW(struct attachment_test, file_names, FIELD_REQUIRED, 1, ATTACHMENT_TEST_MAX),
};
const struct field_table attachment_test_table = FIELD_TABLE("attachment_test", test_fields);

static const struct field result_fields[] = {
    FIELD_READ_ONLY_ROW("file_name", FIELD_STRING),     FIELD_READ_ONLY_ROW("extension", FIELD_STRING),
    FIELD_READ_ONLY_ROW("is_supported", FIELD_BOOLEAN), FIELD_READ_ONLY_ROW("detail", FIELD_STRING),
    FIELD_READ_ONLY_ROW("warnings", FIELD_STRINGS),
};
const struct field_table attachment_result_table = FIELD_TABLE("attachment_result", result_fields);

void attachment_write_types(struct buffer *out)
{
    out_begin_object(out);
    out_name(out, "items");
    out_begin_array(out);
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        out_begin_object(out);
        out_member(out, "extension", attachment_types[i]);
        out_end_object(out);
    }
    out_end_array(out);
    out_end_object(out);
}

/* --- names --- */

/* The last extension in lower case, "" without one. Dots and spaces at the end are none of it: systems that run files by
 * their extension leave them out. */
static const char *extension_of(struct arena *arena, const char *file_name)
{
    size_t end = strlen(file_name);
    while (end > 0 && (file_name[end - 1] == '.' || file_name[end - 1] == ' '))
        end--;
    size_t start = end;
    while (start > 0 && file_name[start - 1] != '.')
        start--;
    return start == 0 ? "" : text_lower(arena, arena_copy(arena, file_name + start, end - start));
}

static int compare(const void *key, const void *type)
{
    return strcmp(key, *(const char *const *)type);
}

static bool is_unsupported(const char *extension)
{
    return bsearch(extension, attachment_types, TYPE_COUNT, sizeof(attachment_types[0]), compare) != NULL;
}

/* The code point at `text`, which is well-formed UTF-8. */
static uint32_t read_character(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    if (bytes[0] < 0x80)
        return bytes[0];
    if (bytes[0] < 0xE0)
        return (bytes[0] & 0x1FU) << 6 | (bytes[1] & 0x3FU);
    if (bytes[0] < 0xF0)
        return (bytes[0] & 0x0FU) << 12 | (bytes[1] & 0x3FU) << 6 | (bytes[2] & 0x3FU);
    return 0x10000; /* of no interest */
}

/* Whether a character of the name is in the list, which ends with 0. */
static bool has_one(const char *file_name, const uint32_t *characters)
{
    for (; *file_name != '\0'; file_name++)
        for (const uint32_t *one = characters; *one != 0 && (*file_name & 0xC0) != 0x80; one++)
            if (read_character(file_name) == *one)
                return true;
    return false;
}

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/* What makes a name look like another one does not change what it is. */
static void write_warnings(const char *file_name, const char *extension, struct buffer *out)
{
    static const uint32_t directions[] = {0x061C, 0x200E, 0x200F, 0x202A, 0x202B, 0x202C, 0x202D,
                                          0x202E, 0x2066, 0x2067, 0x2068, 0x2069, 0};
    static const uint32_t invisible[] = {0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0};
    static const uint32_t dots[] = {0x2024, 0x3002, 0xFE52, 0xFF0E, 0xFF61, 0};
    const struct {
        bool applies;
        const char *text;
    } warnings[] = {
        {has_one(file_name, directions),
         "The name has characters that turn the direction of writing: it may be shown with another extension than"
         " it has."},
        {has_one(file_name, invisible), "The name has characters that are not shown."},
        {has_one(file_name, dots),
         "The name has a character that looks like a dot and is none: what follows it is no extension."},
        {!is_ascii(extension),
         "The extension has characters outside ASCII: it may look like another one, and is not that."},
    };
    out_name(out, "warnings");
    out_begin_array(out);
    for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++)
        if (warnings[i].applies)
            out_string(out, warnings[i].text);
    out_end_array(out);
}

void attachment_write_result(const char *file_name, struct buffer *out)
{
    const char *extension = extension_of(out->arena, file_name);
    bool unsupported = is_unsupported(extension);
    out_begin_object(out);
    out_member(out, "file_name", file_name);
    out_member(out, "extension", extension);
    out_member_boolean(out, "is_supported", !unsupported);
    out_member(out, "detail",
               unsupported ? arena_printf(out->arena, "Attachments with the extension .%s are not accepted.",
                                          extension)
               : *extension == '\0' ? "The name has no extension."
                                    : "The extension is not in the list.");
    write_warnings(file_name, extension, out);
    out_end_object(out);
}
