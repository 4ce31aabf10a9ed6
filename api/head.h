/* The headers of a request: which are wanted, and whether all who read them understand the same. */
#pragma once

#include <stdbool.h>

#include "api/proxy.h"
#include "model/code.h"

struct request;

/* The headers that matter; a second one of a kind could mean one thing to a proxy and another to us. */
struct head {
    struct request *request;
    const char *content_length;
    const char *transfer_encoding;
    const char *host;
    const char *request_id;
    const char *traceparent;
    struct proxy_headers proxies;
    const char *repeated;
    const char *end; /* of what was seen of the head so far (see head_add) */
    bool has_odd_name;
    bool has_odd_value;
    bool has_odd_line;
};

/* The next header, in the order of the head: `name` and `value` lie in it as it came. value may be NULL. */
void head_add(struct head *head, const char *name, const char *value);

/* Whether the head ends there, behind the empty line, with nothing unseen before. */
bool head_ends(const struct head *head, const char *end);

/* CODE_OK, or CODE_BAD_REQUEST with the request's problem. is_whole: the request line and the headers are all there was;
 * has_source: where it came from could be told (api/proxy.h). RFC 9112, 5.1 and 6.1. */
enum code head_check(const struct head *head, const char *version, bool is_whole, bool has_source);

/* 1 to 64 letters, digits, dots, underscores and hyphens. */
bool head_is_request_id(const char *text);
