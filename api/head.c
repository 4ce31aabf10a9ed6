#include "api/head.h"

#include <string.h>
#include <strings.h>

#include "api/request.h"
#include "api/waiting.h"
#include "model/prefer.h"

#define TOKEN_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"

/* Those that are lists: lines of the same name are one list. */
static bool join_list(struct head *head, const char *name, const char *value)
{
    struct {
        const char *name;
        const char **place;
    } lists[] = {
        {"Accept-Encoding", &head->request->accept_encoding},
        {"Forwarded", &head->proxies.forwarded},
        {"X-Forwarded-For", &head->proxies.x_forwarded_for},
        {"X-Forwarded-Proto", &head->proxies.x_forwarded_proto},
        {"traceparent", &head->traceparent}, /* is none; two of them are ill-formed then, and ignored */
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcasecmp(name, lists[i].name) != 0)
            continue;
        const char *before = *lists[i].place;
        *lists[i].place = before == NULL ? value : arena_printf(head->request->arena, "%s,%s", before, value);
        return true;
    }
    return false;
}

static bool has_control(const char *value)
{
    for (; *value != '\0'; value++)
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7F)
            return true;
    return false;
}

/* The names and values that libmicrohttpd gives lie in the head as it came, one behind the other. Where they do not, it saw
 * something else than others may see: a NUL cuts off the rest of a value or of the path, a line feed alone ends a line, a
 * line that begins with a colon ends the head (0.9.75), and what stands behind it would be the next request. */
#define LINE_END  2
#define LINE_ENDS 4

void head_add(struct head *head, const char *name, const char *value)
{
    struct {
        const char *name;
        const char **place;
    } wanted[] = {
        {"Authorization", &head->request->authorization},
        {"Content-Type", &head->request->content_type},
        {"Content-Encoding", &head->request->content_encoding},
        {"Content-Length", &head->content_length},
        {"Transfer-Encoding", &head->transfer_encoding},
        {"Host", &head->host},
        {"Request-Id", &head->request_id},
        {"Idempotency-Key", &head->request->idempotency_key},
        {"If-Match", &head->request->if_match},
        {"If-None-Match", &head->request->if_none_match},
        {"Origin", &head->request->origin},
    };
    if (strcasecmp(name, "Prefer") == 0 && value != NULL && head->request->wait_s == 0)
        head->request->wait_s = prefer_wait(value, WAITING_MAX_S);
    /* RFC 9110, 5.6.2: a name like "Content-Length " is one header to a lenient proxy and another to us. */
    if (name[strspn(name, TOKEN_CHARACTERS)] != '\0' || *name == '\0')
        head->has_odd_name = true;
    if (value == NULL)
        value = "";
    if (has_control(value))
        head->has_odd_value = true;
    if (name != head->end + LINE_END)
        head->has_odd_line = true;
    head->end = value + strlen(value);
    if (join_list(head, name, value))
        return;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strcasecmp(name, wanted[i].name) != 0)
            continue;
        if (*wanted[i].place != NULL)
            head->repeated = wanted[i].name;
        *wanted[i].place = value;
    }
}

bool head_is_request_id(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return length >= 1 && length <= 64 && text[length] == '\0';
}

bool head_ends(const struct head *head, const char *end)
{
    return head->end + LINE_ENDS == end;
}

enum code head_check(const struct head *head, const char *version, bool is_whole, bool has_source)
{
    struct problem *problem = &head->request->problem;
    if (head->has_odd_name)
        return problem_set(problem, CODE_BAD_REQUEST,
                           "A header's name has a character that names cannot have.");
    if (head->has_odd_value)
        return problem_set(problem, CODE_BAD_REQUEST,
                           "A header's value has a control character, which values cannot have.");
    if (head->has_odd_line || !is_whole)
        return problem_set(problem, CODE_BAD_REQUEST,
                           "The head of the request can be understood in more than one way: its lines begin "
                           "with a name, end in CR LF and hold no NUL.");
    if (!has_source)
        return problem_set(
            problem, CODE_BAD_REQUEST,
            "Forwarded and X-Forwarded-For name different addresses: the proxy should take out "
            "the one that it does not write.");
    if (head->repeated != NULL)
        return problem_set(problem, CODE_BAD_REQUEST, "The header %s stands there twice.", head->repeated);
    if (head->content_length != NULL && head->transfer_encoding != NULL)
        return problem_set(problem, CODE_BAD_REQUEST, "Send Content-Length or Transfer-Encoding, not both.");
    if (head->transfer_encoding != NULL && strcasecmp(head->transfer_encoding, "chunked") != 0)
        return problem_set(problem, CODE_BAD_REQUEST, "The only Transfer-Encoding is chunked.");
    if (head->host == NULL && strcmp(version, "HTTP/1.1") == 0)
        return problem_set(problem, CODE_BAD_REQUEST, "HTTP/1.1 needs a Host header.");
    return CODE_OK;
}
