/* /docs: the API as pages to read and to try. The files travel inside the binary (cmake/docs.cmake). */
#pragma once

#include "api/request.h"

struct docs_file {
    const char *name; /* after /docs/; "" for the page itself */
    const char *type;
    const char *etag;
    const char *data;
    size_t length;
    const char *gzip; /* the same, compressed; NULL: it is not text */
    size_t gzip_length;
};

/* Empty in a build without npm; ends with a row without a type. */
extern const struct docs_file docs_files[];

enum code get_docs(struct request *request);
enum code get_docs_file(struct request *request);
