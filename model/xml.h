/* XML from strangers, and XML that is written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/buffer.h"

#define XML_DEPTH_MAX 32
#define XML_TEXT_MAX  4096 /* bytes of the text of one element */

/* An element that is looked for: its name, without case and whatever its namespace, and once it was found the text right
 * in it, without white space at its ends. */
struct xml_element {
    const char *name;
    const char *text; /* of the first one; NULL: there is none */
};

struct xml_root {
    const char *name;
    const char *namespace; /* "" without one */
};

/* Call once before threads read. */
void xml_prepare(void);

/* Reads a document: its root, and the elements that are looked for. Nothing is fetched, no document type is taken, so that
 * there are no entities but XML's own five, and no tree is built. False, with why in plain words, when it is not
 * well-formed, has a document type, or is too deep or a text too long; members of `wanted` may be set then. */
bool xml_read(struct arena *arena, const char *data, size_t length, struct xml_element *wanted, size_t count,
              struct xml_root *ret_root, const char **ret_detail);

/* Writes text, escaped for content and for attributes; what XML cannot hold becomes U+FFFD. `text` is UTF-8. */
void xml_text(struct buffer *out, const char *text);

/* <name>text</name> */
void xml_member(struct buffer *out, const char *name, const char *text);
