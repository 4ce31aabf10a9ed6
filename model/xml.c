#include "model/xml.h"

#include <libxml/parser.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

struct reader {
    struct arena *arena;
    xmlParserCtxtPtr parser;
    struct xml_element *wanted;
    size_t count;
    struct xml_root root;
    unsigned depth;
    struct xml_element *open; /* whose text is being read */
    unsigned open_depth;
    struct buffer text;
    const char *fault; /* why it was stopped; NULL: it was not */
};

void xml_prepare(void)
{
    LIBXML_TEST_VERSION
    xmlInitParser();
}

static void stop(struct reader *reader, const char *fault)
{
    if (reader->fault == NULL)
        reader->fault = fault;
    xmlStopParser(reader->parser);
}

static const char *copy(struct reader *reader, const xmlChar *text)
{
    return text != NULL ? arena_string(reader->arena, (const char *)text) : "";
}

static struct xml_element *find(struct reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->count; i++)
        if (strcasecmp(reader->wanted[i].name, name) == 0)
            return &reader->wanted[i];
    return NULL;
}

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces, const xmlChar **declared, int attributes, int defaulted,
                     const xmlChar **values)
{
    struct reader *reader = context;
    (void)prefix, (void)namespaces, (void)declared, (void)attributes, (void)defaulted, (void)values;
    if (reader->fault != NULL)
        return;
    if (++reader->depth > XML_DEPTH_MAX) {
        stop(reader, "Its elements are nested too deep.");
        return;
    }
    if (reader->depth == 1)
        reader->root = (struct xml_root){copy(reader, name), copy(reader, uri)};
    struct xml_element *element = find(reader, (const char *)name);
    if (element != NULL && element->text == NULL && reader->open == NULL) {
        reader->open = element;
        reader->open_depth = reader->depth;
        reader->text = (struct buffer){.arena = reader->arena};
    }
}

static void on_text(void *context, const xmlChar *text, int length)
{
    struct reader *reader = context;
    if (reader->fault != NULL || reader->open == NULL || reader->depth != reader->open_depth || length < 0)
        return;
    if (reader->text.length + (size_t)length > XML_TEXT_MAX)
        stop(reader, "The text of an element is too long.");
    else
        buffer_append(&reader->text, (const char *)text, (size_t)length);
}

static const char *trimmed(struct reader *reader)
{
    static const char space[] = " \t\r\n";
    const char *text = buffer_string(&reader->text);
    text += strspn(text, space);
    size_t length = strlen(text);
    while (length > 0 && strchr(space, text[length - 1]) != NULL)
        length--;
    return arena_copy(reader->arena, text, length);
}

static void on_end(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct reader *reader = context;
    (void)name, (void)prefix, (void)uri;
    if (reader->fault != NULL)
        return;
    if (reader->open != NULL && reader->depth == reader->open_depth) {
        reader->open->text = trimmed(reader);
        reader->open = NULL;
    }
    reader->depth--;
}

static void on_document_type(void *context, const xmlChar *name, const xmlChar *external,
                             const xmlChar *system)
{
    (void)name, (void)external, (void)system;
    stop(context, "It has a document type, which is not taken.");
}

/* XML's own five the parser knows without asking. */
static xmlEntityPtr on_entity(void *context, const xmlChar *name)
{
    (void)context, (void)name;
    return NULL;
}

/* Its words are for programmers, and it would print them. */
static void on_error(void *context, xmlErrorPtr error)
{
    (void)context, (void)error;
}

bool xml_read(struct arena *arena, const char *data, size_t length, struct xml_element *wanted, size_t count,
              struct xml_root *ret_root, const char **ret_detail)
{
    xmlSAXHandler handler = {
        .initialized = XML_SAX2_MAGIC,
        .internalSubset = on_document_type,
        .getEntity = on_entity,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .ignorableWhitespace = on_text,
        .cdataBlock = on_text,
        .serror = on_error,
    };
    struct reader reader = {.arena = arena, .wanted = wanted, .count = count};
    bool is_good = false;

    if (length == 0 || length > INT_MAX) {
        *ret_detail = "It is no XML document.";
        return false;
    }
    reader.parser = xmlCreatePushParserCtxt(&handler, &reader, NULL, 0, NULL);
    if (reader.parser != NULL) {
        xmlCtxtUseOptions(reader.parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        /* Its result also tells of names of namespaces that are no URI, as the guide's are not in two lines. */
        xmlParseChunk(reader.parser, data, (int)length, 1);
        is_good = reader.parser->wellFormed == 1 && reader.depth == 0 && reader.root.name != NULL &&
                  reader.fault == NULL;
        xmlFreeParserCtxt(reader.parser);
    }
    if (!is_good)
        *ret_detail = reader.fault != NULL ? reader.fault : "It is not well-formed XML.";
    else
        *ret_root = reader.root;
    return is_good;
}

/* --- writing --- */

/* Of well-formed UTF-8: whether the character is one that XML 1.0 has, which ends at ret_length. */
static bool is_character(const char *text, size_t *ret_length)
{
    unsigned char first = (unsigned char)*text;
    *ret_length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (first < ' ')
        return first == '\t' || first == '\n' || first == '\r';
    /* U+FFFE and U+FFFF */
    return !(first == 0xEF && (unsigned char)text[1] == 0xBF && (unsigned char)text[2] >= 0xBE);
}

void xml_text(struct buffer *out, const char *text)
{
    static const struct {
        char character;
        const char *escaped;
    } escapes[] = {{'&', "&amp;"},   {'<', "&lt;"},   {'>', "&gt;"},   {'"', "&quot;"},
                   {'\'', "&apos;"}, {'\r', "&#13;"}, {'\n', "&#10;"}, {'\t', "&#9;"}};
    size_t length;
    for (; *text != '\0'; text += length) {
        const char *escaped = NULL;
        if (!is_character(text, &length))
            escaped = "\xEF\xBF\xBD";
        for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
            if (escapes[i].character == *text)
                escaped = escapes[i].escaped;
        if (escaped != NULL)
            buffer_text(out, escaped);
        else
            buffer_append(out, text, length);
    }
}

void xml_member(struct buffer *out, const char *name, const char *text)
{
    buffer_printf(out, "<%s>", name);
    xml_text(out, text);
    buffer_printf(out, "</%s>", name);
}
