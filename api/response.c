#include "api/response.h"

#include <string.h>
#include <strings.h>

#include "api/problem.h"
#include "api/request.h"
#include "model/digest.h"
#include "model/text.h"

void response_header(struct request *request, const char *name, const char *value)
{
    if (request->response.header_count < RESPONSE_MAX_HEADERS)
        request->response.headers[request->response.header_count++] = (struct header){name, value};
}

static struct header *find_header(struct request *request, const char *name)
{
    for (size_t i = 0; i < request->response.header_count; i++)
        if (strcasecmp(request->response.headers[i].name, name) == 0)
            return &request->response.headers[i];
    return NULL;
}

const char *response_find_header(struct request *request, const char *name)
{
    const struct header *header = find_header(request, name);
    return header != NULL ? header->value : NULL;
}

void response_set_header(struct request *request, const char *name, const char *value)
{
    struct header *header = find_header(request, name);
    if (header != NULL)
        header->value = value;
    else
        response_header(request, name, value);
}

void response_vary(struct request *request, const char *name)
{
    const char *before = response_find_header(request, "Vary");
    response_set_header(request, "Vary",
                        before == NULL ? name : arena_printf(request->arena, "%s, %s", before, name));
}

enum code response_json(struct request *request, int status, struct buffer *body)
{
    request->response.status = status;
    request->response.content_type = "application/json";
    request->response.body = body->data;
    request->response.length = body->length;
    return CODE_OK;
}

static void send_answer(struct request *request, const struct answer *answer, int status)
{
    static const char operations[] = "/v1/operations/";
    struct buffer body = answer->body;
    if (status == 202 && answer->location != NULL &&
        strncmp(answer->location, operations, strlen(operations)) == 0)
        request->operation_id = answer->location + strlen(operations);
    if (answer->location != NULL)
        response_header(request, "Location", answer->location);
    if (answer->etag != NULL)
        response_header(request, "ETag", answer->etag);
    request->response.status = status;
    if (body.length > 0)
        response_json(request, status, &body);
}

/* A dry run shows what would be; of what has nothing to show, or would only begin, `{}`. */
static void send_dry_run(struct request *request, const struct answer *answer)
{
    struct answer shown = {.body = answer->body};
    if (shown.body.length == 0 || request->route->status == 202) {
        shown.body = request_buffer(request);
        buffer_text(&shown.body, "{}");
    }
    response_header(request, "Validate-Only", "true");
    send_answer(request, &shown, 200);
}

enum code response_change(struct request *request, const struct change *change, enum code code)
{
    const struct answer *answer = &change->answer;
    if (code != CODE_OK)
        return code;
    if (change->validate_only)
        send_dry_run(request, answer);
    else
        send_answer(request, answer, answer->status != 0 ? answer->status : change->status);
    return CODE_OK;
}

enum code response_kept(struct request *request, const struct answer *answer)
{
    if (request->validate_only) {
        send_dry_run(request, answer);
    } else {
        response_header(request, "Idempotent-Replayed", "true");
        send_answer(request, answer, answer->status);
    }
    return CODE_OK;
}

/* Of what has no version: the same bytes, the same tag. */
static const char *etag_of(struct arena *arena, const struct buffer *body)
{
    unsigned char digest[DIGEST_SIZE];
    char hex[2 * 12 + 1];
    digest_sha256(body->data, body->length, digest);
    digest_to_hex(digest, 12, hex);
    return arena_printf(arena, "\"%s\"", hex);
}

enum code response_answer(struct request *request, const struct answer *answer, enum code code)
{
    struct answer found = *answer;
    if (code != CODE_OK)
        return code;
    if (found.etag == NULL)
        found.etag = etag_of(request->arena, &found.body);
    if (request->if_none_match != NULL && tx_names(request->if_none_match, found.etag, true)) {
        request->response.not_sent = found.body.length;
        found.body = request_buffer(request);
        send_answer(request, &found, 304);
    } else {
        send_answer(request, &found, 200);
    }
    return CODE_OK;
}

/* The same request with another token. Its parameters are known to be well-formed; what would end the link is escaped. */
static const char *next_link(struct request *request, const char *next_token)
{
    struct buffer link = request_buffer(request);
    buffer_printf(&link, "<%s?", request->path);
    for (const char *at = request->query; *at != '\0'; at += *at == '&') {
        size_t length = strcspn(at, "&");
        const char *part = at;
        const char *name = "";
        at += length;
        text_percent_decode(request->arena, part, strcspn(part, "=&"), true, &name);
        if (length == 0 || strcmp(name, "page_token") == 0)
            continue;
        for (size_t i = 0; i < length; i++) {
            if (part[i] == '<' || part[i] == '>' || part[i] == '"')
                buffer_printf(&link, "%%%02X", (unsigned)part[i]);
            else
                buffer_byte(&link, part[i]);
        }
        buffer_byte(&link, '&');
    }
    buffer_printf(&link, "page_token=%s>; rel=\"next\"", next_token);
    return buffer_string(&link);
}

enum code response_page(struct request *request, struct buffer *body, const char *next_token)
{
    if (next_token != NULL)
        response_header(request, "Link", next_link(request, next_token));
    return response_json(request, 200, body);
}

void response_refuse(struct request *request, enum code code)
{
    struct buffer body = request_buffer(request);
    int retry_after = problem_retry_after(code);

    problem_write(&request->problem, code, request->request_id, &body);
    request->response.header_count = 0;
    response_json(request, problem_status(code), &body);
    request->response.content_type = "application/problem+json";
    if (code == CODE_UNAUTHENTICATED)
        response_header(request, "WWW-Authenticate",
                        request->route != NULL && request->route->for_mail_user
                            ? "Basic realm=\"postreeve\", charset=\"UTF-8\""
                            : "Basic realm=\"postreeve\", Bearer");
    if (retry_after > 0)
        response_header(request, "Retry-After", arena_printf(request->arena, "%d", retry_after));
}
