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

/* Whether one of the sequences is in the name. */
static bool has_one(const char *file_name, const char *const *sequences)
{
    for (; *sequences != NULL; sequences++)
        if (strstr(file_name, *sequences) != NULL)
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
    static const char *const directions[] = {"\u061C", "\u200E", "\u200F", "\u202A", "\u202B",
                                             "\u202C", "\u202D", "\u202E", "\u2066", "\u2067",
                                             "\u2068", "\u2069", NULL};
    static const char *const invisible[] = {"\u00AD", "\u200B", "\u200C", "\u200D", "\u2060", "\uFEFF", NULL};
    static const char *const dots[] = {"\u2024", "\u3002", "\uFE52", "\uFF0E", "\uFF61", NULL};
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
