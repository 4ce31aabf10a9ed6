#include "api/docs.h"

#include <string.h>

/* Nothing but what the service itself serves, and no script or style in the page. */
#define CONTENT_SECURITY_POLICY                                                                          \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';" \
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static enum code send_file(struct request *request, const struct docs_file *file)
{
    bool known = request->if_none_match != NULL && tx_names(request->if_none_match, file->etag, true);
    request->response = (struct response){.status = 304, .not_sent = file->gzip != NULL ? file->length : 0};
    if (!known)
        request->response = (struct response){.status = 200,
                                              .content_type = file->type,
                                              .body = file->data,
                                              .length = file->length,
                                              .gzip_body = file->gzip,
                                              .gzip_length = file->gzip_length};
    response_header(request, "ETag", file->etag);
    response_header(request, "Cache-Control", "no-cache"); /* kept, but asked for again */
    response_header(request, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
    response_header(request, "Referrer-Policy", "no-referrer");
    return CODE_OK;
}

static enum code send_named(struct request *request, const char *name)
{
    if (docs_files[0].type == NULL)
        return problem_set(
            &request->problem, CODE_ROUTE_NOT_FOUND,
            "This program was built without npm, which brings the pages for people; the description "
            "of the API is at /openapi.yaml.");
    for (const struct docs_file *file = docs_files; file->type != NULL; file++)
        if (strcmp(file->name, name) == 0)
            return send_file(request, file);
    return problem_set(&request->problem, CODE_ROUTE_NOT_FOUND, "There is no such file; begin at /docs.");
}

enum code get_docs(struct request *request)
{
    return send_named(request, "");
}

enum code get_docs_file(struct request *request)
{
    return send_named(request, request->arguments[0]);
}
