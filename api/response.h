/* The answer of a request, and the ways to make it. Texts are not copied: they live as long as the request's arena. */
#pragma once

#include <stddef.h>

#include "model/buffer.h"
#include "model/code.h"

struct answer;
struct change;
struct request;

#define RESPONSE_MAX_HEADERS 24

struct header {
    const char *name;
    const char *value;
};

struct response {
    int status;               /* 0: not made yet */
    const char *content_type; /* NULL without a body */
    const char *body;
    size_t length;
    const char *gzip_body; /* the same, compressed once for all; NULL: not so */
    size_t gzip_length;
    size_t not_sent; /* bytes that a 304 stands for */
    struct header headers[RESPONSE_MAX_HEADERS];
    size_t header_count;
};

/* JSON that is written. */
enum code response_json(struct request *request, int status, struct buffer *body);
/* What a read found, with its entity tag (that of its bytes when it has no version); 304 when the caller has it; or the
 * code of one that failed. */
enum code response_answer(struct request *request, const struct answer *answer, enum code code);
/* 200 with a page, and a Link to the next one. */
enum code response_page(struct request *request, struct buffer *body, const char *next_token);
/* What a change answers, with the route's status; or the code of one that failed. */
enum code response_change(struct request *request, const struct change *change, enum code code);
/* What the same change answered before, under its Idempotency-Key. */
enum code response_kept(struct request *request, const struct answer *answer);
/* The problem document of a code other than CODE_OK (api/problem.c), in place of whatever was made before. */
void response_refuse(struct request *request, enum code code);

/* One header more; beyond RESPONSE_MAX_HEADERS none. */
void response_header(struct request *request, const char *name, const char *value);
/* In the place of the one that is there. */
void response_set_header(struct request *request, const char *name, const char *value);
/* NULL: there is none. */
const char *response_find_header(struct request *request, const char *name);
/* Notes that the answer depends on this header of the request. */
void response_vary(struct request *request, const char *name);
