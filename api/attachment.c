#include "api/attachment.h"

#include "api/request.h"
#include "model/attachment.h"
#include "model/json_out.h"

enum code list_unsupported_attachment_types(struct request *request)
{
    struct buffer body = request_buffer(request);
    attachment_write_types(&body);
    return response_json(request, 200, &body);
}

enum code test_attachments(struct request *request)
{
    struct attachment_test test = {0};
    struct buffer body = request_buffer(request);
    uint64_t set;

    enum code code = request_body(request, &test, &set);
    if (code != CODE_OK)
        return code;
    out_begin_object(&body);
    out_name(&body, "items");
    out_begin_array(&body);
    for (size_t i = 0; test.file_names[i] != NULL; i++)
        attachment_write_result(test.file_names[i], &body);
    out_end_array(&body);
    out_end_object(&body);
    return response_json(request, 200, &body);
}
