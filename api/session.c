#include "api/session.h"

#include <string.h>

#include "api/app.h"
#include "api/authorize.h"
#include "api/guess.h"
#include "db/iam_session.h"
#include "model/id.h"
#include "model/password.h"
#include "model/secret.h"

#define ACTION "iam:CreateSession"

#define COOKIE_ATTRIBUTES "; Path=/; HttpOnly; SameSite=Strict"

static void set_cookie(struct request *request, const char *token)
{
    response_header(request, "Set-Cookie",
                    arena_printf(request->arena, "%s=%s%s%s%s", auth_cookie_name(request->is_secure), token,
                                 COOKIE_ATTRIBUTES, request->is_secure ? "; Secure" : "",
                                 *token == '\0' ? "; Max-Age=0" : ""));
}

/* The view, with the token before the other members: it is no column. */
static enum code add_csrf_token(struct request *request, const char *token, struct buffer *body)
{
    struct buffer whole = request_buffer(request);
    const char *csrf_token = auth_csrf_token(request->arena, request->app->secret_key, token);
    if (csrf_token == NULL)
        return CODE_INTERNAL_ERROR;
    buffer_printf(&whole, "{\"csrf_token\":\"%s\",", csrf_token);
    buffer_append(&whole, body->data + 1, body->length - 1);
    *body = whole;
    return CODE_OK;
}

/* The account is told of its own users only; what is said to be of it goes to the installation's log. */
static enum code refuse(struct request *request, const struct sign_in *sign_in, const char *iam_user_id)
{
    struct auth_claim claim = {.is_shown = true};
    const char *target = "/v1/sessions";
    if (iam_user_id != NULL) {
        memcpy(claim.account_id, sign_in->account_id, sizeof(claim.account_id));
        target = arena_printf(request->arena, "/v1/iam/users/%s", iam_user_id);
    }
    problem_fill(&request->problem, CODE_UNAUTHENTICATED,
                 "There is no such IAM user in this account, or the password is wrong.");
    return request_refuse_credential(request, ACTION, target, &claim);
}

/* Whoever is named, a hash is computed: how long it takes tells nothing. */
static enum code check_password(struct request *request, const struct sign_in *sign_in,
                                struct new_session *session)
{
    const char *hash;
    enum code code = iam_find_password(request->db, sign_in, &request->problem, &session->iam_user_id, &hash);
    if (code != CODE_OK)
        return code;
    bool good = password_verify(hash != NULL ? hash : password_of_nobody(), sign_in->password);
    if (!good || hash == NULL)
        return refuse(request, sign_in, session->iam_user_id);
    guess_was_right(request);
    session->password_hash = hash;
    return CODE_OK;
}

enum code create_session(struct request *request)
{
    struct sign_in sign_in = {0};
    struct new_session session = {.source_address = request->source_address};
    char token[SESSION_TOKEN_LENGTH + 1];
    uint64_t set;

    enum code code = request_body(request, &sign_in, &set);
    if (code == CODE_OK)
        code = guess_begin(request, arena_printf(request->arena, "%s\n%s", sign_in.account_id, sign_in.name));
    if (code == CODE_OK)
        code = check_password(request, &sign_in, &session);
    if (code != CODE_MOVE_LANE)
        guess_end(request);
    if (code != CODE_OK)
        return code;
    if (!secret_random_text(token, SESSION_TOKEN_LENGTH, SECRET_ALPHANUMERIC))
        return CODE_INTERNAL_ERROR;
    session.token_digest = auth_session_digest(request->arena, token);
    struct change change = request_change(request);
    change.account_id = sign_in.account_id;
    change.actor = session.iam_user_id;
    change.asked = (struct audit_note){.action = ACTION, .target = "/v1/sessions"};
    code = session.token_digest != NULL ? iam_create_session(request->db, &change, &session)
                                        : CODE_INTERNAL_ERROR;
    if (code == CODE_OK)
        code = add_csrf_token(request, token, &change.answer.body);
    if (code == CODE_OK) {
        change.answer.location = "/v1/sessions/current";
        set_cookie(request, token);
    }
    secret_wipe(token, sizeof(token));
    return response_change(request, &change, code);
}

enum code describe_current_session(struct request *request)
{
    struct answer answer = request_answer(request);
    const struct principal *principal = &request->principal;
    if (principal->session_id[0] == '\0')
        return problem_set(&request->problem, CODE_SESSION_NOT_FOUND,
                           "The request came with an access key, not with a session.");
    enum code code = iam_describe_session(request->db, principal->account_id, principal->session_id,
                                          &request->problem, &answer);
    const char *token = auth_session_token(request->arena, request->cookies, request->is_secure);
    if (code == CODE_OK)
        code = add_csrf_token(request, token, &answer.body);
    return response_answer(request, &answer, code);
}

enum code sign_out(struct request *request)
{
    const struct principal *principal = &request->principal;
    if (principal->session_id[0] == '\0')
        return problem_set(&request->problem, CODE_SESSION_NOT_FOUND,
                           "The request came with an access key, not with a session.");
    struct change change = request_change(request);
    change.asked.target = arena_printf(request->arena, "/v1/sessions/%s", principal->session_id);
    enum code code = iam_delete_session(request->db, &change, NULL, principal->session_id);
    if (code == CODE_OK && !request->validate_only)
        set_cookie(request, "");
    return response_change(request, &change, code);
}

enum code list_sessions(struct request *request)
{
    struct session_query query = {0};
    return request_answer_list(request, &query, &query.page, iam_list_sessions);
}

enum code delete_session(struct request *request)
{
    const char *visible;
    struct change change = request_change(request);
    enum code code = authorize_visible(request, &visible);
    if (code == CODE_OK)
        code = iam_delete_session(request->db, &change, visible, request->arguments[0]);
    return response_change(request, &change, code);
}
